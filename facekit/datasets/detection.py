"""Finding the faces in a picture, and their eyes: OpenCV's cascades, and 68 landmarks by a network where one is given.

Source  Viola & Jones, *Robust real-time face detection*, IJCV 57(2), 2004; the cascades that ship with OpenCV 4.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facekit.datasets.alignment import alignment, eyes_of, warp
from facekit.weights.onnx import open_network

# The finer cascade first; what only the coarser one takes for a face must also have two eyes.
_CASCADES = (("haarcascade_frontalface_alt2.xml", False), ("haarcascade_frontalface_default.xml", True))
_EYE_CASCADES = ("haarcascade_eye.xml", "haarcascade_eye_tree_eyeglasses.xml")

# Faces are looked for in a picture of this longer side, in pixels, and of at least the other.
_VIEW, _LEAST_VIEW = 640, 160
# A face that fills its picture is found only where there is some room around it: share of the shorter side.
_ROOM = 0.25
# Heads held askew, in degrees; tried where none is found upright.
_TURNS = (0, 25, -25)
# A face smaller than this share of the largest one's side is not counted: a poster on the wall, or a mistake.
_LEAST_OF_LARGEST = 1 / 3

# Middles of the eyes in the square that the cascades give, as shares of its side: medians over FER-2013 and 118 faces
# of `muxspace/facial_expressions`, by a 68-point network.
_EYES_IN_BOX = np.array([[0.305, 0.38], [0.685, 0.38]])
# Where an eye may lie in that square, as shares: left, top, width, height. A face of _FACE pixels is searched.
_EYE_AREAS = ((0.08, 0.2, 0.44, 0.36), (0.48, 0.2, 0.44, 0.36))
_FACE = 160


@dataclass(frozen=True, eq=False)
class FoundFace:
    """A face in a picture, in pixels of that picture.

    eyes       (2, 2) middles of the eyes as (x, y), the one on the left of the picture first
    side       side of the square that holds the face
    by         what its eyes come from: "landmarks"; "eyes", where both were seen; "box", where they were guessed from
               the face's square
    landmarks  (68, 2) in the iBUG order, or None
    """

    eyes: np.ndarray
    side: float
    by: str
    landmarks: np.ndarray | None = None


class FaceFinder:
    """Finds faces seen from the front, upright or a little askew. Use one finder a thread.

    network    an ONNX file that reads (N, 3, H, H) RGB in 0..255, the face filling the picture, and gives (N, 136):
               x and y of 68 points, 0 to 1 across the picture. Eyes then come from its landmarks
    """

    def __init__(self, network: str | os.PathLike | None = None) -> None:
        self._cascades = [(_cascade(name), needs_eyes) for name, needs_eyes in _CASCADES]
        self._eye_cascades = [_cascade(name) for name in _EYE_CASCADES]
        self._landmarks = None if network is None else _LandmarkNetwork(network)

    def find(self, image: np.ndarray) -> list[FoundFace]:
        """The faces in a picture (H, W, 3) RGB uint8, the largest first."""
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        for turn in _TURNS:
            view, matrix = _view(gray, turn)
            if faces := self._in_view(view):
                placed = [_back(face, matrix) for face in faces]
                return [self._with_landmarks(face, image) for face in placed] if self._landmarks else placed
        return []

    def _in_view(self, view: np.ndarray) -> list[FoundFace]:
        least = max(32, min(view.shape) // 12)
        for cascade, needs_eyes in self._cascades:
            boxes = cascade.detectMultiScale(view, 1.1, 4, minSize=(least, least))
            faces = [self._face(view, *box) for box in sorted(boxes, key=lambda box: -box[2])]
            faces = [face for face in faces if face.by == "eyes" or not needs_eyes]
            if faces:
                return [face for face in faces if face.side >= faces[0].side * _LEAST_OF_LARGEST]
        return []

    def _face(self, view: np.ndarray, x: int, y: int, side: int, _: int) -> FoundFace:
        face = cv2.resize(view[y : y + side, x : x + side], (_FACE, _FACE), interpolation=cv2.INTER_AREA)
        seen = [self._eye(face, i) for i in range(2)]
        both = all(eye is not None for eye in seen)
        eyes = np.array(seen) if both and _plausible(*seen) else None
        placed = (_EYES_IN_BOX if eyes is None else eyes) * side + (x, y)
        return FoundFace(placed, float(side), "box" if eyes is None else "eyes")

    def _eye(self, face: np.ndarray, which: int) -> np.ndarray | None:
        """The middle of one eye as shares of the face's square: of what looks like an eye, the nearest to its place."""
        left, top, width, height = (round(share * _FACE) for share in _EYE_AREAS[which])
        area = face[top : top + height, left : left + width]
        sizes = {"minSize": (_FACE // 7,) * 2, "maxSize": (_FACE * 3 // 8,) * 2}
        for cascade in self._eye_cascades:
            boxes = cascade.detectMultiScale(area, 1.05, 3, **sizes)
            if len(boxes):
                middles = (boxes[:, :2] + boxes[:, 2:] / 2 + (left, top)) / _FACE
                return min(middles, key=lambda middle: np.linalg.norm(middle - _EYES_IN_BOX[which]))
        return None

    def _with_landmarks(self, face: FoundFace, image: np.ndarray) -> FoundFace:
        eyes = face.eyes
        for _ in range(2):  # the second look is at a face that stands straight
            landmarks = self._landmarks(image, eyes)
            eyes = eyes_of(landmarks)
        return FoundFace(eyes, face.side, "landmarks", landmarks)


class _LandmarkNetwork:
    def __init__(self, path: str | os.PathLike) -> None:
        self._session = open_network(path, threads=1)  # pictures are prepared side by side
        entry, leaving = self._session.get_inputs()[0], self._session.get_outputs()[0]
        if len(entry.shape) != 4 or entry.shape[1] != 3 or entry.shape[2] != entry.shape[3] or leaving.shape[-1] != 136:
            raise ValueError(
                f"{path} reads {entry.shape} and gives {leaving.shape}; a network of 68 landmarks reads (N, 3, H, H) "
                "and gives (N, 136)"
            )
        self._entry, self._size = entry.name, entry.shape[2]

    def __call__(self, image: np.ndarray, eyes: np.ndarray) -> np.ndarray:
        """The landmarks (68, 2) of the face with these eyes, in pixels of the picture."""
        matrix = alignment(eyes, self._size)
        face = warp(image, matrix, self._size).transpose(2, 0, 1)[None].astype(np.float32)
        points = self._session.run(None, {self._entry: face})[0].reshape(68, 2) * self._size
        return _undo(matrix, points)


def _cascade(name: str) -> cv2.CascadeClassifier:
    if not hasattr(cv2, "CascadeClassifier"):
        raise ImportError(
            f"OpenCV {cv2.__version__} finds no faces, since version 5 has no cascades any more: "
            "pip install 'opencv-python-headless<5'"
        )
    return cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / name))


