"""Measures how fast this machine renders, loads, trains and edits, and the speed-up of each variant over a baseline.

Rates vary between machines, and over time. Ratios vary less: the variants of a group are measured in turn.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path

from facekit.datasets.base import FaceDataset, loader
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.diffusion.diffusion_autoencoder import DiffusionAutoencoder
from facekit.models.diffusion.label_diffusion import LabelDiffusion
from facekit.models.editors.diffusion_editor import DiffusionEditor
from facekit.models.gans.cyclegan import CycleGAN
from facekit.models.gans.mma_gan import MMAGAN
from facekit.models.gans.stargan import StarGAN
from facekit.models.judges.emotion_resnet import EmotionResNet
from facekit.models.load import load_system
from facekit.models.precision import EDIT_PRECISION
from facekit.models.system import Generator, Preset, System, system_class
from facekit.show.studio import Side, Studio
from facekit.training.loop import fit
from facekit.training.profiles import PROFILES, Profile
from facekit.weights.shipped import SHIPPED
from facekit.workspace import hardware

_ROUNDS = 3  # the median over them is reported
_STEPS = 4  # training steps per round; the first, which allocates memory, is not timed
_BATCH = 32


def measure() -> dict[str, object]:
    """Faces per second of each variant in each group, in types of JSON: `machine`, and `speeds` by group and variant.

    The first variant of a group is its baseline.
    """
    with tempfile.TemporaryDirectory(prefix="facekit-bench-") as folder:
        groups = {
            "rendering at 64 x 64, colour": _rendering(),
            "loading at 64 x 64, colour": _loading(Path(folder)),
            "training emotion_resnet at 48 x 48": _training(EmotionResNet, EmotionResNet.presets["laptop"]),
            "training diffusion models at 48 x 48": _diffusion_training(),
            "training GANs at 48 x 48": _gan_training(),
            "training generators at 64 x 64": _generator_training(),
            "edits at 48 x 48, batches of 64": _edits(64),
            "edits at 48 x 48, batches of 1": _edits(1),
            "edits at 64 x 64 with the shipped weights, batches of 64": _shipped_edits(64),
            "edits at 64 x 64 with the shipped weights, batches of 1": _shipped_edits(1),
            "from a slider's move to the image on the screen, with the shipped weights": _slider_moves(),
        }
        return {
            "machine": hardware.describe(),
            "speeds": {group: _in_turn(variants) for group, variants in groups.items()},
        }


def _in_turn(variants: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The median rate of each variant. Each round measures all, so that other load on the machine affects all alike."""
    rounds = [{variant: rate() for variant, rate in variants.items()} for _ in range(_ROUNDS)]
    return {variant: statistics.median(one[variant] for one in rounds) for variant in variants}


def _rate(work: Callable[[], int]) -> float:
    """Faces per second of a function that returns the number of faces it processed."""
    started = time.perf_counter()
    faces = work()
    return faces / (time.perf_counter() - started)


def _rendering() -> dict[str, Callable[[], float]]:
    domains = {domain: SyntheticFaces(people=64, domain=domain) for domain in ("photo", "cartoon")}
    return {
        domain: lambda faces=faces: _rate(lambda: len(faces.faces(range(256)))) for domain, faces in domains.items()
    }


def _loading(folder: Path) -> dict[str, Callable[[], float]]:
    rendered, cached = SyntheticFaces(people=32), SyntheticFaces(people=32, cache=folder)
    return {
        "rendered for each batch": lambda: _rate(lambda: _load(rendered)),
        "from the memory-mapped cache": lambda: _rate(lambda: _load(cached)),
    }


def _load(dataset: FaceDataset) -> int:
    return sum(len(batch) for batch in loader(dataset, 64, shuffle=True))


def _training(kind: type[System], preset: Preset, batch: int = _BATCH) -> dict[str, Callable[[], float]]:
    preset = dataclasses.replace(preset, batch=batch, warmup=0, augment="none", ema=None)
    faces = _InMemory(batch * _STEPS, preset.size)
    slow = dataclasses.replace(PROFILES["laptop"], precision="float32", channels_last=False)
    fast = dataclasses.replace(PROFILES["laptop"], precision="bfloat16", channels_last=True)
    return {
        "float32, contiguous": lambda: _train(kind, preset, faces, slow),
        "bfloat16, channels_last": lambda: _train(kind, preset, faces, fast),
    }


def _train(kind: type[System], preset: Preset, faces: FaceDataset, profile: Profile) -> float:
    """Faces per second in steps of the training loop, on faces that are already rendered."""
    records = fit(kind(preset), faces, profile=profile)
    return preset.batch / statistics.median(record.seconds for record in islice(records, 1, _STEPS))


def _diffusion_training() -> dict[str, Callable[[], float]]:
    """The network of P1 in its precision, then the laptop preset, in float32 and in bfloat16."""
    published = _training(LabelDiffusion, LabelDiffusion.presets["paper"])["float32, contiguous"]
    ours = _training(LabelDiffusion, LabelDiffusion.presets["laptop"])
    return {"network of P1, float32": published} | {f"laptop preset, {variant}": rate for variant, rate in ours.items()}


