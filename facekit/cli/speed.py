"""How fast this machine draws, loads and trains, and what each way of doing it gains over the plain one.

Rates differ from machine to machine and from hour to hour; ratios, taken in turns within one run, hold longer.
"""

from __future__ import annotations

import dataclasses
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
from facekit.models.system import Generator, Preset, System, system_class
from facekit.show.studio import Side, Studio
from facekit.training.loop import fit
from facekit.training.profiles import PROFILES, Profile
from facekit.weights.shipped import SHIPPED
from facekit.workspace import hardware

_ROUNDS = 3  # of which the median counts
_STEPS = 4  # training steps a round; the first is left out, in which memory is laid out
_BATCH = 32


def measure() -> dict[str, object]:
    """Faces a second of each way in each group, as JSON knows it: `machine`, and `speeds` by group and way.

    The first way of a group is the plain one, which the others are compared with.
    """
    with tempfile.TemporaryDirectory(prefix="facekit-bench-") as folder:
        groups = {
            "drawing 64 x 64 in colour": _drawing(),
            "loading 64 x 64 in colour": _loading(Path(folder)),
            "training emotion_resnet at 48 x 48": _training(EmotionResNet, EmotionResNet.presets["laptop"]),
            "training diffusion at 48 x 48": _diffusion_training(),
            "training GANs at 48 x 48": _gan_training(),
            "training generators at 64 x 64": _generator_training(),
            "edits at 48 x 48, 64 at once": _edits(64),
            "edits at 48 x 48, one by one": _edits(1),
            "edits at 64 x 64 by the weights that ship, 64 at once": _shipped_edits(64),
            "edits at 64 x 64 by the weights that ship, one by one": _shipped_edits(1),
            "from a slider to the picture on the screen, by the weights that ship": _slider_moves(),
        }
        return {"machine": hardware.describe(), "speeds": {group: _in_turns(ways) for group, ways in groups.items()}}


