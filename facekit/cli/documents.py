"""Commands that write documents from numbers, weights and synthetic faces, and that build the site."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

from facekit.cli.arguments import UsageError, add, count
from facekit.workspace.folders import checkout, runs_home


def add_documents(commands) -> None:
    parser = add(commands, "results", results, in_checkout=True)
    parser.add_argument(
        "--record",
        nargs=2,
        metavar=("TABLE", "CSV"),
        help="first put the numbers of a leaderboard.csv into a table of data/results",
    )
    parser = add(commands, "edits", edits)
    parser.add_argument("out", type=Path, help="the animation (.webp, .gif) or sheet (.png) to write")
    parser.add_argument("--generator", help="name or path of its weights (default: those of the studio)")
    parser.add_argument("--data", default="synthetic", help="of a sheet: a dataset of faces (default synthetic)")
    parser.add_argument("--people", type=count, help="how many (default 6, or 20 on a sheet)")
    parser.add_argument("--first", type=int, default=40, help="the first of the test split's people (default 40)")
    add(commands, "weights-cards", weights_cards, in_checkout=True)
    parser = add(commands, "docs", docs, in_checkout=True)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="output folder (default runs/docs)")


def results(arguments: argparse.Namespace) -> int:
    """Write docs/results.md and the README's table from data/results and data/experiments."""
    from facekit.evaluation.results import record, write_results

    if arguments.record:
        table, leaderboard = arguments.record
        print(record(table, Path(leaderboard)))
    for path in write_results():
        print(path)
    return 0


def edits(arguments: argparse.Namespace) -> int:
    """Write faces edited to every emotion: an animation of drawn people, or a sheet at four times their size."""
    from facekit.evaluation.benchmark import benchmark_for
    from facekit.models.load import load_system
    from facekit.show.catalogue import DEFAULT
    from facekit.show.edits import edit_animation, edit_sheet
    from facekit.workspace.files import atomic_path

    generator, first = load_system(arguments.generator or DEFAULT), arguments.first
    if arguments.out.suffix.lower() == ".png":
        benchmark = benchmark_for(arguments.data, None, generator.preset.size, generator.channels)
        if not 0 <= first < len(benchmark.faces):
            raise UsageError(f"--first is {first}; the people of {arguments.data} are 0 to {len(benchmark.faces) - 1}")
        sheet = edit_sheet(generator, benchmark, arguments.people or 20, first=first)
        with atomic_path(arguments.out) as draft:
            sheet.save(draft, "PNG")
    elif arguments.data == "synthetic":
        edit_animation(generator, arguments.people or 6, first=first).save(arguments.out, quality=80)
    else:
        raise UsageError("an animation shows drawn people only: leave --data out, or write a sheet (.png)")
    print(arguments.out)
    return 0


def weights_cards(arguments: argparse.Namespace) -> int:
    """Write docs/model_cards.md from the cards of the weights that ship."""
    from facekit.evaluation.model_cards import page
    from facekit.workspace.files import write_text

    path = checkout() / "docs" / "model_cards.md"
    write_text(path, page())
    print(path)
    return 0


def docs(arguments: argparse.Namespace) -> int:
    """Build the documentation as a site of HTML pages, with warnings as errors (Sphinx)."""
    if importlib.util.find_spec("sphinx") is None:
        raise UsageError("the site is built by Sphinx, which is not installed: pip install -e '.[dev]'")
    out = arguments.out or runs_home() / "docs"
    options = ["-W", "--keep-going", "-q", "-b", "html", "-c", str(checkout() / "docs")]
    status = subprocess.call([sys.executable, "-m", "sphinx", *options, str(checkout()), str(out)], cwd=checkout())
    if status == 0:
        print(out / "docs" / "index.html")
    return int(status != 0)
