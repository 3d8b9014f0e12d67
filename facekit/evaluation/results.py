"""The page of results, made from the numbers in `data/results` and `data/experiments`, so that the two cannot differ.

Each table is a JSON file:

    commands  what computes it
    note      how many faces, on which machine, and whatever else a reader must know
    columns   by the name of a measure, its `heading` and its `form`, one of `FORMS`
    rows      each with a `label`, the `method` by which a leaderboard names it, and `values` by measure: a number, a
              list of estimate, low and high, or None where there is nothing to measure
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from facekit.evaluation.experiments import COMPARED, over_seeds, recorded_runs
from facekit.workspace.files import read_json, write_json, write_text
from facekit.workspace.folders import checkout, shipped
from facekit.workspace.templates import rendered

FORMS: dict[str, Callable[[float], str]] = {
    "percent": lambda value: f"{100 * value:.0f} %",
    "percent1": lambda value: f"{100 * value:.1f} %",
    "number2": "{:.2f}".format,
    "number3": "{:.3f}".format,
    "number4": "{:.4f}".format,
    "count": "{:,.0f}".format,
    "seconds": "{:.0f} s".format,
    "milliseconds": "{:.0f} ms".format,
}
"""How a value is printed."""

_EXPERIMENT_FORMS = {
    "edit_success": ("edit success rate", "percent"),
    "accuracy": ("target-emotion accuracy", "percent"),
    "identity_preserved": ("identity preserved", "percent"),
    "relative_error": ("relative error", "number2"),
    "fid": ("FID", "number2"),
}
_IN_README = ("<!-- results -->", "<!-- end of results -->")


class BadResults(ValueError):
    """A table of results, or a leaderboard to record in it, that cannot be used. The message says why."""


def results_home() -> Path:
    """The folder of the tables."""
    return shipped() / "data" / "results"


def read_table(name: str) -> dict[str, object]:
    """A table of `data/results` by name. Raises `BadResults` where there is none."""
    path = results_home() / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in results_home().glob("*.json")))
        raise BadResults(f"there is no table {name!r} in {results_home()}; known are {known}")
    return read_json(path)


def record(name: str, leaderboard: Path) -> Path:
    """Put the numbers of a leaderboard (`leaderboard.csv`, as `facekit evaluate` writes it) into a table's rows.

    A row takes the numbers of the method that it names; rows whose method the leaderboard does not have are left as
    they are. Returns the path of the table. Raises `BadResults` where there is no such file, no row
    matches, or a measure is missing.
    """
    table = read_table(name)
    if not leaderboard.is_file():
        raise BadResults(f"there is no file {leaderboard}: `facekit evaluate` prints the path of its leaderboard.csv")
    measured = pd.read_csv(leaderboard).set_index("name")
    known = [row for row in table["rows"] if row["method"] in measured.index]
    if not known:
        raise BadResults(f"{leaderboard} has no method of the table {name!r}: it has {', '.join(measured.index)}")
    if missing := sorted(set(table["columns"]) - set(measured)):
        raise BadResults(f"{leaderboard} has no column {', '.join(missing)}")
    for row in known:
        numbers = measured.loc[row["method"]]
        row["values"] = {measure: _measured(numbers, measure) for measure in table["columns"]}
    path = results_home() / f"{name}.json"
    write_json(path, table)
    return path


def _measured(numbers: pd.Series, measure: str) -> float | list[float] | None:
    columns = [measure, f"{measure}_low", f"{measure}_high"]
    if pd.isna(numbers[measure]):
        return None
    values = [float(numbers[column]) for column in columns if column in numbers.index]
    return values[0] if len(values) == 1 or values[0] == values[1] == values[2] else values


def write_results(root: Path | None = None) -> list[Path]:
    """Write `docs/results.md`, and the README's table between its two marks. Returns the paths of both files.

    root  the folder that holds `docs` and README.md, by default the checkout
    """
    root = root or checkout()
    page, readme = root / "docs" / "results.md", root / "README.md"
    write_text(page, results_page())
    text = readme.read_text(encoding="utf-8")
    start, end = (text.index(mark) for mark in _IN_README)
    write_text(readme, text[: start + len(_IN_README[0])] + f"\n{table_text('readme')}\n" + text[end:])
    return [page, readme]


def results_page() -> str:
    """`docs/results.md` as Markdown."""
    return rendered(
        "evaluation/results.md.j2", {}, table=table_text, commands=_commands, note=_note, experiment=_experiment
    )


def table_text(name: str) -> str:
    """A table of `data/results` as Markdown. `readme` is the five most telling rows of `generators`."""
    if name == "readme":
        table = read_table("generators")
        table["rows"] = [row for row in table["rows"] if row.get("readme")]
    else:
        table = read_table(name)
    forms = {measure: FORMS[column["form"]] for measure, column in table["columns"].items()}
    rows = [[row["label"], *(_cell(row["values"].get(measure), form) for measure, form in forms.items())]
            for row in table["rows"]]  # fmt: skip
    return _markdown(["", *(column["heading"] for column in table["columns"].values())], rows)


def _cell(value: float | Sequence[float] | None, form: Callable[[float], str]) -> str:
    if value is None:
        return "–"
    if isinstance(value, Sequence):
        estimate, low, high = map(form, value)
        return f"{estimate} ({low.removesuffix(' %')} to {high.removesuffix(' %')})"
    return form(value)


def _markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _commands(name: str) -> str:
    return "\n".join(["```", *read_table(name)["commands"], "```"])


def _note(name: str) -> str:
    return read_table(name)["note"]


def _experiment(name: str) -> str:
    """The table of an experiment in `data/experiments`: each mean, with the least and the most over seeds."""
    table = over_seeds(recorded_runs(name))
    shown = [measure for measure in _EXPERIMENT_FORMS if measure in COMPARED and measure in table]
    rows = []
    for row in table.to_dict("records"):
        cells = [_over_seeds(row, measure, FORMS[_EXPERIMENT_FORMS[measure][1]]) for measure in shown]
        rows.append([row["variant"], *cells])
    return _markdown(["variant", *(_EXPERIMENT_FORMS[measure][0] for measure in shown)], rows)


def _over_seeds(row: Mapping[str, object], measure: str, form: Callable[[float], str]) -> str:
    mean, least, most = (row[f"{measure}{suffix}"] for suffix in ("", "_min", "_max"))
    return form(mean) if row["runs"] == 1 else _cell([mean, least, most], form)
