"""Face detection: faces and eyes by the cascades of OpenCV, and optionally 68 landmarks by a network.

Source  Viola & Jones, *Robust real-time face detection*, IJCV 57(2), 2004; the cascades that ship with OpenCV 4.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facekit.datasets.alignment import alignment, eyes_of, undone, warp
from facekit.weights.onnx import open_network

# The more precise cascade first; a detection of the second one is accepted only if both eyes are detected too.
CASCADES = (("haarcascade_frontalface_alt2.xml", False), ("haarcascade_frontalface_default.xml", True))
_EYE_CASCADES = ("haarcascade_eye.xml", "haarcascade_eye_tree_eyeglasses.xml")

# The longer side of an image is scaled to lie between these limits, in pixels.
_MAX_SIDE, _MIN_SIDE = 640, 160
# Faces that fill the image are detected only with a margin around it: share of the shorter side.
_MARGIN = 0.25
# Rotations in degrees; the second and third are tried if no upright face is found.
_ROTATIONS = (0, 25, -25)
# Faces smaller than this share of the largest one are ignored: they are posters on the wall, or false detections.
_MIN_RELATIVE_SIZE = 1 / 3

# Centres of the eyes in the detected square, as shares of its side: medians over FER-2013 and 118 faces of
# `muxspace/facial_expressions`, landmarks by a 68-point network.
EYES_IN_BOX = np.array([[0.305, 0.38], [0.685, 0.38]])
# The regions in which the eyes are searched, as shares of that square, which is scaled to _FACE pixels: left, top,
# width, height.
_EYE_AREAS = ((0.08, 0.2, 0.44, 0.36), (0.48, 0.2, 0.44, 0.36))
_FACE = 160


@dataclass(frozen=True, eq=False)
class FoundFace:
    """A detected face, in pixels of the image.

    eyes       (2, 2) centres of the eyes as (x, y), the eye at the left of the image first
    side       side of the square around the face
    by         source of the eyes: "landmarks"; "eyes", if both were detected; "box", if they were estimated from the
               square
    landmarks  (68, 2) in the iBUG order, or None
    """

    eyes: np.ndarray
    side: float
    by: str
    landmarks: np.ndarray | None = None


class FaceFinder:
    """Detects frontal faces, upright or slightly rotated. It is not thread-safe: use one instance for each thread.

    network    an ONNX file with input (N, 3, H, H), RGB in 0..255, filled by the face, and output (N, 136): x and y of
               68 landmarks, 0 to 1 across the image. The eyes are then taken from these landmarks
    """

    def __init__(self, network: str | os.PathLike | None = None) -> None:
        self._cascades = [(_cascade(name), needs_eyes) for name, needs_eyes in CASCADES]
        self._eye_cascades = [_cascade(name) for name in _EYE_CASCADES]
        self._landmarks = None if network is None else _LandmarkNetwork(network)

    def find(self, image: np.ndarray) -> list[FoundFace]:
        """The faces in an image (H, W, 3) RGB uint8, the largest first."""
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        for turn in _ROTATIONS:
            view, matrix = _view(gray, turn)
            if faces := self._in_view(view):
                found = [_to_image(face, matrix) for face in faces]
                return [self._with_landmarks(face, image) for face in found] if self._landmarks else found
        return []

    def _in_view(self, view: np.ndarray) -> list[FoundFace]:
        least = max(32, min(view.shape) // 12)
        for cascade, needs_eyes in self._cascades:
            boxes = cascade.detectMultiScale(view, 1.1, 4, minSize=(least, least))
            faces = [self._face(view, *box) for box in sorted(boxes, key=lambda box: -box[2])]
            faces = [face for face in faces if face.by == "eyes" or not needs_eyes]
            if faces:
                return [face for face in faces if face.side >= faces[0].side * _MIN_RELATIVE_SIZE]
        return []

    def _face(self, view: np.ndarray, x: int, y: int, side: int, _: int) -> FoundFace:
        face = cv2.resize(view[y : y + side, x : x + side], (_FACE, _FACE), interpolation=cv2.INTER_AREA)
        detected = [self._eye(face, i) for i in range(2)]
        both = all(eye is not None for eye in detected)
        eyes = np.array(detected) if both and _plausible(*detected) else None
        in_view = (EYES_IN_BOX if eyes is None else eyes) * side + (x, y)
        return FoundFace(in_view, float(side), "box" if eyes is None else "eyes")

    def _eye(self, face: np.ndarray, which: int) -> np.ndarray | None:
        """The centre of one eye as shares of the square: the detection closest to the expected position, or None."""
        left, top, width, height = (round(share * _FACE) for share in _EYE_AREAS[which])
        area = face[top : top + height, left : left + width]
        sizes = {"minSize": (_FACE // 7,) * 2, "maxSize": (_FACE * 3 // 8,) * 2}
        for cascade in self._eye_cascades:
            boxes = cascade.detectMultiScale(area, 1.05, 3, **sizes)
            if len(boxes):
                centres = (boxes[:, :2] + boxes[:, 2:] / 2 + (left, top)) / _FACE
                return min(centres, key=lambda centre: np.linalg.norm(centre - EYES_IN_BOX[which]))
        return None

    def _with_landmarks(self, face: FoundFace, image: np.ndarray) -> FoundFace:
        eyes = face.eyes
        for _ in range(2):  # the second iteration sees an upright face
            landmarks = self._landmarks(image, eyes)
            eyes = eyes_of(landmarks)
        return FoundFace(eyes, face.side, "landmarks", landmarks)


class _LandmarkNetwork:
    def __init__(self, path: str | os.PathLike) -> None:
        self._session = open_network(path, threads=1)  # images are processed in parallel
        input_, output = self._session.get_inputs()[0], self._session.get_outputs()[0]
        shape = input_.shape
        if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or output.shape[-1] != 136:
            raise ValueError(
                f"{path} has input {shape} and output {output.shape}; a network of 68 landmarks has input (N, 3, H, H) "
                "and output (N, 136)"
            )
        self._input, self._size = input_.name, shape[2]

    def __call__(self, image: np.ndarray, eyes: np.ndarray) -> np.ndarray:
        """The landmarks (68, 2) of the face with these eyes, in pixels of the image."""
        matrix = alignment(eyes, self._size)
        face = warp(image, matrix, self._size).transpose(2, 0, 1)[None].astype(np.float32)
        points = self._session.run(None, {self._input: face})[0].reshape(68, 2) * self._size
        return undone(matrix, points)


def cascade_file(name: str) -> Path:
    """The path of a cascade of OpenCV; raises `ImportError` for a version without cascades."""
    if not hasattr(cv2, "CascadeClassifier"):
        raise ImportError(
            f"OpenCV {cv2.__version__} cannot detect faces, because version 5 has no cascades any more: "
            "pip install 'opencv-python-headless<5'"
        )
    return Path(cv2.data.haarcascades) / name


def _cascade(name: str) -> cv2.CascadeClassifier:
    path = cascade_file(name)  # first, for its message
    return cv2.CascadeClassifier(str(path))


def _view(gray: np.ndarray, turn: float) -> tuple[np.ndarray, np.ndarray]:
    """The scaled image with a margin, rotated by `turn` degrees, and the affine map (2, 3) to it."""
    longer = max(gray.shape)
    scale = np.clip(longer, _MIN_SIDE, _MAX_SIDE) / longer
    small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    margin = round(_MARGIN * min(small.shape))
    view = cv2.copyMakeBorder(small, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    h, w = view.shape
    turned = cv2.getRotationMatrix2D((w / 2, h / 2), turn, 1)
    if turn:
        view = cv2.warpAffine(view, turned, (w, h), borderMode=cv2.BORDER_REPLICATE)
    turned[:, 2] += turned[:, :2] @ (margin, margin)
    turned[:, :2] *= scale
    return view, turned


def _to_image(face: FoundFace, matrix: np.ndarray) -> FoundFace:
    """Map a face that was found in a view back to the image, by the inverse of the affine map."""
    return FoundFace(undone(matrix, face.eyes), face.side / np.linalg.norm(matrix[:, 0]), face.by)


def _plausible(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether two positions, as shares of the square, can be the eyes of a face: at a distance, and almost level."""
    across, down = right - left
    return 0.25 < across < 0.55 and abs(down) < 0.35 * across
