"""One call for a whole training run: `train("emotion_resnet", profile="laptop", data="fer2013", out=folder)`."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import PartialState

from facekit.datasets.base import FaceDataset, dataset_class, open_dataset
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.models.judges.emotion import EmotionClassifier
from facekit.models.load import initialise_from
from facekit.models.system import Preset, System, system_class
from facekit.training.loop import fit
from facekit.training.order import derived_seed
from facekit.training.overrides import checked, overridden, parameters
from facekit.training.profiles import Profile, profile_named
from facekit.training.watch import check_outputs
from facekit.weights.store import WeightsCard, WeightsError, find_weights, load_weights, read_card, save_weights
from facekit.workspace.files import write_json
from facekit.workspace.folders import runs_home

logger = logging.getLogger("facekit.training")

_LOOKED_AT = 2048  # faces in which a card's action units are looked for


class BadRun(ValueError):
    """The arguments of a run name something that does not exist or does not fit. The message says what and where."""


def train(
    system: str,
    *,
    profile: str = "laptop",
    data: str | None = None,
    out: str | os.PathLike | None = None,
    seed: int = 0,
    overrides: Mapping[str, object] | None = None,
    progress: bool = True,
    minutes: float | None = None,
    from_scratch: bool = False,
    start: str | os.PathLike | None = None,
    log: Callable[[str], None] = logger.info,
) -> Path | None:
    """Train a system, evaluate it on the valid split, and write its weights with their card.

    A system may depend on other weights, which its preset names. Where those take images of another size or number of
    channels than this run, a system of the same kind is trained first, on the same data and under the same profile, in
    a folder of its own in `out`.

    system        key in `SYSTEMS`
    profile       name of the profile, and of the system's preset
    data          key in `DATASETS`, trained on its train split; None: the system's `default_data`
    out           folder of the run; None: `SYSTEM-DATA-PROFILE` in `runs_home()`. A second call resumes the run from
                  its newest checkpoint; a finished run is left unchanged
    seed          of all random numbers, the initial weights included
    overrides     fields of the preset by name, of the profile as `profile.NAME`, options of the dataset as `data.NAME`,
                  and fields of a dependency that is trained first, as in `teacher.steps`
    progress      show a progress bar
    minutes       stop, with a checkpoint, after this time
    from_scratch  train all dependencies first, also where weights that fit are available
    start         name or path of weights that initialise the system, as far as they fit
                  (`facekit.models.load.initialise_from`): weights of the same or a related system that was trained on
                  other data (P1 §7)
    log           is called with one line of text for each event

    Returns the path of `weights.safetensors`, with `metrics.json` beside it, or None where the time was over first.
    Raises `BadRun` for arguments that do not exist or do not fit, before any training, and what `fit` raises.
    """
    began = time.monotonic()
    log = log if os.environ.get("RANK", "0") == "0" else _silent  # the first of several processes speaks for all
    plan = _checked_plan(system, profile, data, overrides or {})
    out = runs_home() / f"{system}-{plan.data}-{profile}" if out is None else Path(out)
    # Before the dataset is rendered or read
    _check_dependencies(plan, from_scratch)
    if not _trained_first(plan, channels := _expected_channels(plan), from_scratch):
        _check_parts(plan, channels)
    dataset = _opened(plan, "train")
    preset = plan.preset
    for field, reason in _trained_first(plan, dataset.channels, from_scratch).items():
        kind, folder = _system_of_dependency(plan, field), out / field
        if not _is_finished(folder / "weights.safetensors"):
            log(f"{system}: its {field}, a {kind}, is trained first ({plan.profile.duration}) in {folder}{reason}")
        own = _overrides_of_dependency(plan, field)
        shared = {"profile": profile, "data": plan.data, "seed": seed, "progress": progress, "log": log}
        left = _remaining(minutes, began)
        path = train(kind, **shared, out=folder, overrides=own, minutes=left, from_scratch=from_scratch)
        if path is None:
            return None
        preset = dataclasses.replace(preset, **{field: str(path)})
    preset = _with_emotions_of(dataset, plan, preset, log)
    model = _untrained(plan.kind, preset, dataset.channels, seed, start, log)
    fitting = {"seed": seed, "minutes": _remaining(minutes, began), "progress": progress, "log": log}
    return _train_to_weights(model, dataset, out, plan, **fitting)


@dataclass(frozen=True)
class _Plan:
    """The arguments of a run, checked.

    options    of the dataset, by split
    overrides  by part: see `_by_part`
    """

    system: str
    kind: type[System]
    preset: Preset
    profile: Profile
    data: str
    options: Mapping[str, Mapping[str, object]]
    overrides: Mapping[str, Mapping[str, object]]


def _checked_plan(system: str, profile: str, data: str | None, overrides: Mapping[str, object]) -> _Plan:
    try:
        kind, base = system_class(system), profile_named(profile)
        if profile not in kind.presets:
            raise BadRun(f"{system} has no preset for the profile {profile!r}; it has {', '.join(kind.presets)}")
        parts = _by_part(overrides, kind.depends_on)
        preset = overridden(kind.presets[profile], parts[""])
        preset.check()
        adapted = overridden(base, parts["profile"])
        data = kind.default_data if data is None else data
        chosen = checked(dataset_class(data), parts["data"])
    except ValueError as error:
        raise BadRun(str(error)) from None
    options = {split: dataset_options(data, split, adapted, preset.size) | chosen for split in ("train", "valid")}
    return _Plan(system, kind, preset, adapted, data, options, parts)


def _by_part(overrides: Mapping[str, object], dependencies: Collection[str]) -> dict[str, dict[str, object]]:
    """Overrides by what they change: the preset (""), the profile, the data, or a dependency that is trained first."""
    parts: dict[str, dict[str, object]] = {part: {} for part in ("", "profile", "data", *dependencies)}
    for name, value in overrides.items():
        part, _, field = name.partition(".") if "." in name else ("", "", name)
        if part not in parts:
            known = ", ".join(f"{part}.FIELD" for part in list(parts)[1:])
            raise BadRun(f"{name!r} sets nothing: give a field of the preset, or {known}")
        parts[part][field] = value
    return parts


def dataset_options(data: str, split: str, profile: Profile, size: int) -> dict[str, object]:
    """The options with which a split of a dataset is opened under a profile, for images of a size in pixels."""
    if not data.startswith("synthetic"):
        return {"size": size}
    people = profile.people if split == "train" else max(16, profile.people // 10)
    return {"size": size, "people": people, "faces_per_person": profile.faces_per_person, "cache": True}


def _opened(plan: _Plan, split: str, cached: bool = True) -> FaceDataset:
    """A split of the run's dataset; not `cached`, its faces are drawn when they are needed. Raises `BadRun` for options
    that it does not accept, and `DatasetMissing`."""
    options = {name: value for name, value in plan.options[split].items() if cached or name != "cache"}
    try:
        return open_dataset(plan.data, split, **options)
    except ValueError as error:
        raise BadRun(f"{plan.data}: {error}") from error


def _expected_channels(plan: _Plan) -> int:
    """The channels of the dataset's images, before it is opened: the option, or the default of its class."""
    declared = parameters(dataset_class(plan.data)).get("channels")
    return plan.options["train"].get("channels") or (declared and declared.default) or 3


