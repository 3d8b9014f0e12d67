"""Plans a batch: notebooks x parameters, checked before anything starts, ordered by the notebooks' dependencies."""

from __future__ import annotations

import functools
import graphlib
import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

import facekit
from facekit.batch.notebooks import find_notebooks
from facekit.batch.parameters import BadPlan, Parameter, parameters_of
from facekit.workspace.files import sha256
from facekit.workspace.folders import checkout

# No result of a notebook depends on these, so a change in them repeats no run.
_WITHOUT_INFLUENCE = ("batch", "cli", "__main__.py")


@dataclass(frozen=True)
class Entry:
    """One grid of a plan: every notebook with every combination of the values."""

    notebooks: tuple[Path, ...]
    grid: Mapping[str, Sequence[object]] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One notebook with one set of parameters."""

    id: str  # the name of its folder: unique in a batch, and the same in every batch
    notebook: Path
    parameters: Mapping[str, object]
    needs: tuple[str, ...] = ()  # ids of the runs that must be done first
    digest: str = ""  # changes with the notebook's source, the parameters, the library, and the runs that it needs


def read_plan(path: Path, folder: Path | None = None) -> tuple[str, list[Entry]]:
    """The name and the entries of a plan in YAML. Raises `BadPlan`.

    ```yaml
    name: two-datasets
    runs:
      - notebooks: [1, 02_judges]        # default: all
        parameters: {PROFILE: smoke, DATASET: [synthetic, fer2013]}
    ```
    """
    try:
        plan = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadPlan(f"the plan {path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise BadPlan(f"the plan {path} is not YAML: {' '.join(str(error).split())}") from None
    _expect(plan, {"name", "runs"}, f"the plan {path}")
    if not isinstance(plan.get("runs"), list):
        raise BadPlan(f"the plan {path} has no list `runs`")
    entries = [_entry(item, f"run {i} of {path}", folder) for i, item in enumerate(plan["runs"], 1)]
    return str(plan.get("name", Path(path).stem)), entries


def _entry(item: object, where: str, folder: Path | None) -> Entry:
    _expect(item, {"notebooks", "parameters"}, where)
    names, values = item.get("notebooks", []), item.get("parameters", {})
    if not isinstance(values, dict):
        raise BadPlan(f"`parameters` in {where} must map names to values")
    grid = {name: value if isinstance(value, list) else [value] for name, value in values.items()}
    notebooks = find_notebooks(names if isinstance(names, list) else [names], folder)
    return Entry(tuple(notebooks), grid)


def _expect(item: object, names: set[str], where: str) -> None:
    if not isinstance(item, dict):
        raise BadPlan(f"{where} must be a mapping with {', '.join(sorted(names))}")
    if unknown := set(item) - names:
        raise BadPlan(f"{where} has {', '.join(map(repr, unknown))}; known are {', '.join(sorted(names))}")


@dataclass(frozen=True)
class _Notebook:
    """What planning needs to know of a notebook, read once."""

    path: Path
    parameters: Mapping[str, Parameter]
    needs: tuple[Path, ...]
    source: Sequence[tuple[str, str]]  # type and text of each cell, without outputs


def plan_runs(entries: Sequence[Entry]) -> list[Run]:
    """Every run of the entries, once, each after the runs that it needs, otherwise in the order of the file names.

    A notebook's metadata list the notebooks that it needs: `{"facekit": {"needs": ["02_judges"]}}`. Its run waits for
    those of their runs in the plan that have the same value of every parameter that was given to both.

    Raises `BadPlan` for a parameter that a notebook does not have, a value that it does not take, and needs that do
    not exist or are circular.
    """
    notebooks = {path: _read(path) for entry in entries for path in entry.notebooks}
    runs: dict[str, Run] = {}
    for entry in entries:
        for path, values in itertools.product(entry.notebooks, itertools.product(*entry.grid.values())):
            run = _run(notebooks[path], dict(zip(entry.grid, values, strict=True)))
            runs[run.id] = run
    if not runs:
        raise BadPlan("the plan contains no run")
    return _digested(_ordered(runs, notebooks), notebooks)


def _read(path: Path) -> _Notebook:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise BadPlan(f"{path} is not a notebook: its text is not JSON") from None
    needs = [path.with_name(f"{name}.ipynb") for name in content["metadata"].get("facekit", {}).get("needs", [])]
    if missing := [need.stem for need in needs if not need.is_file()]:
        raise BadPlan(f"{path.stem} needs {', '.join(missing)}, which is not beside it in {path.parent}")
    source = [(cell["cell_type"], "".join(cell["source"])) for cell in content["cells"]]
    return _Notebook(path, parameters_of(path), tuple(needs), source)


def _run(notebook: _Notebook, given: Mapping[str, object]) -> Run:
    name, known = notebook.path.stem, notebook.parameters
    if unknown := [parameter for parameter in given if parameter not in known]:
        has = f"it has {', '.join(known)}" if known else "it has no cell tagged `parameters`"
        raise BadPlan(f"{name} has no parameter {', '.join(unknown)}; {has}")
    try:
        parameters = {parameter: known[parameter].accept(value) for parameter, value in given.items()}
    except BadPlan as error:
        raise BadPlan(f"{name}: {error}") from None
    changed = {parameter: value for parameter, value in sorted(parameters.items()) if value != known[parameter].default}
    return Run(_run_id(name, changed), notebook.path, parameters)


def _run_id(stem: str, changed: Mapping[str, object]) -> str:
    """A folder's name from the notebook and the parameters that differ from its defaults.

    >>> _run_id("02_judges", {"DATASET": "fer2013", "SEED": 1})
    '02_judges--DATASET-fer2013--SEED-1'
    """
    exact = "--".join([stem, *(f"{name}-{value}" for name, value in changed.items())])
    plain = re.sub(r"[^\w.-]+", "_", exact)[:100]
    return plain if plain == exact else f"{plain}--{hashlib.sha256(exact.encode()).hexdigest()[:8]}"


def _ordered(runs: Mapping[str, Run], notebooks: Mapping[Path, _Notebook]) -> list[Run]:
    def needed(run: Run) -> tuple[str, ...]:
        wanted = notebooks[run.notebook].needs
        return tuple(other.id for other in runs.values() if other.notebook in wanted and _agree(run, other))

    sorter = graphlib.TopologicalSorter({run.id: needed(run) for run in runs.values()})
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        raise BadPlan(f"these notebooks need each other in a circle: {', '.join(error.args[1])}") from None
    order, ready = [], []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()])
        order.append(ready.pop(0))
        sorter.done(order[-1])
    return [replace(runs[id], needs=needed(runs[id])) for id in order]


def _agree(run: Run, other: Run) -> bool:
    both = set(run.parameters) & set(other.parameters)
    return all(run.parameters[name] == other.parameters[name] for name in both)


def _digested(runs: Sequence[Run], notebooks: Mapping[Path, _Notebook]) -> list[Run]:
    digests: dict[str, str] = {}
    for run in runs:  # in order, so that the digests of the needed runs are known
        inputs = [notebooks[run.notebook].source, run.parameters, [digests[id] for id in run.needs], library_digest()]
        digests[run.id] = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=repr).encode()).hexdigest()
    return [replace(run, digest=digests[run.id]) for run in runs]


@functools.cache
def library_digest() -> str:
    """A digest of the library that notebooks use: its version, its source files, and the shipped weights."""
    package = Path(facekit.__file__).parent
    sources = [
        path for path in sorted(package.rglob("*.py")) if path.relative_to(package).parts[0] not in _WITHOUT_INFLUENCE
    ]
    weights = sorted((checkout() / "data" / "weights").rglob("*.safetensors"))
    parts = [facekit.__version__, *(f"{path.name} {sha256(path)}" for path in (*sources, *weights))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
