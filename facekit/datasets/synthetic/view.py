"""`View`: head pose, position in the image, illumination, background and camera; and the projection of the face."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.datasets.synthetic.canvas import bell
from facekit.datasets.synthetic.draws import normal, uniform
from facekit.datasets.synthetic.rows import Rows


@dataclass(frozen=True, eq=False)
class View(Rows):
    """N views; each field is (N,), except colours (N, 3) in sRGB."""

    seed: Tensor  # int64, seed of the camera noise
    yaw: Tensor  # radians, positive if the face turns to the right of the image
    pitch: Tensor  # radians, positive if it looks down
    roll: Tensor  # radians, positive if it leans clockwise
    scale: Tensor  # interocular distance as a share of the image width
    shift_x: Tensor  # position of the point between the eyes, from -1 to 1 across the image
    shift_y: Tensor
    light_side: Tensor  # direction of the light, radians, positive from the right of the image
    light_up: Tensor  # radians above the horizon
    light: Tensor  # intensity of the directional light
    ambient: Tensor  # intensity of the ambient light
    warmth: Tensor  # -1 cold to 1 warm
    exposure: Tensor  # factor
    soft: Tensor  # lens blur: share of the light that a pixel passes to each neighbour
    noise: Tensor  # standard deviation of the pixel noise, for values in [0, 1]
    gaze_x: Tensor  # gaze direction, in iris radii
    gaze_y: Tensor
    back_a: Tensor  # (N, 3) the two colours of the background gradient
    back_b: Tensor  # (N, 3)
    back_angle: Tensor  # radians, direction of the gradient

    @classmethod
    def draw(cls, seed: Tensor, *, scale: tuple[float, float] = (0.320, 0.360), turn: float = 1.0) -> View:
        """Draw random views from seeds (N,), int64; equal seeds give equal views.

        scale  range of the interocular distance as a share of the image width; it is about 0.36 in FER-2013
        turn   factor on the head pose: 0 gives frontal faces, 1 a yaw with a standard deviation of 8 degrees
        """
        seed = torch.as_tensor(seed, dtype=torch.long)

        def u(what: str, low: float, high: float) -> Tensor:
            return uniform(seed, what, low, high)

        hue, hue_b = uniform(seed, "back hue"), normal(seed, "back hue b", 0, 0.08)
        return cls(
            seed=seed,
            yaw=normal(seed, "yaw", 0, 0.14) * turn,
            pitch=normal(seed, "pitch", 0.02, 0.08) * turn,
            roll=normal(seed, "roll", 0, 0.06) * turn,
            scale=u("scale", *scale),
            shift_x=normal(seed, "shift x", 0, 0.025),
            shift_y=normal(seed, "shift y", -0.32, 0.025),
            light_side=normal(seed, "light side", 0, 0.5),
            light_up=u("light up", 0.25, 0.95),
            light=u("light", 0.75, 1.0),
            ambient=u("ambient", 0.28, 0.48),
            warmth=normal(seed, "warmth", 0, 0.4),
            exposure=u("exposure", 0.92, 1.12),
            soft=u("soft", 0.08, 0.20),
            noise=u("noise", 0.002, 0.010),
            gaze_x=normal(seed, "gaze x", 0, 0.16),
            gaze_y=normal(seed, "gaze y", 0, 0.08),
            back_a=_muted(hue, u("back light", 0.15, 0.75), u("back colour", 0.02, 0.16)),
            back_b=_muted(hue + hue_b, u("back light b", 0.15, 0.7), u("back colour b", 0.02, 0.16)),
            back_angle=u("back angle", 0, 6.2832),
        )

    @classmethod
    def frontal(cls, n: int = 1) -> View:
        """n times one fixed view: frontal, soft light from above, grey background, no noise."""
        zero = torch.zeros(n)
        fixed = {
            "scale": 0.34,
            "shift_y": -0.32,
            "light_side": 0.25,
            "light_up": 0.6,
            "light": 0.88,
            "ambient": 0.38,
            "soft": 0.1,
        }
        columns = {name: torch.full((n,), fixed.get(name, 0.0)) for name in _PLAIN}
        gray = torch.full((n, 3), 0.62)
        return cls(
            seed=zero.long(), **(columns | {"exposure": zero + 1}), back_a=gray, back_b=gray * 0.8, back_angle=zero
        )


_PLAIN = (
    "yaw", "pitch", "roll", "scale", "shift_x", "shift_y", "light_side", "light_up", "light", "ambient", "warmth",
    "soft", "noise", "gaze_x", "gaze_y",
)  # fmt: skip


def _muted(hue: Tensor, light: Tensor, color: Tensor) -> Tensor:
    """Colours (N, 3) with the low saturation of rooms and walls; the hue is in turns."""
    thirds = torch.tensor([0.0, 1 / 3, 2 / 3], device=hue.device)
    return (light[:, None] * (1 + color[:, None] * torch.cos(6.2832 * (hue[:, None] - thirds)))).clamp(0, 1)


# ------------------------------------------------------------------------------------------------ projection


def head_depth(u: Tensor, v: Tensor, depth: Tensor | float) -> Tensor:
    """Height of the face surface above the plane of the temples at (u, v): the skull and the nose.

    This coarse surface serves the projection only. Its slope is below 2.7, so that a face turned by up to 20 degrees
    does not occlude itself.
    """
    skull = 1 - (u * u * 0.55 + (v - 0.3).square() * 0.22)
    nose = bell(u * u * 22 + ((v - 0.56) * 2.9).square())
    return skull.clamp(min=-0.6) + nose * (0.30 * depth)


def project(u: Tensor, v: Tensor, view: View, nose_depth: Tensor) -> Tensor:
    """Project points (u, v) of faces, each (N, K), to image coordinates (N, K, 2), x and y from -1 to 1."""
    col = {name: getattr(view, name)[:, None] for name in ("yaw", "pitch", "roll", "scale", "shift_x", "shift_y")}
    z = head_depth(u, v, nose_depth[:, None])
    a = col["yaw"].cos() * u + col["yaw"].sin() * z
    b = col["pitch"].cos() * v + col["pitch"].sin() * z
    cos, sin, grow = col["roll"].cos(), col["roll"].sin(), 2 * col["scale"]
    return torch.stack([(cos * a - sin * b) * grow + col["shift_x"], (sin * a + cos * b) * grow + col["shift_y"]], -1)


def unproject(view: View, nose_depth: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The inverse of `project`: the point (u, v) of the face at each pixel centre, each (N, size, size)."""
    line = (torch.arange(size, device=view.yaw.device) * 2 + 1).float() / size - 1
    col = {name: getattr(view, name)[:, None, None] for name in ("yaw", "pitch", "roll", "scale", "shift_x", "shift_y")}
    grow = 0.5 / col["scale"]
    x, y = (line[None, None, :] - col["shift_x"]) * grow, (line[None, :, None] - col["shift_y"]) * grow
    cos, sin = col["roll"].cos(), col["roll"].sin()
    a, b = cos * x + sin * y, cos * y - sin * x
    tan_yaw, tan_pitch = col["yaw"].tan(), col["pitch"].tan()
    a, b = a / col["yaw"].cos(), b / col["pitch"].cos()
    u, v = a, b
    depth = nose_depth[:, None, None]
    for _ in range(3):  # fixed-point iteration; it converges, because slope times tangent is below 1
        z = head_depth(u, v, depth)
        u, v = a - tan_yaw * z, b - tan_pitch * z
    return u, v