def _in_turns(ways: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The median rate of each way, one after the other in each round, so that a busy minute slows all alike."""
    rounds = [{way: rate() for way, rate in ways.items()} for _ in range(_ROUNDS)]
    return {way: statistics.median(one[way] for one in rounds) for way in ways}


def _rate(work: Callable[[], int]) -> float:
    """Faces a second of work that returns how many faces it did."""
    started = time.perf_counter()
    faces = work()
    return faces / (time.perf_counter() - started)


def _drawing() -> dict[str, Callable[[], float]]:
    domains = {domain: SyntheticFaces(people=64, domain=domain) for domain in ("photo", "cartoon")}
    return {
        domain: lambda faces=faces: _rate(lambda: len(faces.faces(range(256)))) for domain, faces in domains.items()
    }


def _loading(folder: Path) -> dict[str, Callable[[], float]]:
    drawn, cached = SyntheticFaces(people=32), SyntheticFaces(people=32, cache=folder)
    return {
        "drawn for each batch": lambda: _rate(lambda: _load(drawn)),
        "from the memory-mapped cache": lambda: _rate(lambda: _load(cached)),
    }


def _load(dataset: FaceDataset) -> int:
    return sum(len(batch) for batch in loader(dataset, 64, shuffle=True))


def _training(kind: type[System], preset: Preset, batch: int = _BATCH) -> dict[str, Callable[[], float]]:
    preset = dataclasses.replace(preset, batch=batch, warmup=0, augment="none", ema=None)
    faces = _Held(batch * _STEPS, preset.size)
    plain = dataclasses.replace(PROFILES["laptop"], precision="float32", channels_last=False)
    fast = dataclasses.replace(PROFILES["laptop"], precision="bfloat16", channels_last=True)
    return {
        "float32, contiguous": lambda: _train(kind, preset, faces, plain),
        "bfloat16, channels_last": lambda: _train(kind, preset, faces, fast),
    }


def _train(kind: type[System], preset: Preset, faces: FaceDataset, profile: Profile) -> float:
    """Faces a second in steps of the loop itself, on faces that are already drawn."""
    records = fit(kind(preset), faces, profile=profile)
    return preset.batch / statistics.median(record.seconds for record in islice(records, 1, _STEPS))


def _diffusion_training() -> dict[str, Callable[[], float]]:
    """P1's own network in its own precision first, then ours, plain and fast."""
    its_own = _training(LabelDiffusion, LabelDiffusion.presets["paper"])["float32, contiguous"]
    ours = _training(LabelDiffusion, LabelDiffusion.presets["laptop"])
    return {"P1's size, float32": its_own} | {f"laptop preset, {way}": rate for way, rate in ours.items()}


def _gan_training() -> dict[str, Callable[[], float]]:
    """StarGAN's own size, losses and precision first, then the laptop presets of the adversarial line, each with its
    own batch: the more critics and optimisers there are to a step, the more a batch decides."""
    layers = 4  # its five would halve 48 pixels once too often
    published = dataclasses.replace(StarGAN.presets["paper"], size=48, discriminator_layers=layers)
    ways = {"StarGAN's own size, float32": _training(StarGAN, published, published.batch)["float32, contiguous"]}
    for kind in (StarGAN, MMAGAN, CycleGAN):
        preset = kind.presets["laptop"]
        fast = _training(kind, preset, preset.batch)["bfloat16, channels_last"]
        ways[f"{kind.name}, laptop preset, bfloat16, channels_last"] = fast
    return ways


def _generator_training() -> dict[str, Callable[[], float]]:
    """P1's network first, then every generator of which weights ship, plain and fast, at their size."""
    published = dataclasses.replace(LabelDiffusion.presets["paper"], size=64)
    ways = {"P1's network, float32": _training(LabelDiffusion, published)["float32, contiguous"]}
    for name in _shipped_generators():
        recipe = SHIPPED[name]
        kind = system_class(recipe.system)
        both = _training(kind, kind.presets[recipe.profile])
        ways |= {f"{kind.name}, {way}": rate for way, rate in both.items()}
    return ways


def _edits(batch: int) -> dict[str, Callable[[], float]]:
    """Of P1's network and sampler, and of laptop presets that need no other weights."""
    kinds = (LabelDiffusion, DiffusionAutoencoder, DiffusionEditor)
    return _edits_of({kind.name: kind(kind.presets["laptop"]) for kind in kinds}, 48, batch)


def _shipped_edits(batch: int) -> dict[str, Callable[[], float]]:
    own_size = {"StarGAN's own size": StarGAN(StarGAN.presets["paper"])}
    shipped = {system.name: system for system in map(load_system, _shipped_generators())}
    return _edits_of(own_size | shipped, 64, batch)


def _slider_moves() -> dict[str, Callable[[], float]]:
    """All that the studio does from one position of a slider to the picture: the edit, laying out, and the PNG."""
    sides = {name: Studio(name, units=()).sides[0] for name in _shipped_generators()}
    return {name: lambda side=side: _rate(lambda: _pictures(side)) for name, side in sides.items()}


def _pictures(side: Side, count: int = 4) -> int:
    for _ in range(count):
        side.job().run()
    return count


def _edits_of(generators: Mapping[str, Generator], size: int, batch: int) -> dict[str, Callable[[], float]]:
    """Edits a second, counting all that an edit runs; P1's by two of its thousand steps, as it takes minutes."""
    faces = SyntheticFaces(people=max(1, batch // 8), faces_per_person=min(8, batch), size=size).faces(range(batch))
    share = 500
    paper = LabelDiffusion.presets["paper"]
    published = LabelDiffusion(
        dataclasses.replace(paper, size=size, sample_steps=paper.sample_steps // share, strength=1.0)
    ).eval()
    ways = {"P1's network and sampler": lambda: _edit(published, faces) / share}
    return ways | {name: lambda each=each: _edit(each.eval(), faces) for name, each in generators.items()}


def _shipped_generators() -> list[str]:
    """The names of the weights that edit, the first of each system, but for what learns from true answers."""
    first: dict[str, str] = {}
    for name, recipe in SHIPPED.items():
        if issubclass(system_class(recipe.system), Generator) and recipe.data == "synthetic":
            first.setdefault(recipe.system, name)
    return list(first.values())


def _edit(generator: Generator, faces: Faces) -> float:
    asked = Expression.of("happy", n=len(faces))

    def work() -> int:
        generator.edit(faces, asked)
        return len(faces)

    return _rate(work)


class _Held(FaceDataset):
    """Faces held in memory, so that only training is timed."""

    name, split, channels = "held", "train", 3

    def __init__(self, count: int, size: int) -> None:
        drawn = SyntheticFaces(people=count // 8, size=size)
        self.size, self.labels, self.persons = size, drawn.labels, drawn.persons
        self._faces = drawn.faces(range(count))

    def faces(self, indices):
        return self._faces[indices]


def table(results: Mapping[str, object]) -> str:
    """The results as text, with each way's gain over its group's first.

    >>> print(table({"machine": {"cores": "2"}, "speeds": {"drawing": {"photo": 400.0, "cartoon": 600.0}}}))
    cores: 2
    drawing
      photo                                                  400 faces/s
      cartoon                                                600 faces/s   1.5 x
    """
    lines = [f"{name}: {value}" for name, value in results["machine"].items()]
    for group, ways in results["speeds"].items():
        plain = next(iter(ways.values()))
        lines.append(group)
        for i, (way, rate) in enumerate(ways.items()):
            gain = f"   {rate / plain:.1f} x" if i else ""
            lines.append(f"  {way:<50} {rate:>7.3g} faces/s{gain}")
    return "\n".join(lines)
