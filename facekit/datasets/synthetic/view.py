"""How a face is seen: pose, place in the picture, light, background and camera."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.datasets.synthetic.draws import normal, uniform
from facekit.datasets.synthetic.rows import Rows


@dataclass(frozen=True, eq=False)
class View(Rows):
    """N views, each field (N,) but for colours (N, 3) in sRGB."""

    seed: Tensor  # int64, what the camera's noise depends on
    yaw: Tensor  # radians, positive where the face turns to the right of the picture
    pitch: Tensor  # radians, positive where it looks down
    roll: Tensor  # radians, positive where it leans clockwise
    scale: Tensor  # distance between the eyes as a share of the picture's width
    shift_x: Tensor  # where the point between the eyes lies, from -1 to 1 across the picture
    shift_y: Tensor
    light_side: Tensor  # radians, positive from the right of the picture
    light_up: Tensor  # radians above the horizon
    light: Tensor  # strength of the main light
    ambient: Tensor  # light from everywhere
    warmth: Tensor  # -1 cold to 1 warm
    exposure: Tensor  # factor
    soft: Tensor  # share of a point's light that the lens spreads to the pixel on each side
    noise: Tensor  # deviation of a pixel's noise, of 1
    gaze_x: Tensor  # where the eyes look, in iris radii
    gaze_y: Tensor
    back_a: Tensor  # (N, 3) background at one end
    back_b: Tensor  # (N, 3) and at the other
    back_angle: Tensor  # radians, of the way from one to the other

    @classmethod
    def draw(cls, seed: Tensor, *, scale: tuple[float, float] = (0.320, 0.360), turn: float = 1.0) -> View:
        """Views by number (N,), int64: the same number is the same view everywhere.

        scale  range of the distance between the eyes; FER-2013's own is about 0.36
        turn   factor on pose: 0 gives faces from the front, 1 yaw with a deviation of 8 degrees
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
        """n times the same view: straight from the front, soft light from above, grey background, no noise."""
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
    """Colours (N, 3) of a hue in turns, with little saturation, as rooms and walls have."""
    thirds = torch.tensor([0.0, 1 / 3, 2 / 3], device=hue.device)
    return (light[:, None] * (1 + color[:, None] * torch.cos(6.2832 * (hue[:, None] - thirds)))).clamp(0, 1)


# ------------------------------------------------------------------------------------------------ projection


def head_depth(u: Tensor, v: Tensor, depth: Tensor | float) -> Tensor:
    """How far the face's surface stands before the plane of the temples at (u, v): the skull, and the nose on it.

    Coarse on purpose: it carries the pose alone, and its slope stays below 2.7, so that no face within 20 degrees
    folds over itself.
    """
    skull = 1 - (u * u * 0.55 + (v - 0.3).square() * 0.22)
    nose = (-(u * u * 22) - ((v - 0.56) * 2.9).square()).exp()
    return skull.clamp(min=-0.6) + nose * (0.30 * depth)


def project(u: Tensor, v: Tensor, view: View, nose_depth: Tensor) -> Tensor:
    """Points of faces (N, K) as places in the picture (N, K, 2), x and y from -1 to 1."""
    col = {name: getattr(view, name)[:, None] for name in ("yaw", "pitch", "roll", "scale", "shift_x", "shift_y")}
    z = head_depth(u, v, nose_depth[:, None])
    a = col["yaw"].cos() * u + col["yaw"].sin() * z
    b = col["pitch"].cos() * v + col["pitch"].sin() * z
    cos, sin, grow = col["roll"].cos(), col["roll"].sin(), 2 * col["scale"]
    return torch.stack([(cos * a - sin * b) * grow + col["shift_x"], (sin * a + cos * b) * grow + col["shift_y"]], -1)


def unproject(view: View, nose_depth: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """For each pixel's centre the point (u, v) of the face that is seen there, each (N, size, size)."""
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
    for _ in range(3):  # a contraction: the slope of depth times the tangent stays below 1
        z = head_depth(u, v, depth)
        u, v = a - tan_yaw * z, b - tan_pitch * z
    return u, v
