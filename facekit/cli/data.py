"""Commands for datasets, `facekit data ...`."""

from __future__ import annotations

import argparse
from pathlib import Path

from facekit.cli.arguments import UsageError, add, count, group
from facekit.workspace.folders import checkout


def add_data(commands) -> None:
    data = group(commands, "data", "check datasets, prepare photographs, render sheets of faces, measure the data card")
    add(data, "check", data_check)
    parser = add(data, "prepare", data_prepare)
    parser.add_argument("source", type=Path, help="folder of images")
    parser.add_argument("out", type=Path, help="output folder")
    parser.add_argument("--size", type=count, default=64, help="height and width in pixels (default 64)")
    parser.add_argument(
        "--several",
        default="largest",
        choices=("largest", "refuse"),
        help="of several faces keep the largest, or refuse the image",
    )
    parser.add_argument("--network", type=Path, metavar="FILE", help="ONNX network of 68 landmarks for the alignment")
    parser.add_argument("--workers", type=count, default=2, help="number of processes (default 2)")
    parser = add(data, "sheet", data_sheet)
    parser.add_argument("out", type=Path, help="image file to write: .png or .jpg")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--action-units", action="store_true", help="every action unit from zero to full intensity, instead of emotions"
    )
    shown.add_argument("--once", action="store_true", help="each person once, with one emotion")
    parser.add_argument(
        "--side",
        default="both",
        choices=("both", "left", "right"),
        help="side of the action units",
    )
    parser.add_argument("--people", type=count, help="how many (default 6; 1 with --action-units, 60 with --once)")
    parser.add_argument("--first", type=int, default=0, help="index of the first person in the test split (default 0)")
    parser.add_argument(
        "--size", type=count, help="height and width of a face in pixels (default 96; 128 with --action-units)"
    )
    parser.add_argument("--domain", default="photo", choices=("photo", "cartoon"))
    parser = add(data, "card", data_card)
    parser.add_argument("path", nargs="?", type=Path, help="Markdown file to write (default docs/data_card.md)")
    parser.add_argument("--judges", type=Path, metavar="FOLDER", help="ONNX judges (default: in the data folder)")
    parser.add_argument("--fer2013", type=Path, metavar="CSV", help="FER-2013 (default: in the data folder)")
    parser.add_argument(
        "--pairs", type=Path, metavar="ZIP", help="photographs, neutral and happy (default: in the data folder)"
    )
    parser.add_argument("--split", default="test", choices=("test", "valid"), help="split of the people (default test)")


def data_check(arguments: argparse.Namespace) -> int:
    """List the datasets that are present, and the sources of the others."""
    from facekit.datasets.check import check_data

    print(check_data())
    return 0


def data_prepare(arguments: argparse.Namespace) -> int:
    """Detect, align and crop the faces in a folder of images."""
    from facekit.datasets.prepare import prepare_folder

    if not arguments.source.is_dir():
        raise UsageError(f"{arguments.source} is not a folder")
    settings = {name: getattr(arguments, name) for name in ("size", "several", "network", "workers")}
    try:
        print(prepare_folder(arguments.source, arguments.out, **settings))
    except (FileNotFoundError, ValueError) as error:
        raise UsageError(str(error)) from None
    return 0


def data_sheet(arguments: argparse.Namespace) -> int:
    """Render a sheet of synthetic people: each with every emotion, with every action unit, or once."""
    from facekit.datasets import open_dataset
    from facekit.workspace.files import atomic_path

    draw, size, count = (_unit_sheet, 128, 1) if arguments.action_units else (_emotion_sheet, 96, 6)
    if arguments.once:
        draw, count = _people_sheet, 60
    size, count = arguments.size or size, arguments.people or count
    people = open_dataset("synthetic", "test", size=size, faces_per_person=1, domain=arguments.domain)
    rows = range(len(people))[arguments.first :][:count]
    if not rows:
        raise UsageError(f"--first {arguments.first} is out of range: there are {len(people)} people, counted from 0")
    sheet = draw(people, rows, arguments)
    with atomic_path(arguments.out) as draft:
        sheet.save(draft, quality=92)
    print(arguments.out)
    return 0


def _emotion_sheet(people, rows: range, arguments: argparse.Namespace):
    """People x emotions, each in the person's view of the dataset."""
    from functools import partial

    from facekit.show import faces_sheet

    return faces_sheet(partial(people.counterfactual, rows), size=people.size, full_color=True)


def _people_sheet(people, rows: range, arguments: argparse.Namespace):
    """Each person as in the dataset, ten per row."""
    from facekit.show import grid

    return grid(people.faces(rows), columns=min(10, len(rows)), size=people.size, full_color=True)


def _unit_sheet(people, rows: range, arguments: argparse.Namespace):
    """Action units x intensities, the columns of one person after another, all from the front."""
    from facekit.datasets.synthetic import Identity, View, render
    from facekit.faces.action_units import ACTION_UNITS, LETTERS
    from facekit.show import action_unit_sheet

    units = [unit for unit in ACTION_UNITS if unit.sided or arguments.side == "both"]
    place = {"left": 0, "right": 1}.get(arguments.side)
    codes = [unit.number if place is None else unit.columns[place] for unit in units]
    levels = (0.0, *LETTERS.values())
    persons = people.persons[list(rows)].repeat_interleave(len(levels)).repeat(len(units))

    def draw(expression):
        view = View.frontal(len(persons))
        return render(Identity.draw(persons), expression.action_units, view, people.size, domain=arguments.domain)

    named = [f"{unit.number} {unit.name}" for unit in units]
    return action_unit_sheet(draw, codes, levels * len(rows), rows=named, size=people.size, full_color=True)


def data_card(arguments: argparse.Namespace) -> int:
    """Measure how external networks perceive the synthetic faces, and write the data card."""
    from facekit.evaluation.data_card import External, measure, write_card

    path = arguments.path or checkout() / "docs" / "data_card.md"
    if path.suffix != ".md":
        raise UsageError(f"{path} must end in .md: the numbers are written beside it, in .json")
    try:
        external = External.open(arguments.judges, arguments.fer2013, arguments.pairs)
    except (FileNotFoundError, ValueError) as error:
        raise UsageError(str(error)) from None
    numbers = write_card(measure(external, arguments.split), path)
    print(f"{path}\n{numbers}")
    return 0