def _check_parts(plan: _Plan, channels: int) -> None:
    """Raise `BadRun` for a preset whose values do not fit together, so that the system cannot be built."""
    try:
        plan.kind(plan.preset, channels=channels)
    except (ValueError, TypeError, RuntimeError) as error:
        raise BadRun(f"a {plan.system} cannot be built with this preset: {error}") from error


# --------------------------------------------------------------------------------------------------- dependencies


def _trained_first(plan: _Plan, channels: int | None, from_scratch: bool) -> dict[str, str]:
    """The dependencies that are trained before the system itself: the reason, as it ends a sentence, by field.

    channels  of the images of the dataset; None where they are not known yet

    Raises `BadRun` for weights that are missing, for weights that were named explicitly and do not fit, and for
    overrides of a dependency that is not trained.
    """
    required = plan.kind.required_by(plan.preset)
    reasons = {}
    for field, name in required.items():
        if from_scratch and field in plan.kind.depends_on:
            reasons[field] = ""
        elif mismatch := _mismatch(plan, field, _card_of(plan, field), channels):
            if field in plan.overrides[""]:
                raise BadRun(f"{name} cannot be the {field} of this run: {mismatch}. Name other weights, or none")
            reasons[field] = f", as {mismatch}"
    for field in plan.kind.depends_on:
        if plan.overrides[field] and field not in reasons and (channels is not None or field not in required):
            reason = f"this {plan.system} has no {field}"
            if field in required:
                reason = f"the {field} is {required[field]}, which is trained already; add --from-scratch to train one"
            raise BadRun(f"'{field}.{next(iter(plan.overrides[field]))}' sets nothing: {reason}")
    return reasons


