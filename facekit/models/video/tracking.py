"""Faces in the frames of a video: detected, followed, bridged where they are lost, and smoothed.

Every step takes an iterator of frames and is one itself, so that a video of any length needs constant memory.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from facekit.datasets.alignment import aligned, alignment, eyes_of, undone
from facekit.datasets.detection import FaceFinder, FoundFace
from facekit.faces.faces import to_gray
from facekit.models.judges.landmarks import LandmarkNet

LONGEST_GAP = 25
"""Frames without a face over which landmarks are interpolated; in a longer gap they stay as they were."""

_KERNEL = (1, 4, 6, 4, 1)  # of the smoothing over frames


class NoFaceInVideo(ValueError):
    """No frame of a video shows a face."""


@dataclass(frozen=True, eq=False)
class SeenFace:
    """A frame and the face in it.

    frame      (H, W, 3) uint8 RGB
    landmarks  (68, 2) in pixels of the frame, or None where no face was found
    found      whether the face was found in this frame; if not, its landmarks are bridged
    """

    frame: np.ndarray
    landmarks: np.ndarray | None
    found: bool

    def crop(self, size: int, channels: int) -> torch.Tensor:
        """The aligned face (channels, size, size) in [-1, 1]. Needs landmarks."""
        image = aligned(self.frame, alignment(eyes_of(self.landmarks), size), size)
        return image if channels == 3 else to_gray(image)


class FaceTracker:
    """Finds one face in the frames of a video, and its landmarks.

    estimator  the network of the landmarks
    finder     the detector, by default the cascades of OpenCV
    """

    def __init__(self, estimator: LandmarkNet, finder: FaceFinder | None = None) -> None:
        self.estimator, self.finder = estimator, finder or FaceFinder()

    def seen(self, frames: Iterable[np.ndarray]) -> Iterator[SeenFace]:
        """All frames, with bridged and smoothed landmarks, from the first frame with a face on (or a second before).

        Where several faces are in a frame, that nearest to the last one is followed; at first, the largest. Raises
        `NoFaceInVideo` where no frame has a face.
        """
        return smoothed(bridged(self._tracked(frames)))

    def _tracked(self, frames: Iterable[np.ndarray]) -> Iterator[SeenFace]:
        last = None
        for frame in frames:
            faces = self.finder.find(frame)
            if not faces:
                yield SeenFace(frame, None, False)
                continue
            face = faces[0] if last is None else min(faces, key=lambda each: np.linalg.norm(each.eyes - last))
            landmarks = self.landmarks(frame, face)
            last = eyes_of(landmarks)
            yield SeenFace(frame, landmarks, True)

    def landmarks(self, frame: np.ndarray, face: FoundFace) -> np.ndarray:
        """Landmarks (68, 2) of a detected face in pixels of the frame (H, W, 3)."""
        eyes, size = face.eyes, self.estimator.preset.size
        for _ in range(2):  # the second time, the face is aligned by its landmarks
            matrix = alignment(eyes, size)
            relative = self.estimator.predict(aligned(frame, matrix, size)[None])[0].double().numpy()
            landmarks = undone(matrix, (relative + 1) * size / 2)
            eyes = eyes_of(landmarks)
        return landmarks


def bridged(seen: Iterable[SeenFace], longest: int = LONGEST_GAP) -> Iterator[SeenFace]:
    """Frames whose landmarks are interpolated over gaps; raises `NoFaceInVideo` where no frame has a face."""
    waiting: deque[SeenFace] = deque()
    last: np.ndarray | None = None
    for each in seen:
        if each.landmarks is None:
            waiting.append(each)
            if len(waiting) > longest:  # too long a gap: hold the last landmarks, or drop what comes before a face
                first = waiting.popleft()
                if last is not None:
                    yield dataclasses.replace(first, landmarks=last)
            continue
        start = each.landmarks if last is None else last
        for i, lost in enumerate(waiting, start=1):
            share = i / (len(waiting) + 1)
            yield dataclasses.replace(lost, landmarks=(1 - share) * start + share * each.landmarks)
        waiting.clear()
        last = each.landmarks
        yield each
    if last is None:
        raise NoFaceInVideo("no frame of the video shows a face; it must show an uncovered face from the front")
    yield from (dataclasses.replace(lost, landmarks=last) for lost in waiting)


def smoothed(seen: Iterable[SeenFace]) -> Iterator[SeenFace]:
    """Frames whose landmarks are averaged with those of two frames before and after, without delay."""
    reach = len(_KERNEL) // 2
    window: deque[SeenFace] = deque()
    middle = 0  # of the window: the frame that is due
    ended = False
    stream = iter(seen)
    while True:
        while not ended and len(window) <= middle + reach:
            following = next(stream, None)
            if following is None:
                ended = True
            else:
                window.append(following)
        if middle >= len(window):
            return
        weights, total = 0.0, np.zeros((68, 2))
        for offset, weight in zip(range(-reach, reach + 1), _KERNEL, strict=True):
            if 0 <= middle + offset < len(window):
                weights += weight
                total += weight * window[middle + offset].landmarks
        yield dataclasses.replace(window[middle], landmarks=total / weights)
        if middle == reach:
            window.popleft()
        else:
            middle += 1
