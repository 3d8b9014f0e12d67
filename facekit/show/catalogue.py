"""The generators of the studios: their names for people, best first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from facekit.models.load import available_generators
from facekit.weights.shipped import SHIPPED


class Entry(NamedTuple):
    """A generator of the studios.

    weights  name of its weights
    name     for people
    line     what distinguishes it
    strip    whether it is quick enough to be shown beside the others at every move of a slider
    page     whether the page without a server has it
    own      whether it was trained here
    """

    weights: str
    name: str
    line: str
    strip: bool = True
    page: bool = False
    own: bool = False


_SHIPPED = (
    Entry(
        "cascaded_editor-synthetic_transfers",
        "Diffusion editor",
        "128 pixels. Trained with the ground truth of drawn faces; takes emotions, action units and sides.",
        page=True,
    ),
    Entry(
        "cascaded_editor-synthetic",
        "Diffusion editor, trained without ground truth",
        "128 pixels. Trained on unpaired faces; takes emotions, action units and sides.",
    ),
    Entry(
        "adversarial_editor-synthetic_transfers",
        "Diffusion editor, 64 pixels",
        "Trained with the ground truth of drawn faces; takes emotions, action units and sides.",
        strip=False,
    ),
    Entry(
        "adversarial_editor-synthetic_units",
        "Diffusion editor, 64 pixels, trained without ground truth",
        "Emotions, action units and sides; made sharp by discriminators.",
        strip=False,
    ),
    Entry(
        "adversarial_editor-synthetic",
        "Diffusion editor, 64 pixels, trained on emotions alone",
        "Without ground truth; for emotions a little closer to it than the one above, but worse for single units.",
        strip=False,
    ),
    Entry("lgp_gan-synthetic", "LGP-GAN", "64 pixels. Eyes and mouth have networks of their own; emotions only."),
    Entry(
        "ganimation-synthetic",
        "GANimation",
        "64 pixels. Adds a change of action units to the face through a mask.",
        page=True,
    ),
    Entry("mma_gan-synthetic", "MMA-GAN", "64 pixels. Emotions only; learned from a diffusion editor.", page=True),
    Entry("stargan-synthetic", "StarGAN", "64 pixels. Emotions only; the baseline of the course.", page=True),
    Entry(
        "diffusion_editor-synthetic",
        "Diffusion editor before it was sharpened",
        "64 pixels. One step of a diffusion model, which blurs; emotions and action units.",
        strip=False,
    ),
    Entry(
        "conditional_vae-synthetic", "Conditional VAE", "64 pixels. Emotions only; blurs what it draws.", strip=False
    ),
    Entry(
        "landmark_transfer-synthetic_transfers",
        "Landmark transfer",
        "64 pixels. Takes the expression from the landmarks of another face.",
        strip=False,
    ),
    Entry(
        "diffusion_autoencoder-synthetic",
        "Diffusion autoencoder",
        "64 pixels. Inverts the face to noise and samples it again: takes seconds; emotions only.",
        strip=False,
    ),
    Entry(
        "vae_diffusion-synthetic",
        "Diffusion with a VAE's code",
        "64 pixels. Samples a face with the code of this one: takes seconds; emotions only.",
        strip=False,
    ),
    Entry(
        "completion_editor-synthetic",
        "Completion",
        "64 pixels. Removes the parts that express something and draws them anew: takes seconds; emotions only.",
        strip=False,
    ),
    Entry(
        "stargan-synthetic_both",
        "StarGAN for photographs and cartoons",
        "64 pixels. Emotions only, in one of two styles.",
        strip=False,
    ),
    Entry(
        "label_diffusion-synthetic",
        "Diffusion by label",
        "64 pixels. Samples any face with the emotion, not this one: takes seconds; emotions only.",
        strip=False,
    ),
    Entry(
        "cnn_diffusion-synthetic",
        "Diffusion with a classifier's code",
        "64 pixels. Samples a face by what a classifier sees of this one: takes seconds; emotions only.",
        strip=False,
    ),
    Entry(
        "paired_oracle-synthetic_pairs",
        "Paired oracle",
        "64 pixels. Trained on the ground truth by least squares alone, which blurs; emotions only.",
        strip=False,
    ),
)

DEFAULT = _SHIPPED[0].weights
"""The weights with which the studios open."""

JUDGE, ESTIMATOR, LANDMARKS = (
    "emotion_resnet-synthetic",
    "action_units-synthetic_estimator",
    "landmarks-synthetic_estimator",
)
"""The networks that read an emotion, the action units of a picture, and where its eyes are."""


def on_page() -> list[Entry]:
    """The generators of the page without a server."""
    return [entry for entry in _SHIPPED if entry.page]


def available() -> Iterator[Entry]:
    """All generators here: those that ship, best first, then those that were trained here on colour images, without
    runs of the smoke profile."""
    cards = available_generators()
    yield from (entry for entry in _SHIPPED if entry.weights in cards)
    for name, card in cards.items():
        if name in SHIPPED or card.profile == "smoke" or card.channels != 3:
            continue
        line = f"{card.preset['size']} pixels. Trained here, profile {card.profile}, {card.steps} steps."
        yield Entry(name, name.removeprefix("runs/"), line, strip=False, own=True)
