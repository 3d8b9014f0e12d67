"""Commands that execute notebooks."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from facekit.cli.arguments import UsageError, add, count, group, print_line
from facekit.workspace.folders import checkout, runs_home


def add_notebooks(commands) -> None:
    for name, command in (("run", run), ("batch", batch)):
        parser = add(commands, name, command)
        parser.add_argument("--notebooks", nargs="+", default=[], metavar="NAME", help="such as 01 02 (default: all)")
        parser.add_argument("--jobs", type=count, default=2, help="runs at once (default 2)")
        parser.add_argument("--again", action="store_true", help="repeat finished, unchanged runs")
        parser.add_argument("--dask", action="store_true", help="execute on a local Dask cluster")
        parser.add_argument("--scheduler", metavar="ADDRESS", help="execute on a Dask cluster, such as tcp://head:8786")
    parser.add_argument("plan", nargs="?", type=Path, help="a YAML file with the notebooks and parameters")
    parser.add_argument(
        "-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE,VALUE", help="a parameter's values"
    )
    parser.add_argument("--name", help="name of the folder in runs/ (default: the plan's name, or batch)")
    add(commands, "lab", lab, forwards=True)
    student = add(commands, "student", student_copies)
    student.add_argument("names", nargs="*", help="such as 01 (default: all)")
    student.add_argument("--out", type=Path, help="output folder (default: runs/course)")
    student.add_argument(
        "--try", dest="execute", action="store_true", help="also execute the students' copies, unsolved"
    )
    slides_parser = add(commands, "slides", slides)
    slides_parser.add_argument("names", nargs="*", help="such as 01 (default: all)")
    slides_parser.add_argument("--out", type=Path, help="output folder (default: runs/slides)")
    add(commands, "course", course).add_argument("folder", type=Path, metavar="DIR", help="a new folder")
    notebooks = group(commands, "notebooks", "for authors: execute notebooks in place, or record how long they take")
    add(notebooks, "seconds", notebooks_seconds, in_checkout=True)
    add(notebooks, "execute", notebooks_execute).add_argument("names", nargs="*", help="such as 01 (default: all)")


def run(arguments: argparse.Namespace) -> int:
    """Execute every notebook in the smoke profile, and write a page of results."""
    from facekit.batch import Entry, find_notebooks

    entries = [Entry(tuple(find_notebooks(arguments.notebooks)), {"PROFILE": ["smoke"]})]
    return _batch("smoke", entries, arguments)


def batch(arguments: argparse.Namespace) -> int:
    """Execute notebooks x parameters, from options or a YAML file."""
    from facekit.batch import BadPlan, Entry, find_notebooks, read_grid, read_plan

    if arguments.plan and (arguments.notebooks or arguments.parameters):
        raise BadPlan("a plan file already names notebooks and parameters; leave out --notebooks and -p")
    if arguments.plan:
        name, entries = read_plan(arguments.plan)
    else:
        notebooks = tuple(find_notebooks(arguments.notebooks))
        name, entries = "batch", [Entry(notebooks, read_grid(arguments.parameters))]
    return _batch(arguments.name or name, entries, arguments)


def _batch(name: str, entries: Sequence, arguments: argparse.Namespace) -> int:
    from facekit.batch import plan_runs, run_batch

    if Path(name).name != name:
        raise UsageError(f"{name!r} is not a valid name of a batch: it must be the name of a folder")
    page, records = run_batch(
        runs_home() / name,
        plan_runs(entries),
        jobs=arguments.jobs,
        again=arguments.again,
        dask=arguments.dask,
        scheduler=arguments.scheduler,
        log=print_line,
    )
    print(page)
    return int(any(record.status != "done" for record in records))


def lab(arguments: argparse.Namespace) -> int:
    """Start JupyterLab in the notebooks' folder, on localhost only."""
    offline = [  # otherwise JupyterLab contacts its developers' server for news and updates
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    ]
    command = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", *offline, *arguments.rest]
    return subprocess.call(command, cwd=checkout() / "notebooks")


def student_copies(arguments: argparse.Namespace) -> int:
    """Write students' copies of the notebooks, without solutions, the instructor's, and a course for nbgrader."""
    from facekit.batch.course import STUDENT, broken_cells, write_copies
    from facekit.batch.notebooks import find_notebooks

    written = write_copies(find_notebooks(arguments.names), arguments.out or runs_home() / "course")
    for path in written:
        print(path)
    broken = 0
    for path in (path for path in written if arguments.execute and path.parent.name == STUDENT):
        cells = broken_cells(path)
        broken += bool(cells)
        print(
            f"{path.name}: " + (f"unexpected result in {', '.join(cells)}" if cells else "runs as expected"), flush=True
        )
    return int(broken > 0)


def slides(arguments: argparse.Namespace) -> int:
    """Write a deck of slides (reveal.js) for each notebook, which needs no network."""
    from facekit.batch.notebooks import find_notebooks
    from facekit.batch.slides import write_decks

    for path in write_decks(find_notebooks(arguments.names), arguments.out or runs_home() / "slides"):
        print(path)
    return 0


def course(arguments: argparse.Namespace) -> int:
    """Write the notebooks and a Makefile into a folder, where facekit was installed without a checkout."""
    from facekit.batch.course import write_course

    try:
        written = write_course(arguments.folder)
    except FileExistsError as error:
        raise UsageError(str(error)) from None
    print(f"{len(written) - 1} notebooks in {arguments.folder}: open them there with `python -m facekit lab`")
    return 0


def notebooks_seconds(arguments: argparse.Namespace) -> int:
    """Record how long each notebook of the last `facekit run` took, for its order and its estimates."""
    from facekit.batch.progress import SECONDS, keep_seconds

    for name, seconds in keep_seconds(runs_home() / "smoke").items():
        print(f"{name:<30} {seconds:>4} s")
    print(SECONDS)
    return 0


def notebooks_execute(arguments: argparse.Namespace) -> int:
    """Execute notebooks in place, so that their outputs can be committed."""
    from facekit.batch.notebooks import execute_in_place, find_notebooks

    for path in find_notebooks(arguments.names):
        print(path, flush=True)
        execute_in_place(path)
    return 0
