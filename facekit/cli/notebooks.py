"""Commands that run notebooks."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from facekit.cli.arguments import Mistake, add, count, group, line
from facekit.workspace.folders import checkout, runs_home


def add_notebooks(commands) -> None:
    for name, command in (("run", run), ("batch", batch)):
        parser = add(commands, name, command)
        parser.add_argument(
            "--notebooks", nargs="+", default=[], metavar="NAME", help="such as 01 02; all unless named"
        )
        parser.add_argument("--jobs", type=count, default=2, help="runs at once (default 2)")
        parser.add_argument("--again", action="store_true", help="repeat what is done and unchanged")
        parser.add_argument("--dask", action="store_true", help="execute on a local Dask cluster")
        parser.add_argument("--scheduler", metavar="ADDRESS", help="execute on a Dask cluster, such as tcp://head:8786")
    parser.add_argument("plan", nargs="?", type=Path, help="a YAML file with the notebooks and parameters")
    parser.add_argument(
        "-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE,VALUE", help="a parameter's values"
    )
    parser.add_argument("--name", help="of the folder in runs/ (default: the plan's name, or batch)")
    add(commands, "lab", lab, passes_on=True)
    add(commands, "app", app, passes_on=True)
    student = add(commands, "student", student_copies)
    student.add_argument("names", nargs="*", help="such as 01; all unless named")
    student.add_argument("--out", type=Path, help="the folder (default: in runs/)")
    student.add_argument("--try", dest="tried", action="store_true", help="execute the students' copies, unsolved")
    notebooks = group(commands, "notebooks", "for their authors: execute them in place")
    add(notebooks, "execute", notebooks_execute).add_argument("names", nargs="*", help="such as 01; all unless named")


def run(arguments: argparse.Namespace) -> int:
    """Every notebook in the smoke profile, and a page that shows what happened."""
    from facekit.batch import Entry, find_notebooks

    entries = [Entry(tuple(find_notebooks(arguments.notebooks)), {"PROFILE": ["smoke"]})]
    return _batch("smoke", entries, arguments)


def batch(arguments: argparse.Namespace) -> int:
    """Notebooks x parameters from flags or a YAML file."""
    from facekit.batch import BadPlan, Entry, find_notebooks, read_grid, read_plan

    if arguments.plan and (arguments.notebooks or arguments.parameters):
        raise BadPlan("a plan in a file names its notebooks and parameters itself; leave out --notebooks and -p")
    if arguments.plan:
        name, entries = read_plan(arguments.plan)
    else:
        notebooks = tuple(find_notebooks(arguments.notebooks))
        name, entries = "batch", [Entry(notebooks, read_grid(arguments.parameters))]
    return _batch(arguments.name or name, entries, arguments)


def _batch(name: str, entries: Sequence, arguments: argparse.Namespace) -> int:
    from facekit.batch import plan_runs, run_batch

    if Path(name).name != name:
        raise Mistake(f"{name!r} cannot be a batch's name: it must do as the name of a folder")
    page, records = run_batch(
        runs_home() / name,
        plan_runs(entries),
        jobs=arguments.jobs,
        again=arguments.again,
        dask=arguments.dask,
        scheduler=arguments.scheduler,
        log=line,
    )
    print(page)
    return int(any(record.status != "done" for record in records))


def lab(arguments: argparse.Namespace) -> int:
    """JupyterLab in the notebooks' folder, on localhost alone."""
    offline = [  # JupyterLab asks its makers for news and updates otherwise
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    ]
    command = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", *offline, *arguments.rest]
    return subprocess.call(command, cwd=checkout() / "notebooks")


def app(arguments: argparse.Namespace) -> int:
    """The emotion sliders as a page without code, on localhost alone (Voila)."""
    from facekit.batch.notebooks import write_app

    page = write_app(runs_home() / "app" / "emotion_sliders.ipynb")
    command = [sys.executable, "-m", "voila", str(page), "--Voila.ip=127.0.0.1", *arguments.rest]
    return subprocess.call(command)


def student_copies(arguments: argparse.Namespace) -> int:
    """Students' copies of the notebooks, without solutions, and the instructor's."""
    from facekit.batch.course import STUDENT, broken_cells, write_copies
    from facekit.batch.notebooks import find_notebooks

    written = write_copies(find_notebooks(arguments.names), arguments.out or runs_home() / "course")
    for path in written:
        print(path)
    broken = 0
    for path in (path for path in written if arguments.tried and path.parent.name == STUDENT):
        cells = broken_cells(path)
        broken += bool(cells)
        print(f"{path.name}: " + (f"not as it should be: {', '.join(cells)}" if cells else "runs"), flush=True)
    return int(broken > 0)


def notebooks_execute(arguments: argparse.Namespace) -> int:
    """Execute notebooks in place, so that their outputs can be committed."""
    from facekit.batch.notebooks import execute_in_place, find_notebooks

    for path in find_notebooks(arguments.names):
        print(path, flush=True)
        execute_in_place(path)
    return 0
