"""Frames of a video, one after the other: from a file, a folder of pictures, or a camera."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from facekit.datasets.pictures import MAX_PIXELS, BadPicture, list_pictures, read_picture

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".webm", ".mkv", ".mpg", ".mpeg"})
"""Suffixes of the files that are read as videos."""

_RATE = 25.0  # frames a second of a folder of pictures, and of a file that does not state its own


class BadVideo(BadPicture):
    """A file, folder or camera that gives no frames. The message gives the reason in one sentence."""


class VideoFrames:
    """The frames of a video, (H, W, 3) uint8 RGB, upright, read when they are needed.

    Iterating over it reads the video from its start; the frames are not kept, so that a video may have any length.

    source   path of a video file, or a folder of pictures in order of their names
    fps      frames per second

    Raises `BadVideo` for a source that does not exist or gives no frames.
    """

    def __init__(self, source: str | os.PathLike) -> None:
        self.source = Path(source)
        if not self.source.exists():
            raise BadVideo(f"there is no file or folder {self.source}")
        if self.source.is_dir():
            self._files = list(list_pictures(self.source))
            if not self._files:
                raise BadVideo(f"the folder {self.source} contains no picture")
            self.fps = _RATE
            return
        with _opened(self.source) as container:
            rate = container.streams.video[0].average_rate
        self.fps = float(rate) if rate else _RATE
        next(iter(self))

    def __iter__(self) -> Iterator[np.ndarray]:
        if self.source.is_dir():
            for file in self._files:
                try:
                    yield np.asarray(read_picture(file))
                except BadPicture as error:
                    raise BadVideo(f"{file.name}: {error}") from None
            return
        yield from self._decoded()

    def _decoded(self) -> Iterator[np.ndarray]:
        decoded = 0
        with _opened(self.source) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            try:
                for frame in container.decode(stream):
                    if frame.width * frame.height > MAX_PIXELS:
                        raise BadVideo(f"the frames have {frame.width} x {frame.height} pixels, which is too many")
                    yield _upright(frame)
                    decoded += 1
            except av.FFmpegError as error:
                if not decoded:
                    raise BadVideo(f"no frame of {self.source} can be decoded ({error})") from None
        if not decoded:
            raise BadVideo(f"{self.source} contains no frame")


def camera_frames(seconds: float, camera: int = 0) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) uint8 RGB of a camera of this machine, for some seconds, mirrored as in a mirror.

    Raises `BadVideo` where there is no such camera.
    """
    capture = cv2.VideoCapture(camera)
    try:
        if not capture.isOpened():
            raise BadVideo(f"camera {camera} cannot be opened: connect one, or give a video file")
        rate = capture.get(cv2.CAP_PROP_FPS) or _RATE
        for _ in range(max(1, round(seconds * rate))):
            read, frame = capture.read()
            if not read:
                return
            yield np.ascontiguousarray(frame[:, ::-1, ::-1])
    finally:
        capture.release()


def thinned(frames: Iterator[np.ndarray], fps: float, wanted: float) -> Iterator[np.ndarray]:
    """Frames at a lower frame rate: those nearest to its moments."""
    if wanted >= fps:
        yield from frames
        return
    due = itertools.count()
    moment = next(due) * fps / wanted
    for i, frame in enumerate(frames):
        if i >= moment - 0.5:
            yield frame
            moment = next(due) * fps / wanted


def _opened(path: Path):
    try:
        container = av.open(str(path))
    except (av.FFmpegError, ValueError) as error:
        raise BadVideo(f"{path} is not a video, or is damaged ({error})") from None
    if not container.streams.video:
        container.close()
        raise BadVideo(f"{path} contains no picture track")
    return container


def _upright(frame: av.VideoFrame) -> np.ndarray:
    """The pixels of a frame, turned as its metadata demand: phones store upright videos lying on their side."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4))
