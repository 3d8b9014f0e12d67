"""Reading image files: complete, upright, 8-bit greyscale or RGB, and of a size that fits into memory."""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

PICTURE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif"}
)
"""Suffixes of the files that are read as images."""

MAX_PIXELS = 64_000_000
"""Larger images are rejected, because a small file may decode to an image that fills the memory."""

# Only formats that Pillow and pillow-heif decode by themselves; EPS would start another program.
_FORMATS = ("PNG", "JPEG", "MPO", "BMP", "GIF", "PPM", "TIFF", "WEBP", "HEIF", "AVIF")
register_heif_opener()
Image.init()
_FORMATS = tuple(name for name in _FORMATS if name in Image.OPEN)  # AVIF needs Pillow 11.3

# Pillow warns about large images; here they are rejected.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class BadPicture(ValueError):
    """A file or byte string that cannot be used as an image. The message gives the reason in one sentence."""


def read_picture(source: str | os.PathLike | bytes | Image.Image, channels: int = 3) -> Image.Image:
    """Read an image in Pillow's mode "L" (`channels` 1) or "RGB" (3).

    It is rotated according to its EXIF orientation; transparency becomes white; 16 bits become 8; of an animation, the
    first frame is taken.

    source    path of a file, its bytes, or an open image

    Raises `BadPicture` for data that is not an image, is truncated or damaged, or has more than `MAX_PIXELS` pixels.
    """
    try:
        image = _open(source)
        if image.width * image.height > MAX_PIXELS:
            limit = MAX_PIXELS // 1_000_000
            raise BadPicture(
                f"the picture has {image.width} x {image.height} pixels; at most {limit} million are supported"
            )
        image.load()
        return _to_mode(ImageOps.exif_transpose(image), "L" if channels == 1 else "RGB")
    except FileNotFoundError:
        raise BadPicture("there is no such file") from None
    except UnidentifiedImageError:
        raise BadPicture("the file is not a picture, or its format is not supported") from None
    except Image.DecompressionBombError as error:
        raise BadPicture(f"the picture is too large ({error})") from None
    except BadPicture:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise BadPicture(f"the picture is truncated or damaged ({error})") from None


def list_pictures(folder: Path) -> Iterator[Path]:
    """The image files in a folder and its subfolders, sorted by path; hidden files and folders are skipped."""
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix.lower() in PICTURE_SUFFIXES and not hidden and file.is_file():
            yield file


def to_array(image: Image.Image) -> np.ndarray:
    """Convert an image in mode "L" or "RGB" to an array (C, H, W) uint8."""
    pixels = np.array(image)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _open(source: str | os.PathLike | bytes | Image.Image) -> Image.Image:
    if isinstance(source, Image.Image):
        return source
    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS)


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits
        image = Image.fromarray((np.asarray(image, np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    if mode == "L" and image.mode not in ("L", "1", "RGB"):
        image = image.convert("RGB")
    return image.convert(mode)
