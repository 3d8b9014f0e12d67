"""Ablation of the renderer: faces without some of the ingredients that make them realistic (notebook 01)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

import torch
from torch import Tensor

from facekit.datasets.synthetic.identity import Identity
from facekit.datasets.synthetic.muscles import Displacements, displacements
from facekit.datasets.synthetic.render import render
from facekit.datasets.synthetic.rows import Rows
from facekit.datasets.synthetic.view import View
from facekit.faces.faces import Faces

R = TypeVar("R", bound=Rows)

INGREDIENTS = ("camera", "crop", "eyes", "light", "folds", "muscles")
"""The ingredients that can be left out, in the order in which they were added to the renderer."""

FOLDS = ("fold", "frown", "crow", "forehead", "forehead_inner", "nose_wrinkle", "cheek", "dimple")
"""The fields of `Displacements` that fold the skin."""


def render_without(
    missing: Collection[str],
    identity: Identity,
    action_units: Tensor,
    view: View,
    size: int = 64,
    channels: int = 1,
    muscles: Callable[[Tensor], Displacements] = displacements,
) -> Faces:
    """Render faces as `render` does, without some of `INGREDIENTS`.

    camera   a sharp lens with coarse noise
    crop     a wide margin around the head
    eyes     smaller irises and wider lids
    light    ambient light only, on a head without sockets, cheekbones and nose bridge
    folds    smooth skin
    muscles  action units at half their intensity

    Raises `ValueError` for an unknown ingredient.
    """
    if unknown := set(missing) - set(INGREDIENTS):
        raise ValueError(f"{', '.join(sorted(unknown))} is not an ingredient; use some of {', '.join(INGREDIENTS)}")
    if "camera" in missing:
        view = scaled(0, view, "soft").replace(noise=torch.full_like(view.noise, 0.04))
    if "crop" in missing:
        view = scaled(0.8, view, "scale").replace(shift_y=view.shift_y + 0.12)
    if "eyes" in missing:
        identity = scaled(2, scaled(0.75, identity, "iris_size"), "eye_open")
    if "light" in missing:
        view = scaled(0, view, "light").replace(ambient=torch.full_like(view.ambient, 0.8))
        flat = scaled(0, identity, "sockets", "cheeks", "fullness", "boss")
        identity = scaled(0.3, flat, "nose_depth")
    if "folds" in missing:
        identity, muscles = scaled(0, identity, "lines"), smooth
    if "muscles" in missing:
        action_units = action_units / 2
    return render(identity, action_units, view, size, channels, muscles=muscles)


def smooth(action_units: Tensor) -> Displacements:
    """Displacements by action units on a face whose skin does not fold."""
    return scaled(0, displacements(action_units), *FOLDS)


def caricature(action_units: Tensor) -> Displacements:
    """Displacements one and a half times as large, and folds twice as deep."""
    moved = displacements(action_units)
    others = [name for name in vars(moved) if name not in FOLDS]
    return scaled(1.5, scaled(2, moved, *FOLDS), *others)


def scaled(factor: float, rows: R, *names: str) -> R:
    """Identities, views or displacements with some of their fields multiplied by a factor."""
    return rows.replace(**{name: factor * getattr(rows, name) for name in names})
