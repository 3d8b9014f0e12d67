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

# The first code of each emotion is the prototype that `Expression.to_action_units` uses; the others are variants from
# the same table. A jaw drop is written 25+26, because FACS also scores 25 where the lips part. Three variants are left
# out: fear as 1+2+5+25+26, which differs from surprise in the intensity of AU5 alone, and disgust as 10+16+25 and
# sadness as 6+15, which classifiers trained on photographs do not recognise; the participants of Du 2014 showed
# 9+10+17 and 1+4+6+15 instead.
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
    """The prototype of each emotion at full intensity: (E, A), rows in the order of `EMOTIONS`, values in [0, 1]."""
    return torch.stack([parse_facs(PROTOTYPES[name][0]) for name in EMOTIONS])