def _check_dependencies(plan: _Plan, from_scratch: bool) -> None:
    """Raise what the training of a dependency would raise for its arguments."""
    for field in _trained_first(plan, None, from_scratch):
        overrides = _overrides_of_dependency(plan, field)
        own = _checked_plan(_system_of_dependency(plan, field), plan.profile.name, plan.data, overrides)
        _check_dependencies(own, from_scratch)


def _mismatch(plan: _Plan, field: str, card: WeightsCard, channels: int | None) -> str:
    """The difference between the images that a dependency takes and those of a run; empty where there is none."""
    size, channels = plan.preset.size, card.channels if channels is None else channels
    if field not in plan.kind.same_images or (card.size, card.channels) == (size, channels):
        return ""
    name = getattr(plan.preset, field)
    return f"{name} takes {_images(card.size, card.channels)} and this run has {_images(size, channels)}"


def _images(size: int, channels: int) -> str:
    return f"{'grey' if channels == 1 else 'colour'} images of {size} x {size} pixels"


def _card_of(plan: _Plan, field: str) -> WeightsCard:
    """The card of the weights that a field of the preset names. Raises `BadRun` where there are none."""
    name = getattr(plan.preset, field)
    try:
        path = find_weights(name)
    except WeightsError as error:
        if field not in plan.kind.depends_on:
            raise BadRun(str(error)) from None
        command = f"python -m facekit train {plan.system} --profile {plan.profile.name} --data {plan.data}"
        raise BadRun(
            f"{plan.system} needs weights as its {field}, and {name!r} is not available: `{command} --from-scratch` "
            f"trains a {plan.kind.depends_on[field]} first, on the same data; `--set {field}=NAME` names other weights"
        ) from None
    return read_card(path)


def _system_of_dependency(plan: _Plan, field: str) -> str:
    """The system whose weights a field of the preset names; the usual one where there are no such weights."""
    try:
        return read_card(find_weights(getattr(plan.preset, field))).system
    except WeightsError:
        return plan.kind.depends_on[field]


def _overrides_of_dependency(plan: _Plan, field: str) -> dict[str, object]:
    """The overrides of a dependency that is trained first: the run's profile and data, its size, and its own."""
    shared = {f"{part}.{name}": value for part in ("profile", "data") for name, value in plan.overrides[part].items()}
    return shared | {"size": plan.preset.size} | dict(plan.overrides[field])


def _remaining(minutes: float | None, began: float) -> float | None:
    """What remains of so many minutes since a moment of `time.monotonic`."""
    return minutes and max(0.0, minutes - (time.monotonic() - began) / 60)


# ------------------------------------------------------------------------------------------------------- the system


def _with_emotions_of(dataset: FaceDataset, plan: _Plan, preset: Preset, log: Callable[[str], None]) -> Preset:
    """The preset with the emotions that the faces show, so that nothing later asks for one that was never learned.

    Emotions that the run's arguments choose are left as they are: networks that are to be trained further on other
    faces need all. Raises `BadRun` for faces of fewer than two emotions.
    """
    classifies = issubclass(plan.kind, EmotionClassifier)
    asked = plan.kind.emotions if classifies else getattr(preset, "emotions", None)
    if asked is None or any("emotions" in plan.overrides[part] for part in ("", "data")):
        return preset
    shown = tuple(name for name in asked if name in dataset.emotions)
    if len(shown) < 2:
        found = f"show one emotion only, {shown[0]}" if shown else "have no labels of emotions"
        pretraining = f' To prepare a training on other faces, name its emotions: --set "emotions={asked}"'
        raise BadRun(
            f"the faces of {dataset.name} ({dataset.split}) {found}, and {plan.system} needs two at least: add "
            f"labelled faces.{'' if classifies else pretraining}"
        )
    if missing := [name for name in asked if name not in shown]:
        log(f"{plan.system}: no face of {dataset.name} ({dataset.split}) shows {', '.join(missing)}; it learns "
            f"{', '.join(shown)}")  # fmt: skip
    return preset if classifies else dataclasses.replace(preset, emotions=shown)


