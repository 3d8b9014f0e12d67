"""One HTML page for a batch: failed runs first, and of each run the figures, metrics, time and log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import jinja2

from facekit.batch.equations import with_mathml
from facekit.batch.run import Record, executed_notebook, log_tail
from facekit.workspace import hardware
from facekit.workspace.files import read_json, write_text

_MAX_FIGURES = 12  # of a run
_LOG_TAIL = 20  # lines
_ABOUT = (
    "A course on generating and editing facial expressions. It uses synthetic faces, so that the ground truth of every "
    "edit is known. Each card is a notebook; its figures, metrics and log follow below."
)
_LEADERBOARD = "leaderboard"  # the metric under which a notebook publishes a table: method -> measure -> number
_ORDER = ("failed", "skipped", "done")

# nbconvert's template without the parts that load something from the network.
_NOTEBOOK_TEMPLATE = """{% extends 'lab/index.html.j2' %}
{% block html_head_js_requirejs %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
"""


def write_page(folder: Path, records: Iterable[Record], total: int) -> Path:
    """Write `index.html` for the finished runs of `total`, and each run's notebook as HTML beside it.

    The page embeds its images and styles. Returns its path.
    """
    records = sorted(records, key=lambda record: (_ORDER.index(record.status), record.id))
    environment = jinja2.Environment(loader=jinja2.PackageLoader("facekit.batch", "."), autoescape=True)
    environment.filters["number"] = _number
    html = environment.get_template("page.html.j2").render(
        title=folder.name,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        runs=[_run_context(record, folder) for record in records],
        counts={status: sum(record.status == status for record in records) for status in _ORDER},
        total=total,
        about=_ABOUT,
        leaderboards=_leaderboards(records, folder),
        comparisons=_comparisons(records, folder),
        machine=hardware.describe(),
    )
    write_text(folder / "index.html", html)
    return folder / "index.html"


def _run_context(record: Record, folder: Path) -> Mapping[str, object]:
    run_folder = folder / record.id
    notebook = executed_notebook(run_folder)
    return {
        "record": record,
        **(_opening(notebook) if notebook else {}),
        "figures": _evenly(_figures(notebook), _MAX_FIGURES) if notebook else [],
        "metrics": flat({name: value for name, value in _metrics(run_folder).items() if name != _LEADERBOARD}),
        "log": log_tail(run_folder, _LOG_TAIL),
        "html": _notebook_html(run_folder, notebook) if notebook else None,
    }


def _opening(notebook) -> Mapping[str, str]:
    """A notebook's title, cover image and first paragraph, as far as it has them."""
    cell = notebook.cells[0] if notebook.cells else None
    if cell is None or cell.cell_type != "markdown":
        return {}
    blocks = [block.strip() for block in cell.source.split("\n\n")]
    titles = [block.removeprefix("# ") for block in blocks if block.startswith("# ")]
    leads = [block for block in blocks if not block.startswith(("#", "!", "**", "1.", "*"))]
    cover = next(iter(cell.get("attachments", {}).values()), {}).get("image/png")
    plain = leads[0].replace("*", "").replace("`", "") if leads else ""
    return {"title": titles[0] if titles else "", "lead": plain, "cover": cover}


def _leaderboards(records: Sequence[Record], folder: Path) -> list[Mapping[str, object]]:
    """The leaderboards published by runs, with their columns."""
    boards = []
    for record in records:
        rows = _metrics(folder / record.id).get(_LEADERBOARD)
        if isinstance(rows, Mapping) and rows:
            heads = list(dict.fromkeys(name for row in rows.values() for name in row))
            cells = {name: [row.get(head, "") for head in heads] for name, row in rows.items()}
            boards.append({"run": record.id, "heads": heads, "rows": cells})
    return boards


def _metrics(run_folder: Path) -> Mapping[str, object]:
    path = run_folder / "metrics.json"
    try:
        metrics = read_json(path) if path.exists() else {}
    except ValueError as error:
        return {path.name: f"not valid JSON: {error}"}
    return metrics if isinstance(metrics, dict) else {path.name: metrics}


def flat(metrics: Mapping[str, object], above: str = "") -> dict[str, object]:
    """Nested metrics as a flat mapping.

    >>> flat({"accuracy": 0.9, "f1": {"happy": 1.0}})
    {'accuracy': 0.9, 'f1 / happy': 1.0}
    """
    found: dict[str, object] = {}
    for name, value in metrics.items():
        found |= flat(value, f"{above}{name} / ") if isinstance(value, Mapping) else {f"{above}{name}": value}
    return found


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _figures(notebook) -> list[Mapping[str, str]]:
    """Each PNG in the notebook's outputs, with the last heading above it."""
    found, heading = [], ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            titles = [line.lstrip("# ") for line in cell.source.splitlines() if line.startswith("#")]
            heading = titles[-1] if titles else heading
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                found.append({"heading": heading, "png": "".join(png.split())})
    return found


def _evenly(items: Sequence, most: int) -> list:
    """At most `most` of the items, at even distances from the first to the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _comparisons(records: Sequence[Record], folder: Path) -> list[Mapping[str, object]]:
    """For each notebook with several runs: their metrics side by side."""
    done = sorted((record for record in records if record.status == "done"), key=lambda record: record.id)
    tables = []
    for notebook, group in groupby(done, key=lambda record: record.notebook):
        columns = {record.id: flat(_metrics(folder / record.id)) for record in group}
        names = list(dict.fromkeys(name for metrics in columns.values() for name in metrics))
        if len(columns) > 1 and names:
            rows = {name: [metrics.get(name, "") for metrics in columns.values()] for name in names}
            heads = [id.removeprefix(notebook).strip("-") or "defaults" for id in columns]
            tables.append({"notebook": notebook, "heads": heads, "rows": rows})
    return tables


def _notebook_html(run_folder: Path, notebook) -> str:
    """The relative path of the executed notebook as an HTML page, which is written once for each execution."""
    source, target = run_folder / "notebook.ipynb", run_folder / "notebook.html"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        from nbconvert import HTMLExporter

        exporter = HTMLExporter(raw_template=_NOTEBOOK_TEMPLATE, sanitize_html=False)
        html, _ = exporter.from_notebook_node(with_mathml(notebook), {"metadata": {"name": run_folder.name}})
        write_text(target, html)
    return f"{run_folder.name}/{target.name}"
