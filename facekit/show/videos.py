"""Writing videos frame by frame: pictures side by side, as .mp4, .gif or .webp, marked as generated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from PIL import Image

from facekit.show.animation import Animation
from facekit.workspace.files import atomic_path

FORMATS = (".mp4", ".gif", ".webp")
"""Suffixes of the files that can be written."""

LONGEST_ANIMATION = 750
"""Frames of a .gif or .webp, which are kept in memory until the file is written; an .mp4 may have any number."""

_GAP = 4  # pixels between pictures


class TooLong(ValueError):
    """An animation has more frames than its format is good for."""


class VideoWriter:
    """Writes a video in a `with` block: `writer.add(frame)`. The file appears when the block ends without an error.

    path       its suffix decides the format
    fps        frames per second
    statement  what the metadata say about its origin

    Raises `ValueError` for a suffix that is not in `FORMATS`, and `TooLong` when a .gif or .webp grows too long.
    """

    def __init__(self, path: str | os.PathLike, fps: float, statement: str) -> None:
        self.path, self.fps, self.statement = Path(path), fps, statement
        if self.path.suffix.lower() not in FORMATS:
            raise ValueError(f"{self.path.name} is no name of a video: use {', '.join(FORMATS)}")
        self._frames: list[Image.Image] = []
        self._container = self._stream = None

    def __enter__(self) -> Self:
        if self.path.suffix.lower() == ".mp4":
            self._drafting = atomic_path(self.path)
            draft = self._drafting.__enter__()
            self._container = av.open(str(draft), "w", format="mp4")
            self._container.metadata["comment"] = self.statement
        return self

    def add(self, frame: np.ndarray) -> None:
        """Add a frame (H, W, 3) uint8 RGB; all frames have the size of the first."""
        if self._container is None:
            if len(self._frames) == LONGEST_ANIMATION:
                raise TooLong(f"a {self.path.suffix} with more than {LONGEST_ANIMATION} frames is too large: use .mp4")
            self._frames.append(Image.fromarray(frame))
            return
        frame = np.pad(frame, [(0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)], mode="edge")
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=Fraction(self.fps).limit_denominator(1000))
            self._stream.height, self._stream.width = frame.shape[:2]
            self._stream.pix_fmt, self._stream.options = "yuv420p", {"crf": "18"}
        self._container.mux(self._stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._container is not None:
            if kind is None and self._stream is not None:
                self._container.mux(self._stream.encode())
            self._container.close()
            self._drafting.__exit__(kind, error, trace)
        elif kind is None and self._frames:
            options = {"comment": self.statement} if self.path.suffix.lower() == ".gif" else {"exif": self._exif()}
            Animation(tuple(self._frames), self.fps).save(self.path, **options)

    def _exif(self) -> bytes:
        exif = Image.Exif()
        exif[0x010E] = self.statement  # ImageDescription
        return exif.tobytes()


def side_by_side(pictures: Sequence[np.ndarray], height: int) -> np.ndarray:
    """Pictures (H, W, 3) uint8 in a row (height, W, 3) with white gaps, each scaled to this height."""
    parts = []
    for picture in pictures:
        width = max(1, round(picture.shape[1] * height / picture.shape[0]))
        method = cv2.INTER_CUBIC if height > picture.shape[0] else cv2.INTER_AREA
        parts += [cv2.resize(picture, (width, height), interpolation=method), np.full((height, _GAP, 3), 255, np.uint8)]
    return np.concatenate(parts[:-1], 1)
