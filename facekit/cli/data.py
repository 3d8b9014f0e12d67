"""Commands about datasets, `facekit data ...`."""

from __future__ import annotations

import argparse
from pathlib import Path

from facekit.cli.arguments import Mistake, add, count, group
from facekit.workspace.folders import checkout


def add_data(commands) -> None:
    data = group(commands, "data", "check which datasets are there, or prepare pictures of your own")
    add(data, "check", data_check)
    parser = add(data, "prepare", data_prepare)
    parser.add_argument("source", type=Path, help="folder of pictures")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--size", type=count, default=64, help="height and width in pixels (default 64)")
    parser.add_argument(
        "--several", default="largest", choices=("largest", "refuse"), help="where a picture has several faces"
    )
    parser.add_argument("--network", type=Path, metavar="FILE", help="an ONNX network of 68 landmarks to align by")
    parser.add_argument("--workers", type=count, default=2, help="processes (default 2)")
    parser = add(data, "sheet", data_sheet)
    parser.add_argument("out", type=Path, help="picture to write: .png or .jpg")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--action-units", action="store_true", help="every action unit from rest to full strength, in place of emotions"
    )
    shown.add_argument("--once", action="store_true", help="each person once, with an emotion as the dataset has it")
    parser.add_argument("--side", default="both", choices=("both", "left", "right"), help="which acts, of action units")
    parser.add_argument("--people", type=count, help="how many (default 6; 1 of action units, 60 each once)")
    parser.add_argument("--first", type=int, default=0, help="the first of the test split's people (default 0)")
    parser.add_argument(
        "--size", type=count, help="height and width of a face in pixels (default 96; 128 of action units)"
    )
    parser.add_argument("--domain", default="photo", choices=("photo", "cartoon"))
    parser = add(data, "card", data_card)
    parser.add_argument("path", nargs="?", type=Path, help="page to write (default docs/data_card.md)")
    parser.add_argument("--judges", type=Path, metavar="FOLDER", help="ONNX judges (default: judges, among the data)")
    parser.add_argument("--fer2013", type=Path, metavar="CSV", help="FER-2013 (default: fer2013, among the data)")
    parser.add_argument("--pairs", type=Path, metavar="ZIP", help="people neutral and happy (default: as fer2013)")
    parser.add_argument("--split", default="test", choices=("test", "valid"), help="of the drawn people (default test)")


def data_check(arguments: argparse.Namespace) -> int:
    """What is there of each dataset, and where the others come from."""
    from facekit.datasets.check import check_data

    print(check_data())
    return 0


def data_prepare(arguments: argparse.Namespace) -> int:
    """Detect, align and crop the faces of a folder."""
    from facekit.datasets.prepare import prepare_folder

    if not arguments.source.is_dir():
        raise Mistake(f"{arguments.source} is not a folder")
    settings = {name: getattr(arguments, name) for name in ("size", "several", "network", "workers")}
    try:
        print(prepare_folder(arguments.source, arguments.out, **settings))
    except (FileNotFoundError, ValueError) as error:
        raise Mistake(str(error)) from None
    return 0


def data_sheet(arguments: argparse.Namespace) -> int:
    """A picture of drawn people: each with every emotion, with every action unit from rest to its full strength, or
    once."""
    from facekit.datasets import open_dataset
    from facekit.workspace.files import atomic_path

    draw, size, count = (_unit_sheet, 128, 1) if arguments.action_units else (_emotion_sheet, 96, 6)
    if arguments.once:
        draw, count = _people_sheet, 60
    size, count = arguments.size or size, arguments.people or count
    people = open_dataset("synthetic", "test", size=size, faces_per_person=1, domain=arguments.domain)
    rows = range(len(people))[arguments.first :][:count]
    if not rows:
        raise Mistake(f"there are {len(people)} people, counted from 0; --first is {arguments.first}")
    sheet = draw(people, rows, arguments)
    with atomic_path(arguments.out) as draft:
        sheet.save(draft, quality=92)
    print(arguments.out)
    return 0


def _emotion_sheet(people, rows: range, arguments: argparse.Namespace):
    """People x emotions, each in the view that the dataset gives."""
    from functools import partial

    from facekit.show import faces_sheet

    return faces_sheet(partial(people.counterfactual, rows), size=people.size, full_color=True)


def _people_sheet(people, rows: range, arguments: argparse.Namespace):
    """Each person as the dataset shows them, ten to a row."""
    from facekit.show import grid

    return grid(people.faces(rows), columns=min(10, len(rows)), size=people.size, full_color=True)


def _unit_sheet(people, rows: range, arguments: argparse.Namespace):
    """Action units x strength, one person's columns after another's, all from the front."""
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
    """Measure what outside networks make of the drawn faces, and write the data card."""
    from facekit.evaluation.data_card import Outside, measure, write_card

    path = arguments.path or checkout() / "docs" / "data_card.md"
    if path.suffix != ".md":
        raise Mistake(f"{path} must end in .md: the numbers go beside it, in .json")
    try:
        outside = Outside.open(arguments.judges, arguments.fer2013, arguments.pairs)
    except (FileNotFoundError, ValueError) as error:
        raise Mistake(str(error)) from None
    numbers = write_card(measure(outside, arguments.split), path)
    print(f"{path}\n{numbers}")
    return 0
