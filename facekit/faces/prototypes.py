"""The action units that make up each emotion: the prototypes and variants of EMFACS.

Sources
    EMFACS  Ekman & Friesen, *EMFACS*, 1983, and the FACS Investigator's Guide (2002), table 10-1: prototypes
            and major variants of each emotion.
    Du 2014 Du, Tao & Martinez, *Compound facial expressions of emotion*, PNAS 111(15).
"""

from __future__ import annotations

import functools

import torch

from facekit.faces.action_units import parse_facs
from facekit.faces.emotions import EMOTIONS

# The first of each is the prototype that `Expression.to_action_units` shows; the others are variants that the
# same table lists. A jaw that drops is written 25+26, as FACS scores it where the lips part with it. Left out are
# fear as 1+2+5+25+26, which only the strength of AU5 tells from surprise, and disgust as 10+16+25 and sadness as 6+15,
# which no network trained on photographs reads as such: 9+10+17 and 1+4+6+15 are what Du's people showed instead.
PROTOTYPES: dict[str, tuple[str, ...]] = {
    "angry": (
        "4+5C+7+23",
        "4+5C+7+24",
        "4+5C+7+17+24",
        "4+5C+7+17C+23",
        "4+5C+7+10C+23+25",
        "4+5C+7+23+25+26C",
        "4+7+23",
        "4+7+24",
    ),
    "disgust": ("9+17C", "9+16+25", "9+15B+16+25", "10+17C", "9+10C+17C"),
    "fear": ("1+2+4+5+20+25", "1+2+4+5+20+25+26C", "1+2+4+5+25", "5+20+25", "1+2+4+5"),
    "happy": ("6+12+25", "6+12", "6+12+25+26B", "12D"),
    "sad": ("1+4C+15", "1+4+15B+17C", "1+4C+15B", "1+4C+6B+15"),
    "surprise": ("1+2+5B+25+26", "1+2+5B+25+27", "1+2+25+26", "1+2+5B", "5B+25+26"),
    "neutral": ("",),
    "contempt": ("R12B+R14", "L12B+L14", "R14", "L14"),
}


@functools.cache
def prototype_matrix() -> torch.Tensor:
    """The first prototype of each emotion at full intensity: (E, A), rows as `EMOTIONS`, values in [0, 1]."""
    return torch.stack([parse_facs(PROTOTYPES[name][0]) for name in EMOTIONS])
