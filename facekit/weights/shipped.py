"""The weights in `data/weights`, which are distributed with the library, and how each is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from facekit.faces.emotions import PROTOCOL_EMOTIONS


@dataclass(frozen=True)
class Recipe:
    """The arguments of `facekit.training.run.train` for a set of weights."""

    system: str
    data: str = "synthetic"
    profile: str = "laptop"
    overrides: Mapping[str, object] = field(default_factory=dict)
    seed: int = 0
    start: str | None = None  # name of the weights that the run is initialised from
    then: tuple[Mapping[str, object], ...] = ()  # what changes in further runs, each initialised from the one before

    @property
    def runs(self) -> list[dict[str, object]]:
        """The overrides of each run, in order."""
        return list(accumulate((self.overrides, *self.then), lambda before, changed: {**before, **changed}))


# Sequences from neutral to the apex of other people than those of the judge of motions.
_MOTIONS = {"profile.people": 1500, "profile.faces_per_person": 6, "profile.workers": 0}

# Training data of the generators: 4,000 identities with 8 faces each, which two cores render in a minute or two.
_PEOPLE = {"profile.people": 4000, "profile.faces_per_person": 8, "profile.workers": 0}

SHIPPED: dict[str, Recipe] = {
    "emotion_cnn-synthetic": Recipe("emotion_cnn"),  # E1
    # E2, trained on rendered faces that imitate the class balance, crops and poses of FER-2013, with camera noise and
    # blur, so that it also applies to photographs.
    "emotion_resnet-synthetic": Recipe(
        "emotion_resnet",
        overrides={
            "augment": "photo",
            "steps": 2000,
            "profile.people": 4000,
            "data.imitate": "fer2013",
            "data.label_noise": 0.0,
        },
    ),
    "emotion_resnet-fer2013": Recipe("emotion_resnet", data="fer2013"),
    "identity-synthetic": Recipe("identity", overrides={"steps": 1500}),  # E6
    # E7. Half of the faces have random action units: no emotion contains AU14 or AU43, and none consists of one unit. A
    # third are one-sided, since faces with equal halves would teach that left and right always agree.
    "action_units-synthetic": Recipe("action_units", overrides={"data.free_units": 0.5, "data.one_sided": 0.33}),
    # The estimator that generators are trained with. The judge above shares neither seed nor people with it.
    "action_units-synthetic_estimator": Recipe(
        "action_units",
        overrides={"data.free_units": 0.5, "data.one_sided": 0.33, "data.first_person": 100_000},
        seed=1,
    ),
    "landmarks-synthetic": Recipe("landmarks", overrides={"data.free_units": 0.5, "data.one_sided": 0.33}),  # E7
    "landmarks-synthetic_estimator": Recipe(  # of other people and another seed, as that of action units
        "landmarks",
        overrides={"data.free_units": 0.5, "data.one_sided": 0.33, "data.first_person": 100_000},
        seed=1,
    ),
    "conditional_vae-synthetic": Recipe("conditional_vae", profile="gpu", overrides=_PEOPLE),  # G1
    "vae-synthetic": Recipe("vae", profile="gpu", overrides=_PEOPLE),
    "label_diffusion-synthetic": Recipe("label_diffusion", profile="gpu", overrides=_PEOPLE),  # G11
    "cnn_diffusion-synthetic": Recipe("cnn_diffusion", profile="gpu", overrides=_PEOPLE),  # G12
    "vae_diffusion-synthetic": Recipe("vae_diffusion", profile="gpu", overrides=_PEOPLE),  # G13
    "diffusion_autoencoder-synthetic": Recipe("diffusion_autoencoder", profile="gpu", overrides=_PEOPLE),  # G14
    "stargan-synthetic": Recipe("stargan", profile="gpu", overrides=_PEOPLE),  # G5
    "stargan-synthetic_both": Recipe(  # G3: the photographic and the cartoon domain jointly
        "stargan",
        overrides=_PEOPLE
        | {
            "cartoon_emotions": PROTOCOL_EMOTIONS,
            "cross_domain": True,
            "data.domain": "both",
            "size": 64,
            "steps": 1000,
        },
    ),
    "paired_oracle-synthetic_pairs": Recipe("paired_oracle", data="synthetic_pairs", profile="gpu", overrides=_PEOPLE),
    "completion_editor-synthetic": Recipe("completion_editor", profile="gpu", overrides=_PEOPLE),  # the teacher of G15
    "diffusion_editor-synthetic": Recipe(  # G15
        "diffusion_editor",
        profile="gpu",
        overrides=_PEOPLE | {"varied": False},
        then=({"varied": True, "self_training_from": 0.0, "steps": 900, "learning_rate": 4e-3, "warmup": 50},),
    ),
    "adversarial_editor-synthetic": Recipe(  # G15, fine-tuned. A discriminator memorises faces that it sees again
        "adversarial_editor", profile="gpu", overrides=_PEOPLE | {"profile.people": 10_000}
    ),
    "adversarial_editor-synthetic_units": Recipe(  # the same, trained on with single and one-sided action units
        "adversarial_editor",
        profile="gpu",
        overrides=_PEOPLE
        | {
            "steps": 1200,
            "learning_rate": 1.5e-3,
            "distillation": 0.0,
            "own_inputs": 1.0,
            "squared": 250.0,
            "absolute": 6.0,
            "profile.people": 8000,
            "data.free_units": 0.5,
            "data.one_sided": 0.33,
        },
        start="adversarial_editor-synthetic",
    ),
    "adversarial_editor-synthetic_transfers": Recipe(  # the same, with ground truth: by regression, then adversarially
        "adversarial_editor",
        data="synthetic_transfers",
        profile="gpu",
        overrides=_PEOPLE
        | {
            "steps": 7000,
            "batch": 64,
            "learning_rate": 5e-3,
            "schedule": "cosine",
            "discriminator_alone": 0,
            "distillation": 0.0,
            "adversarial": 0.0,
            "adversarial_features": 0.0,
            "features": 0.0,
            "profile.people": 4000,
        },
        start="adversarial_editor-synthetic_units",
        then=(
            {
                "steps": 800,
                "batch": 32,
                "learning_rate": 1e-3,
                "schedule": "linear",
                "discriminator_alone": 200,
                "r1": 0.1,
                "sees_input": True,
                "adversarial": 1.0,
                "adversarial_features": 3.0,
                "features": 1.0,
                "squared": 250.0,
                "absolute": 6.0,
            },
        ),
    ),
    "cascaded_editor-synthetic": Recipe(  # G15 at 128 pixels; it sees each face once, too
        "cascaded_editor",
        profile="gpu",
        overrides=_PEOPLE | {"profile.people": 3000, "base": "adversarial_editor-synthetic"},
        then=(
            {"adversarial": 0.5, "steps": 400, "learning_rate": 1e-3},
            {
                "base": "adversarial_editor-synthetic_units",
                "adversarial": 1.0,
                "local": 1.0,
                "local_layers": 4,
                "discriminator_width": 48,
                "steps": 700,
                "learning_rate": 2e-3,
                "profile.people": 1500,
                "data.free_units": 0.4,
                "data.one_sided": 0.33,
            },
        ),
    ),
    "cascaded_editor-synthetic_transfers": Recipe(  # the same, trained on with ground truth
        "cascaded_editor",
        data="synthetic_transfers",
        profile="gpu",
        overrides=_PEOPLE
        | {
            "base": "adversarial_editor-synthetic_transfers",
            "steps": 700,
            "learning_rate": 1.5e-3,
            "discriminator_alone": 100,
            "discriminator_width": 48,
            "r1": 0.1,
            "adversarial": 1.0,
            "local": 1.0,
            "local_layers": 4,
            "features": 1.0,
            "squared": 250.0,
            "absolute": 6.0,
            "profile.people": 1500,
        },
        start="cascaded_editor-synthetic",
    ),
    "ganimation-synthetic": Recipe(  # G20; from random weights it would need several times as many steps
        "ganimation",
        profile="gpu",
        overrides=_PEOPLE | {"profile.people": 6000, "data.free_units": 0.5, "data.one_sided": 0.33},
        start="stargan-synthetic",
        then=(
            {
                "judged_from": (0.0, 0.0),
                "steps": 1000,
                "learning_rate": 2e-3,
                "data.free_units": 0.75,
                "data.one_sided": 0.5,
            },
        ),
    ),
    "landmark_transfer-synthetic_transfers": Recipe(  # G16
        "landmark_transfer", data="synthetic_transfers", profile="gpu", overrides=_PEOPLE
    ),
    "lgp_gan-synthetic": Recipe("lgp_gan", profile="gpu"),  # G17
    "motion_classifier-synthetic_motions": Recipe(  # E7; it only judges
        "motion_classifier",
        data="synthetic_motions",
        overrides={"profile.people": 600, "profile.faces_per_person": 6, "data.first_person": 100_000},
        seed=1,
    ),
    "motion_gan-synthetic_motions": Recipe(  # G18
        "motion_gan", data="synthetic_motions", profile="gpu", overrides=_MOTIONS
    ),
    "motion_flow-synthetic_motions": Recipe(  # its rival
        "motion_flow", data="synthetic_motions", profile="gpu", overrides=_MOTIONS
    ),
    "identity-synthetic_guide": Recipe(  # of the identity loss of G19; it does not judge
        "identity", overrides={"steps": 1000, "widths": (32, 64, 96), "embedding": 64}, seed=1
    ),
    "texture_gan-synthetic_motions": Recipe(  # G19
        "texture_gan",
        data="synthetic_motions",
        profile="gpu",
        overrides=_MOTIONS | {"data.frames": 6, "data.until": "end"},
        start="landmark_transfer-synthetic_transfers",
    ),
    "mma_gan-synthetic": Recipe("mma_gan", profile="gpu", overrides=_PEOPLE),  # G9, with G15 as its teacher
}
"""By the name that `load_system` takes; dependencies come before the systems that depend on them."""


def variant_of(name: str) -> str:
    """What distinguishes distributed weights from others of the same system and dataset, such as "both"; mostly ""."""
    recipe = SHIPPED[name]
    return name.removeprefix(f"{recipe.system}-{recipe.data}").removeprefix("_")
