"""The page of model cards, rendered from the cards beside the weights that ship."""

from __future__ import annotations

import inspect

from facekit.models.system import system_class
from facekit.weights.shipped import SHIPPED
from facekit.weights.store import find_weights, read_card
from facekit.workspace.templates import rendered


def page() -> str:
    """The page as Markdown."""
    return rendered("evaluation/model_cards.md.j2", {}, cards=[_card(name) for name in SHIPPED])


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
        "began": [f"weights {digest[:12]}… of {other}" for other, digest in card.started_from.items()],
        "bytes": f"{path.stat().st_size / 1e6:.1f}",
        # Numbers by emotion and by action unit are in the JSON card only.
        "metrics": [f"{metric} {value:.3g}" for metric, value in card.metrics.items() if "/" not in metric],
        "terms": card.terms,
        "sha256": card.sha256[:12],
    }
