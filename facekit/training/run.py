"""One call for a whole training run: `train("emotion_resnet", profile="laptop", data="fer2013", out=folder)`."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from accelerate import PartialState

from facekit.datasets.base import FaceDataset, dataset_class, open_dataset
from facekit.models.load import start_from
from facekit.models.system import System, system_class
from facekit.training.loop import check_preset, fit
from facekit.training.order import derived_seed
from facekit.training.overrides import checked, overridden
from facekit.training.profiles import Profile, profile_named
from facekit.weights.store import WeightsCard, WeightsError, find_weights, load_weights, read_card, save_weights
from facekit.workspace.files import write_json

logger = logging.getLogger("facekit.training")


class BadRun(ValueError):
    """A run was asked for whose names or values do not exist. The message says which."""


def train(
    system: str,
    *,
    profile: str = "laptop",
    data: str = "synthetic",
    out: str | os.PathLike,
    seed: int = 0,
    overrides: Mapping[str, object] | None = None,
    progress: bool = True,
    minutes: float | None = None,
    from_scratch: bool = False,
    start: str | os.PathLike | None = None,
) -> Path | None:
    """Train a system to its end, measure it on the valid split, and write its weights with their card.

    system     key in `SYSTEMS`
    profile    name of the profile, and of the system's preset
    data       key in `DATASETS`; its train split is learned from
    out        folder of the run. Called again, the run goes on from its newest checkpoint; a finished one is left
    seed       of everything drawn at random, the first weights included
    overrides  fields of the preset by name, of the profile as `profile.NAME`, options of the dataset as `data.NAME`;
               from nothing, fields of what is trained first as well, as in `teacher.steps`
    progress   show a bar
    minutes    stop, with a checkpoint, when this time is over
    from_scratch
               train what it stands on first, systems like those whose weights the preset names, on the same data, at
               the same size and by the same profile, each in a folder of its own in `out`; else those weights are taken
    start      name or path of weights to begin with, as far as they fit (`facekit.models.load.start_from`): those of
               the same system, or of a like one, that were trained on other data (P1 §7)

    Returns the path of `weights.safetensors`, or None where the time was over first. `metrics.json` lies beside it.
    Raises `BadRun` for names and values that do not exist, before anything starts, and what `fit` raises.
    """
    out = Path(out)
    try:
        kind, plan = system_class(system), profile_named(profile)
        if profile not in kind.presets:
            raise BadRun(f"{system} has no preset for the profile {profile!r}; it has {', '.join(kind.presets)}")
        wanted = _by_part(overrides or {}, kind.depends_on if from_scratch else ())
        preset = overridden(kind.presets[profile], wanted[""])
        check_preset(preset)
        for part in kind.depends_on:
            if wanted.get(part) and getattr(preset, part) is None:
                raise BadRun(f"{part}.{next(iter(wanted[part]))} sets nothing: this {system} has no {part}")
        plan = overridden(plan, wanted["profile"])
        chosen = checked(dataset_class(data), wanted["data"])
    except ValueError as error:
        raise BadRun(str(error)) from None
    options = {split: dataset_options(data, split, plan, preset.size) | chosen for split in ("train", "valid")}
    if from_scratch:
        began = time.monotonic()
        shared = {f"{of}.{name}": value for of in ("profile", "data") for name, value in wanted[of].items()}
        for part, usual in kind.depends_on.items():
            named = getattr(preset, part)
            if named is None:
                continue
            other, own = _system_of(named) or usual, shared | {"size": preset.size} | wanted[part]
            again = {"profile": profile, "data": data, "seed": seed, "overrides": own, "progress": progress}
            path = train(other, **again, out=out / part, minutes=_left(minutes, began), from_scratch=True)
            if path is None:
                return None
            preset = dataclasses.replace(preset, **{part: str(path)})
        minutes = _left(minutes, began)
    dataset = open_dataset(data, "train", **options["train"])
    torch.manual_seed(derived_seed(seed, "weights"))
    model = kind(preset, channels=dataset.channels)
    if start is not None:
        count = start_from(model, start)
        logger.info("%s begins with %d of its %d tensors from %s", system, count, len(model.state_dict()), start)

    record = None
    for record in fit(model, dataset, out=out, profile=plan, seed=seed, minutes=minutes, progress=progress):  # noqa: B007
        pass
    if record is not None and record.step < record.total:
        logger.info("%s: %d of %d steps done; the same call goes on", out, record.step, record.total)
        return None
    path = out / "weights.safetensors"
    if PartialState().is_main_process:
        if record is None and _finished(path):
            logger.info("%s is finished; nothing was trained", out)
        else:
            _write_result(path, model, plan, dataset, options)
    return path


def _system_of(weights: str) -> str | None:
    """The system whose weights have this name or path; None where there are none."""
    try:
        return read_card(find_weights(weights)).system
    except WeightsError:
        return None


def _left(minutes: float | None, began: float) -> float | None:
    """What is left of so many minutes since a moment of `time.monotonic`."""
    return minutes and max(0.0, minutes - (time.monotonic() - began) / 60)


def dataset_options(data: str, split: str, profile: Profile, size: int) -> dict[str, object]:
    """The options that a split of a dataset is opened with under a profile, for pictures of a size in pixels."""
    if data not in ("synthetic", "synthetic_pairs"):
        return {"size": size}
    people = profile.people if split == "train" else max(16, profile.people // 10)
    return {"size": size, "people": people, "faces_per_person": profile.faces_per_person, "cache": True}


def _by_part(overrides: Mapping[str, object], first: Collection[str]) -> dict[str, dict[str, object]]:
    """Overrides by what they change: the preset (""), the profile, the data, and what is trained first."""
    parts: dict[str, dict[str, object]] = {part: {} for part in ("", "profile", "data", *first)}
    for name, value in overrides.items():
        part, _, field = name.partition(".") if "." in name else ("", "", name)
        if part not in parts:
            known = ", ".join(f"{part}.FIELD" for part in list(parts)[1:])
            raise BadRun(f"{name!r} sets nothing: give a preset's field, or {known}")
        parts[part][field] = value
    return parts


def _write_result(
    path: Path, model: System, profile: Profile, dataset: FaceDataset, options: Mapping[str, dict[str, object]]
) -> None:
    """Measure a finished system on the valid split, then write metrics, weights and card."""
    device = str(next(model.parameters()).device)
    metrics = model.evaluate(open_dataset(dataset.name, "valid", **options["valid"]), device)
    write_json(path.with_name("metrics.json"), metrics)
    source = getattr(dataset, "source", None)
    card = WeightsCard(
        system=model.name,
        profile=profile.name,
        preset=dataclasses.asdict(model.preset),
        channels=model.channels,
        data={"name": dataset.name, "split": dataset.split, "faces": len(dataset), "options": options["train"]},
        steps=model.preset.steps,
        metrics=metrics,
        requires={name: read_card(find_weights(name)).sha256 for name in model.requires.values()},
        started_from=dict(model.started_from),
        terms="MIT" if source is None else f"learned from {source.title} ({source.terms})",
    )
    save_weights(path, model.weights(), card)


def _finished(path: Path) -> bool:
    """Whether a run has written its weights whole."""
    try:
        return bool(load_weights(path))
    except WeightsError:
        return False
