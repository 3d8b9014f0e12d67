"""Networks and images of facial landmarks: drawing them as maps, and carrying an expression from face to face."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facekit.faces.landmarks import EyeFrame
from facekit.layers.initialise import initialise

_POINTS = 68
_LINE = 0.75  # pixels: standard deviation of a drawn line's profile

# The lines that join the landmarks, by the map that they are drawn on.
_LINES: tuple[tuple[Sequence[int], ...], ...] = (
    (range(17),),  # outline
    (range(17, 22), range(22, 27)),  # brows
    (range(27, 31), range(31, 36)),  # nose
    ((*range(36, 42), 36), (*range(42, 48), 42)),  # eyes
    ((*range(48, 60), 48),),  # outer edge of the lips
    ((*range(60, 68), 60),),  # inner edge of the lips
)

DRAWN_MAPS = len(_LINES)
"""Maps that `draw_landmarks` gives: outline, brows, nose, eyes, outer and inner edge of the lips."""


def draw_landmarks(landmarks: Tensor, size: int) -> Tensor:
    """Landmarks (N, 68, 2) in [-1, 1] as soft lines in maps (N, `DRAWN_MAPS`, size, size) in [0, 1].

    The value of a pixel is a Gaussian of its distance to the nearest line, so that positions between pixels count. The
    distances are differences of products, which autocast would round to a pixel or two.
    """
    with torch.autocast(landmarks.device.type, enabled=False):
        return _drawn(landmarks.float(), size)


def _drawn(landmarks: Tensor, size: int) -> Tensor:
    centres = (torch.arange(size, device=landmarks.device) + 0.5) * 2 / size - 1
    pixels = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1).flatten(0, 1)  # (P, 2)
    maps = [_nearest(landmarks, lines, pixels) for lines in _LINES]
    distance = torch.stack(maps, 1) * (size / 2 / _LINE)
    # Smaller values would be subnormal numbers, on which processors are slow.
    return distance.square().mul(-0.5).clamp(min=-80.0).exp().unflatten(-1, (size, size))


def _nearest(landmarks: Tensor, lines: Sequence[Sequence[int]], pixels: Tensor) -> Tensor:
    """Distance (N, P) of each pixel (P, 2) to the nearest of some lines through landmarks (N, 68, 2)."""
    pairs = torch.tensor([pair for line in lines for pair in itertools.pairwise(line)])
    start, end = landmarks[:, pairs[:, 0]], landmarks[:, pairs[:, 1]]
    along = end - start  # (N, S, 2)
    # |pixel - start|² and its product with `along`, expanded so that nothing of size (N, S, P, 2) is computed
    across = along @ pixels.T - (along * start).sum(-1, keepdim=True)  # (N, S, P)
    length = along.square().sum(-1, keepdim=True).clamp(min=1e-8)
    share = (across / length).clamp(0, 1)
    from_start = pixels.square().sum(-1) - 2 * start @ pixels.T + start.square().sum(-1, keepdim=True)
    squared = from_start - 2 * share * across + share.square() * length
    return squared.amin(1).clamp(min=0).sqrt()


class LandmarkConverter(nn.Module):
    """A face's landmarks with the expression of a driver's (Fan 2023; P4 §3.1.1).

    Landmarks of the face and of the driver, each (N, 68, 2), to those of the face with the driver's expression. Two
    encoders turn them into codes, and a decoder turns both codes into a displacement of the face's landmarks, which is
    initially 0. Positions are relative to the eyes (`EyeFrame`), so that size and tilt of the heads do not matter.

    width  of the layers
    code   length of each code
    """

    def __init__(self, width: int = 256, code: int = 64) -> None:
        super().__init__()
        self.face, self.driver = (_perceptron(2 * _POINTS, width, code) for _ in range(2))
        self.decoder = _perceptron(2 * code, width, 2 * _POINTS)
        initialise(self)
        nn.init.zeros_(self.decoder[-1].weight)

    def forward(self, landmarks: Tensor, driver: Tensor) -> Tensor:
        frame = EyeFrame.of(landmarks)
        own, other = frame.to_frame(landmarks), EyeFrame.of(driver).to_frame(driver)
        codes = torch.cat([self.face(own.flatten(1)), self.driver(other.flatten(1))], 1)
        return frame.to_image(own + self.decoder(codes).float().unflatten(1, (_POINTS, 2)))


def _perceptron(size: int, width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(size, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, out))
