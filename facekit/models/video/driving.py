"""Driving a face: by an emotion, a saved motion, another face, or the face in a video.

A driver is an iterator of chunks, each an `Expression` with a time axis for one face and, where the driver is a video,
its frames. A generator edits a chunk at a time, so that a video of any length needs constant memory. Generators of
landmarks get landmarks, those of action units get action units; for an emotion, others get the emotion and its
intensity.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from facekit.datasets.alignment import aligned, alignment, eyes_of
from facekit.datasets.detection import FaceFinder
from facekit.datasets.pictures import read_picture
from facekit.datasets.prepare import NoFace
from facekit.datasets.synthetic.dataset import SyntheticFaces
from facekit.faces.emotions import NEUTRAL
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, to_gray, to_uint8
from facekit.faces.timeline import smoothstep
from facekit.faces.trajectories import moved
from facekit.models.judges.action_units import ActionUnitNet
from facekit.models.load import load_system
from facekit.models.system import Generator
from facekit.models.video.motion import MotionModel
from facekit.models.video.tracking import FaceTracker, SeenFace
from facekit.workspace.files import atomic_path

CHUNK = 8
"""Frames that are edited at once."""

ESTIMATOR, UNITS, MOTION, CONVERTER = (
    "landmarks-synthetic_estimator",
    "action_units-synthetic_estimator",
    "motion_gan-synthetic_motions",
    "landmark_transfer-synthetic_transfers",
)
"""The weights that find landmarks and action units, generate the motion of an emotion, and fit a driver's landmarks to
another face."""

_ONSET, _HOLD, _OFFSET = 0.6, 0.9, 0.9  # seconds of an emotion that is shown
_EDGE = 0.12  # width of the soft edge of a pasted face, as a share of its side


class CannotDrive(ValueError):
    """A generator cannot be driven in this way. The message says by which it can."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """The face that is moved.

    picture    (H, W, 3) uint8 RGB
    matrix     (2, 3), from pixels of the picture to those of the face
    faces      the face alone, as a generator takes it, N = 1
    landmarks  (1, 68, 2) of the face, estimated
    shows      its expression, of a drawn person
    truth      draws a drawn person with the frames (T, C, H, W) of another expression; None for other faces
    """

    picture: np.ndarray
    matrix: np.ndarray
    faces: Faces
    landmarks: Tensor
    shows: Expression | None = None
    truth: Callable[[Expression], Tensor] | None = None

    @classmethod
    def of_picture(
        cls, picture: str | os.PathLike | bytes, generator: Generator, which: int = 0, finder: FaceFinder | None = None
    ) -> Portrait:
        """The face in a picture, the largest or, by `which`, another one, in order of size.

        Raises `BadPicture` for a file that is no picture, and its subclass `NoFace`.
        """
        pixels = np.asarray(read_picture(picture))
        follow = tracker(finder)
        found = follow.finder.find(pixels)
        if which >= len(found):
            faces = f"{len(found)} faces" if found else "no face"
            raise NoFace(f"{faces} found in the picture; it must show an uncovered face from the front")
        size = generator.preset.size
        matrix = alignment(eyes_of(follow.landmarks(pixels, found[which])), size)
        return cls._of(pixels, matrix, aligned(pixels, matrix, size)[None], generator)

    @classmethod
    def drawn(cls, person: int, generator: Generator, emotion: str = "neutral") -> Portrait:
        """A drawn person of the test split, with an emotion."""
        look = {"size": generator.preset.size, "channels": 3}
        dataset = SyntheticFaces("test", people=1, first_person=person, faces_per_person=1, **look)
        shows = Expression.of(emotion)
        image = dataset.counterfactual([0], shows).images

        def truth(expression: Expression) -> Tensor:
            frames = dataset.counterfactual([0], expression).images[0]
            return frames if generator.channels == 3 else to_gray(frames)

        portrait = cls._of(pixels_of(image[0]), np.eye(2, 3), image, generator)
        return dataclasses.replace(portrait, shows=shows, truth=truth)

    @classmethod
    def of_face(cls, image: Tensor, generator: Generator) -> Portrait:
        """A face that is aligned already: (1, 3, H, W) in the generator's size."""
        return cls._of(pixels_of(image[0]), np.eye(2, 3), image, generator)

    @classmethod
    def _of(cls, picture: np.ndarray, matrix: np.ndarray, image: Tensor, generator: Generator) -> Portrait:
        landmarks = _loaded(ESTIMATOR).predict(image)
        image = image if generator.channels == 3 else to_gray(image)
        return cls(picture, matrix, Faces(image), landmarks)

    def pasted(self, edit: Tensor) -> np.ndarray:
        """The picture (H, W, 3) uint8 with an edit (C, H, W) of its face.

        The difference from the unedited face is enlarged and added, so that the picture keeps its own detail.
        """
        size = edit.shape[-1]
        change = (edit - self.faces.images[0]).expand(3, -1, -1).permute(1, 2, 0).numpy() * 127.5
        change = change * _soft_edge(size)[..., None]
        shifted = self.matrix.copy()
        shifted[:, 2] += self.matrix[:, :2] @ (0.5, 0.5) - 0.5  # OpenCV counts from the centre of the first pixel
        height, width = self.picture.shape[:2]
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        placed = cv2.warpAffine(change.astype(np.float32), shifted, (width, height), flags=flags)
        return np.clip(np.rint(self.picture + placed), 0, 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some successive frames of a driver.

    expression  for one face, with a time axis
    frames      the driver's own (H, W, 3) uint8, or none where the driver has no picture
    found       whether the face was found in each frame
    truth       (T, C, H, W), the frames as they should be, where that is known: of a drawn person who is neutral, and
                moved by an emotion or by the expression of another drawn person
    """

    expression: Expression
    frames: Sequence[np.ndarray] = ()
    found: Sequence[bool] = ()
    truth: Tensor | None = None


def animate(portrait: Portrait, driver: Iterable[Chunk], generator: Generator) -> Iterator[tuple[Chunk, Tensor]]:
    """The chunks of a driver with the edited faces (T, C, H, W) in [-1, 1]."""
    source = Expression(landmarks=portrait.landmarks) if "landmarks" in generator.understands else None
    for chunk in driver:
        yield chunk, generator.edit(portrait.faces, chunk.expression, source=source)[0]


# ------------------------------------------------------------------------------------------------------- drivers


def by_emotion(
    portrait: Portrait,
    generator: Generator,
    emotion: str,
    *,
    intensity: float = 1.0,
    fps: float = 25.0,
    seed: int = 0,
    motion: MotionModel | None = None,
) -> Iterator[Chunk]:
    """An emotion that rises from the present face, stays, and falls again."""
    levels = _levels(fps)
    timed = Expression.of(emotion).with_intensity(intensity)
    path = _shown(timed, levels)
    if "landmarks" in generator.understands:
        model = motion or _loaded(MOTION)
        made = model.sample(Expression.of(emotion, intensity), first=portrait.landmarks, seed=seed).landmarks[0]
        # The model's frames lead to the apex at a pace of their own; here they are played forwards and backwards.
        place = levels * (len(made) - 1)
        low = place.floor().long().clamp(max=len(made) - 2)
        share = (place - low)[:, None, None]
        return _chunks(portrait, Expression(landmarks=torch.lerp(made[low], made[low + 1], share)[None]), path)
    if "action_units" in generator.understands and "emotion" not in generator.understands:
        return _chunks(portrait, path.to_action_units(), path)
    return _chunks(portrait, path, path)


def by_landmarks(
    portrait: Portrait, generator: Generator, landmarks: Tensor, *, relative: bool = True
) -> Iterator[Chunk]:
    """A saved motion: the landmarks (T, 68, 2) of a driver."""
    follow = _Follower(portrait, generator, relative)
    for part in landmarks.split(CHUNK):
        yield Chunk(follow.landmarks(part))


def by_face(portrait: Portrait, generator: Generator, driver: Portrait, *, fps: float = 25.0) -> Iterator[Chunk]:
    """The expression of another face, which the portrait takes on, shows, and gives up again."""
    _require(generator, ("landmarks",))
    with torch.no_grad():
        goal = _loaded(CONVERTER).converter(portrait.landmarks, driver.landmarks)
    levels = _levels(fps)
    path = None if driver.shows is None else _shown(driver.shows, levels)
    moving = torch.lerp(portrait.landmarks, goal, levels[:, None, None])
    return _chunks(portrait, Expression(landmarks=moving[None]), path)


def by_video(
    portrait: Portrait, generator: Generator, seen: Iterable[SeenFace], *, relative: bool = True
) -> Iterator[Chunk]:
    """The face in a video, frame by frame.

    seen      the frames, from `FaceTracker`
    relative  whether the face is moved as the driver moves from its first frame on, so that it keeps its own shape. If
              not, it takes on the driver's expression as it is: right where the two begin with different expressions
    """
    follow = _Follower(portrait, generator, relative)
    for part in _batched(seen, CHUNK):
        if follow.units:
            crops = torch.stack([each.crop(follow.size, follow.channels) for each in part])
            expression = follow.action_units(crops)
        else:
            expression = follow.landmarks(torch.stack([torch.from_numpy(each.landmarks) for each in part]).float())
        yield Chunk(expression, [each.frame for each in part], [each.found for each in part])


class _Follower:
    """Turns a driver's landmarks, or pictures of its face, into requests for the portrait."""

    def __init__(self, portrait: Portrait, generator: Generator, relative: bool) -> None:
        _require(generator, ("landmarks", "action_units"))
        self.portrait, self.relative, self.generator = portrait, relative, generator
        self.units = "landmarks" not in generator.understands
        self.first: Tensor | None = None  # landmarks or action units of the driver's first frame
        if self.units:
            self.estimator: ActionUnitNet = _loaded(UNITS)
            self.size, self.channels = self.estimator.preset.size, 3
            self.own = self.estimator.predict(portrait.faces.images).clamp(0, 1)

    def landmarks(self, driver: Tensor) -> Expression:
        """The request for frames with landmarks (T, 68, 2)."""
        if self.units:
            raise CannotDrive(f"{self.generator.name} takes action units, and a saved motion has landmarks only")
        own = self.portrait.landmarks
        self.first = driver[:1] if self.first is None else self.first
        if self.relative:
            return Expression(landmarks=moved(own, torch.cat([self.first, driver])[None])[:, 1:])
        with torch.no_grad():
            wanted = _loaded(CONVERTER).converter(own.expand(len(driver), -1, -1), driver)
        return Expression(landmarks=wanted[None])

    def action_units(self, crops: Tensor) -> Expression:
        """The request for pictures of the driver's face (T, C, H, W)."""
        found = self.estimator.predict(crops).clamp(0, 1)
        self.first = found[:1] if self.first is None else self.first
        wanted = self.own + found - self.first if self.relative else found
        return Expression(action_units=wanted.clamp(0, 1)[None])


def _require(generator: Generator, parts: Sequence[str]) -> None:
    if not generator.understands.intersection(parts):
        raise CannotDrive(
            f"{generator.name} understands {', '.join(sorted(generator.understands))}, and a face can drive generators "
            f"that understand {' or '.join(parts)}, such as texture_gan-synthetic_motions; drive this one by an emotion"
        )


def _levels(fps: float) -> Tensor:
    """Levels (T,) of an expression that is shown: 0, up to 1, and back to 0."""
    times = torch.arange(0, _ONSET + _HOLD + _OFFSET, 1 / fps)
    rise, fall = (times / _ONSET).clamp(0, 1), ((times - _ONSET - _HOLD) / _OFFSET).clamp(0, 1)
    return torch.cat([smoothstep(rise) * (1 - smoothstep(fall)), torch.zeros(1)])


def _shown(expression: Expression, levels: Tensor) -> Expression:
    """An expression that grows from neutral and falls again, as levels (T,) say."""
    neutral, expression = Expression.neutral(), expression.with_intensity(expression.intensity or 1.0)
    return Expression.stack([neutral.lerp(expression, float(level)) for level in levels])


def _chunks(portrait: Portrait, asked: Expression, path: Expression | None) -> Iterator[Chunk]:
    """Chunks of what is asked of the generator; `path` is the expression that the frames should show, if known."""
    neutral = portrait.shows is not None and bool(portrait.shows.emotion[0, NEUTRAL] == 1)
    known = path is not None and portrait.truth is not None and neutral
    for part in _batched(range(asked.frames), CHUNK):
        truth = portrait.truth(Expression.stack([path.at(t) for t in part])) if known else None
        yield Chunk(Expression.stack([asked.at(t) for t in part]), truth=truth)


def _batched(items: Iterable, size: int) -> Iterator[tuple]:
    iterator = iter(items)
    while part := tuple(itertools.islice(iterator, size)):
        yield part


# ------------------------------------------------------------------------------------------------- saved motions


def save_motion(path: str | os.PathLike, landmarks: Tensor, fps: float) -> None:
    """Write the landmarks (T, 68, 2) of a motion and its frame rate into a .safetensors file, atomically."""
    with atomic_path(path) as draft:
        tensors = {"landmarks": landmarks.float().contiguous()}
        safetensors.torch.save_file(tensors, draft, {"content": "facekit motion", "fps": repr(float(fps))})


def load_motion(path: str | os.PathLike) -> tuple[Tensor, float]:
    """The landmarks (T, 68, 2) and the frame rate of a saved motion. Raises `CannotDrive` for another file."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata, landmarks = file.metadata() or {}, file.get_tensor("landmarks")
        fps = float(metadata["fps"])
    except (OSError, KeyError, ValueError, safetensors.SafetensorError) as error:
        raise CannotDrive(f"{path} is no motion saved by facekit ({error})") from None
    if landmarks.ndim != 3 or landmarks.shape[1:] != (68, 2) or len(landmarks) < 2 or not fps > 0:
        raise CannotDrive(f"{path} is no motion: its landmarks have shape {tuple(landmarks.shape)}, not (T, 68, 2)")
    return landmarks, fps


# --------------------------------------------------------------------------------------------------------- parts


@functools.cache
def _loaded(name: str):
    return load_system(name)


def tracker(finder: FaceFinder | None = None) -> FaceTracker:
    """A tracker with the estimator of landmarks that ships."""
    return FaceTracker(_loaded(ESTIMATOR), finder)


def pixels_of(image: Tensor) -> np.ndarray:
    """An image (C, H, W) in [-1, 1] as an array (H, W, 3) uint8."""
    return np.ascontiguousarray(to_uint8(image).expand(3, -1, -1).permute(1, 2, 0).numpy())


def _soft_edge(size: int) -> np.ndarray:
    """Weights (size, size) that rise from 0 at the border to 1."""
    place = (np.arange(size) + 0.5) / size
    ramp = np.clip(np.minimum(place, 1 - place) / _EDGE, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return np.minimum(ramp[:, None], ramp[None])