def _view(gray: np.ndarray, turn: float) -> tuple[np.ndarray, np.ndarray]:
    """The picture as it is searched, with room around it and turned, and the affine map (2, 3) to it."""
    longer = max(gray.shape)
    scale = np.clip(longer, _LEAST_VIEW, _VIEW) / longer
    small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    room = round(_ROOM * min(small.shape))
    view = cv2.copyMakeBorder(small, room, room, room, room, cv2.BORDER_REPLICATE)
    h, w = view.shape
    turned = cv2.getRotationMatrix2D((w / 2, h / 2), turn, 1)
    if turn:
        view = cv2.warpAffine(view, turned, (w, h), borderMode=cv2.BORDER_REPLICATE)
    turned[:, 2] += turned[:, :2] @ (room, room)
    turned[:, :2] *= scale
    return view, turned


def _back(face: FoundFace, matrix: np.ndarray) -> FoundFace:
    """A face found in a view, in the picture that the affine map took there."""
    return FoundFace(_undo(matrix, face.eyes), face.side / np.linalg.norm(matrix[:, 0]), face.by)


def _undo(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.linalg.solve(matrix[:, :2], (points - matrix[:, 2]).T).T


def _plausible(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether these may be the eyes of one face, as shares of its square: some way apart, and almost level."""
    across, down = right - left
    return 0.25 < across < 0.55 and abs(down) < 0.35 * across