def _gan_training() -> dict[str, Callable[[], float]]:
    """StarGAN in the size, losses and precision of its paper, then the laptop presets of the GANs, each with the batch
    size of its preset."""
    layers = 4  # the five of the paper would reduce 48 pixels below one
    published = dataclasses.replace(StarGAN.presets["paper"], size=48, discriminator_layers=layers)
    variants = {"StarGAN as published, float32": _training(StarGAN, published, published.batch)["float32, contiguous"]}
    for kind in (StarGAN, MMAGAN, CycleGAN):
        preset = kind.presets["laptop"]
        fast = _training(kind, preset, preset.batch)["bfloat16, channels_last"]
        variants[f"{kind.name}, laptop preset, bfloat16, channels_last"] = fast
    return variants


def _generator_training() -> dict[str, Callable[[], float]]:
    """The network of P1, then every generator with shipped weights, in float32 and in bfloat16, at their image size."""
    published = dataclasses.replace(LabelDiffusion.presets["paper"], size=64)
    variants = {"network of P1, float32": _training(LabelDiffusion, published)["float32, contiguous"]}
    for name in _shipped_generators():
        recipe = SHIPPED[name]
        kind = system_class(recipe.system)
        both = _training(kind, kind.presets[recipe.profile])
        variants |= {f"{kind.name}, {variant}": rate for variant, rate in both.items()}
    return variants


def _edits(batch: int) -> dict[str, Callable[[], float]]:
    """Edits of P1's network and sampler, and of laptop presets that depend on no other weights."""
    kinds = (LabelDiffusion, DiffusionAutoencoder, DiffusionEditor)
    return _edits_of({kind.name: kind(kind.presets["laptop"]) for kind in kinds}, 48, batch)


def _shipped_edits(batch: int) -> dict[str, Callable[[], float]]:
    published = {"StarGAN as published": StarGAN(StarGAN.presets["paper"])}
    shipped = {system.name: system for system in map(load_system, _shipped_generators())}
    return _edits_of(published | shipped, 64, batch)


def _slider_moves() -> dict[str, Callable[[], float]]:
    """What the studio computes after a move of a slider: the edit, the layout, and the PNG."""
    sides = {name: Studio(name, units=()).sides[0] for name in _shipped_generators()}
    return {name: lambda side=side: _rate(lambda: _updates(side)) for name, side in sides.items()}


def _updates(side: Side, count: int = 4) -> int:
    for _ in range(count):
        side.job().run()
    return count


def _edits_of(generators: Mapping[str, Generator], size: int, batch: int) -> dict[str, Callable[[], float]]:
    """Edits per second in both precisions, including encoders. P1 takes minutes; it is extrapolated from two of its
    thousand steps."""
    faces = SyntheticFaces(people=max(1, batch // 8), faces_per_person=min(8, batch), size=size).faces(range(batch))
    share = 500
    paper = LabelDiffusion.presets["paper"]
    published = LabelDiffusion(
        dataclasses.replace(paper, size=size, sample_steps=paper.sample_steps // share, strength=1.0)
    ).eval()
    variants = {"network and sampler of P1, float32": lambda: _edit(published, faces, "float32") / share}
    return variants | {
        f"{name}, {precision}": lambda each=each, precision=precision: _edit(each.eval(), faces, precision)
        for name, each in generators.items()
        for precision in ("float32", "bfloat16")
    }


def _shipped_generators() -> list[str]:
    """The names of shipped generators, the first of each system, without the oracle that learns from ground truth."""
    first: dict[str, str] = {}
    for name, recipe in SHIPPED.items():
        if issubclass(system_class(recipe.system), Generator) and recipe.data == "synthetic":
            first.setdefault(recipe.system, name)
    return list(first.values())


def _edit(generator: Generator, faces: Faces, precision: str) -> float:
    target = Expression.of("happy", n=len(faces))

    def work() -> int:
        generator.edit(faces, target)
        return len(faces)

    before = os.environ.get(EDIT_PRECISION, "auto")
    os.environ[EDIT_PRECISION] = precision
    try:
        return _rate(work)
    finally:
        os.environ[EDIT_PRECISION] = before


class _InMemory(FaceDataset):
    """Faces in memory, so that only training is timed."""

    name, split, channels = "memory", "train", 3

    def __init__(self, count: int, size: int) -> None:
        rendered = SyntheticFaces(people=count // 8, size=size)
        self.size, self.labels, self.persons = size, rendered.labels, rendered.persons
        self._faces = rendered.faces(range(count))

    def faces(self, indices):
        return self._faces[indices]


def table(results: Mapping[str, object]) -> str:
    """The results as text, with the speed-up of each variant over the first of its group.

    >>> print(table({"machine": {"cores": "2"}, "speeds": {"rendering": {"photo": 400.0, "cartoon": 600.0}}}))
    cores: 2
    rendering
      photo                                                  400 faces/s
      cartoon                                                600 faces/s   1.5 x
    """
    lines = [f"{name}: {value}" for name, value in results["machine"].items()]
    for group, variants in results["speeds"].items():
        baseline = next(iter(variants.values()))
        lines.append(group)
        for i, (variant, rate) in enumerate(variants.items()):
            speedup = f"   {rate / baseline:.1f} x" if i else ""
            lines.append(f"  {variant:<50} {rate:>7.3g} faces/s{speedup}")
    return "\n".join(lines)