def _untrained(
    kind: type[System],
    preset: Preset,
    channels: int,
    seed: int,
    start: str | os.PathLike | None,
    log: Callable[[str], None],
) -> System:
    """A system with initial weights that depend on the seed, or that are those of `start` as far as they fit."""
    torch.manual_seed(derived_seed(seed, "weights"))
    model = kind(preset, channels=channels)
    if start is not None:
        count = initialise_from(model, start)
        log(f"{model.name}: {count} of its {len(model.state_dict())} tensors are initialised from {start}")
    return model


def _train_to_weights(
    model: System, dataset: FaceDataset, out: Path, plan: _Plan, log: Callable[[str], None], **arguments
) -> Path | None:
    """`fit` a system, with arguments of its own, then write the result. Returns the path of the weights, or None
    where the time was over first."""
    record = None
    for record in fit(model, dataset, out=out, profile=plan.profile, **arguments):  # noqa: B007
        pass
    if record is not None and record.step < record.total:
        log(f"{out}: {record.step} of {record.total} steps done; the same call resumes the run")
        return None
    path = out / "weights.safetensors"
    if PartialState().is_main_process:
        if record is None and _is_finished(path):
            log(f"{out} is finished; nothing was trained")
        else:
            _write_result(path, model, dataset, plan, arguments["seed"])
    PartialState().wait_for_everyone()  # the others may load these weights next
    return path


def _write_result(path: Path, model: System, dataset: FaceDataset, plan: _Plan, seed: int) -> None:
    """Evaluate a trained system on the valid split, then write metrics, weights and card. Raises `Useless` for a system
    whose outputs do not depend on the face."""
    device = str(next(model.parameters()).device)
    measured = type(model).evaluate is not System.evaluate
    valid = _opened(plan, "valid", cached=measured)  # `check_outputs` needs few faces
    check_outputs(model, valid)
    metrics = model.evaluate(valid, device)
    write_json(path.with_name("metrics.json"), metrics)
    source = getattr(dataset, "source", None)
    data = {"name": dataset.name, "split": dataset.split, "faces": len(dataset), "options": plan.options["train"]}
    if counts := dataset.class_counts():
        data["emotions"] = counts
    if units := _units_in(dataset):
        data["action_units"] = units
    card = WeightsCard(
        system=model.name,
        profile=plan.profile.name,
        preset=dataclasses.asdict(model.preset),
        channels=model.channels,
        data=data,
        steps=model.preset.steps,
        seed=seed,
        metrics=metrics,
        requires={name: read_card(find_weights(name)).sha256 for name in model.requires.values()},
        started_from=dict(model.started_from),
        terms="MIT" if source is None else f"trained on {source.title} ({source.terms})",
    )
    save_weights(path, model.weights(), card)


def _units_in(dataset: FaceDataset) -> list[str]:
    """The columns of action units above 0 in some of up to `_LOOKED_AT` faces; empty for faces without action units."""
    chosen = torch.linspace(0, len(dataset) - 1, min(len(dataset), _LOOKED_AT)).long().tolist()
    units = dataset.faces(chosen).action_units
    if units is None:
        return []
    occur = (units.flatten(0, -2) > 0).any(0).tolist()
    return [name for name, occurs in zip(ACTION_UNIT_COLUMNS, occur, strict=True) if occurs]


def _silent(text: str) -> None:
    """A `log` that drops its lines."""


def _is_finished(path: Path) -> bool:
    """Whether the weights of a run have been written and are undamaged."""
    try:
        return bool(load_weights(path))
    except WeightsError:
        return False
