"""G3 to G7: variants of StarGAN. Each is a set of fields that replace those of a StarGAN preset."""

from __future__ import annotations

from collections.abc import Mapping

from facekit.faces.emotions import PROTOCOL_EMOTIONS

# P2 switches from pixels to features after 40 epochs, 0.36 of the run: StarGAN's 200,000 steps of 16 of FER-2013's
# 28,709 faces.
_FEATURES = {"features_from": 0.36}
_SKIPS = {"skips": "residual"}
_LEAKY = {"slope": 0.01}

VARIANTS: Mapping[str, Mapping[str, object]] = {
    "stargan": {"skips": "none"},
    "features": {"skips": "none", **_FEATURES},
    "features_skips": {**_SKIPS, **_FEATURES},
    "dropout": {"skips": "none", **_LEAKY, "dropout": "ends"},
    "skips": {**_SKIPS},
    "skips_dropout": {**_SKIPS, **_LEAKY, "dropout": "blocks"},
}
"""Rows (d) to (i) of P2's table 2: StarGAN itself (G2), a reconstruction loss on features, skip connections, dropout,
and combinations of them (G4 to G7). All other fields are equal."""

JOINT: Mapping[str, Mapping[str, object]] = {
    "same labels": {"cartoon_emotions": PROTOCOL_EMOTIONS, "cross_domain": True},
    "labels in parts": {
        "emotions": ("happy", "sad", "surprise", "neutral"),
        "cartoon_emotions": ("angry", "disgust", "fear", "neutral"),
        "cross_domain": False,
    },
}
"""G3, training on photographs and cartoons together. "same labels": both domains have all labels, and faces are also
translated from one domain to the other (P2, figure 10). "labels in parts": each domain has labels of its own. Faces
stay in their domain, and can be edited to emotions that only the other domain is labelled with (Choi 2018, §3.3)."""
