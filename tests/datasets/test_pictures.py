import io

import numpy as np
import pytest
from PIL import Image

from facekit.datasets.pictures import MAX_PIXELS, BadPicture, list_pictures, read_picture, to_array

RAMP = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def ramp(mode: str) -> Image.Image:
    return Image.fromarray(RAMP).convert(mode)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "1", "P"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_is_converted_to_greyscale_or_rgb(mode, channels):
    read = read_picture(ramp(mode), channels)
    assert read.mode == {1: "L", 3: "RGB"}[channels]
    assert to_array(read).shape == (channels, 6, 8)
    if mode not in ("1", "P"):  # of few colours
        assert np.abs(to_array(read).astype(int) - RAMP).max() <= 2


def test_16_bits_are_converted_to_8(tmp_path):
    deep = Image.fromarray(RAMP.astype(np.uint16) << 8)
    deep.save(tmp_path / "deep.png")
    assert np.array_equal(np.asarray(read_picture(tmp_path / "deep.png", 1)), RAMP)


def test_transparency_becomes_white():
    glass = ramp("RGBA")
    glass.putalpha(Image.fromarray(np.where(np.arange(48).reshape(6, 8) < 24, 0, 255).astype(np.uint8)))
    pixels = np.asarray(read_picture(glass, 1))
    assert (pixels[:3] == 255).all()
    assert np.array_equal(pixels[3:], RAMP[3:])


def test_a_transparent_palette_becomes_white(tmp_path):
    palette = ramp("P")
    palette.save(tmp_path / "p.png", transparency=palette.getpixel((0, 0)))
    assert read_picture(tmp_path / "p.png").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(tmp_path, orientation):
    """A rotated camera stores a rotated image; reading rotates it back."""
    stored = {
        1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
        5: lambda a: a.T, 6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a, 2).T, 8: lambda a: np.rot90(a, 3),
    }[orientation](RAMP)  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "rotated.png", exif=exif)
    assert np.array_equal(np.asarray(read_picture(tmp_path / "rotated.png", 1)), RAMP)


def test_bytes_and_paths_are_equivalent(tmp_path):
    ramp("RGB").save(tmp_path / "a.bmp")
    assert read_picture((tmp_path / "a.bmp").read_bytes()) == read_picture(str(tmp_path / "a.bmp"))


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    ramp("L").save(tmp_path / "a.gif", save_all=True, append_images=[Image.new("L", (8, 6), 255)])
    assert np.array_equal(np.asarray(read_picture(tmp_path / "a.gif", 1)), RAMP)


def saved(kind: str, **options) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_file_raises(kind, kept):
    whole = saved(kind)
    read_picture(whole)
    with pytest.raises(BadPicture):
        read_picture(whole[: int(len(whole) * kept)])


def test_a_damaged_png_raises():
    whole = bytearray(saved("PNG"))
    whole[len(whole) // 2] ^= 255
    with pytest.raises(BadPicture, match="truncated or damaged"):
        read_picture(bytes(whole))


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_a_file_that_is_not_an_image_raises(tmp_path, content):
    (tmp_path / "text.jpg").write_bytes(content)
    with pytest.raises(BadPicture, match=r"not a picture|truncated"):
        read_picture(tmp_path / "text.jpg")


def test_a_missing_file_and_a_folder_raise(tmp_path):
    with pytest.raises(BadPicture, match="no such file"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(BadPicture):
        read_picture(tmp_path)


@pytest.mark.parametrize("side", [8_100, 14_000])  # below and above the size at which Pillow itself refuses
def test_a_very_large_image_raises_before_it_is_decoded(tmp_path, side, monkeypatch):
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    assert side**2 > MAX_PIXELS
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("the image was decoded"))
    with pytest.raises(BadPicture, match="pixels"):
        read_picture(tmp_path / "bomb.png")


def test_images_are_listed_in_order_without_hidden_ones(tmp_path):
    for name in ("b.PNG", "a/2.jpeg", "a/1.jpg", ".hidden.png", ".cache/1.png", "notes.txt", "a/._1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [p.relative_to(tmp_path).as_posix() for p in list_pictures(tmp_path)] == ["a/1.jpg", "a/2.jpeg", "b.PNG"]


@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_photographs_of_phones_are_read(tmp_path, suffix):
    smooth = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 3, (64, 1))).convert("RGB")
    smooth.save(tmp_path / f"a.{suffix}", quality=95)
    read = read_picture(tmp_path / f"a.{suffix}")
    assert read.mode == "RGB"
    assert np.abs(np.asarray(read).astype(int) - np.asarray(smooth)).mean() < 4
    assert [file.name for file in list_pictures(tmp_path)] == [f"a.{suffix}"]


def test_damaged_photographs_of_phones_are_refused(tmp_path):
    smooth = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 3, (64, 1))).convert("RGB")
    smooth.save(tmp_path / "a.heic")
    whole = (tmp_path / "a.heic").read_bytes()
    for length in (20, len(whole) // 2, len(whole) - 50):
        with pytest.raises(BadPicture):
            read_picture(whole[:length])
