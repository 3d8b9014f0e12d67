"""The page of model cards, made of the cards beside the weights that ship."""

from __future__ import annotations

import inspect

import jinja2

from facekit.models.system import system_class
from facekit.shipped import SHIPPED
from facekit.weights import find_weights, read_card


def page() -> str:
    """The page as Markdown."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("facekit", "."),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("model_cards.md.j2").render(cards=[_card(name) for name in SHIPPED])


def _card(name: str) -> dict[str, object]:
    path = find_weights(name)
    card = read_card(path)
    first, _, _ = inspect.getdoc(system_class(card.system)).partition("\n\n")
    return {
        "name": name,
        "what": " ".join(first.split()),
        "faces": f"{card.data['faces']:,}",
        "data": card.data["name"],
        "size": card.size,
        "channels": card.channels,
        "steps": f"{card.steps:,}",
        "requires": list(card.requires),
        "bytes": f"{path.stat().st_size / 1e6:.1f}",
        # By emotion and by unit, numbers are in the JSON.
        "metrics": [f"{metric} {value:.3g}" for metric, value in card.metrics.items() if "/" not in metric],
        "terms": card.terms,
        "sha256": card.sha256[:12],
    }
