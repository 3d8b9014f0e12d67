"""Sequences of faces as animations."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from facekit.faces.faces import Faces
from facekit.show.images import grid, stacked
from facekit.workspace.files import atomic_path


@dataclass(frozen=True, eq=False)
class Animation:
    """Frames of an animation. A notebook shows it as an animated PNG; `save` writes .gif, .png or .webp."""

    frames: tuple[Image.Image, ...]
    fps: float

    def encode(self, kind: str = "png", **options) -> bytes:
        """The bytes of an animated file of this format, which repeats forever; `options` are Pillow's."""
        buffer = io.BytesIO()
        first, *others = self.frames
        timing = {"duration": 1000 / self.fps, "loop": 0}
        first.save(buffer, format=kind.upper(), save_all=True, append_images=others, **timing, **options)
        return buffer.getvalue()

    def save(self, path: str | Path, **options) -> None:
        """Write the file atomically; its suffix decides the format. `options` are Pillow's, such as `comment`."""
        path = Path(path)
        with atomic_path(path) as temporary:
            temporary.write_bytes(self.encode(path.suffix.removeprefix("."), **options))

    def _repr_png_(self) -> bytes:
        return self.encode()


def animate(sequences: Tensor | Faces, *, fps: float = 12, **layout) -> Animation:
    """Sequences (N, T, C, H, W) in [-1, 1], played side by side; `layout` is passed to `grid`."""
    images = sequences.images if isinstance(sequences, Faces) else sequences
    if images.ndim != 5:
        raise ValueError(f"sequences have shape {tuple(images.shape)}; need (N, T, C, H, W)")
    sheets = [grid(images[:, t], full_color=True, **layout) for t in range(images.shape[1])]
    # One palette for all frames: colours that change from frame to frame would look like movement.
    palette = stacked(sheets).quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=3)
    return Animation(tuple(sheet.quantize(palette=palette, dither=Image.Dither.NONE) for sheet in sheets), fps)
