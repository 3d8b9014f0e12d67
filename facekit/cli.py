"""The command line: each command is a thin call of one room. What is slow to import is imported inside its command."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import facekit
from facekit.runs import checkout, runs_home

# Errors that a person at the command line can put right, which need no traceback; by name, so that nothing slow is
# imported to tell them.
MISTAKES = (
    "facekit.cli:Mistake",
    "facekit.batch.parameters:BadPlan",
    "facekit.batch.run:ClusterMissing",
    "facekit.batch.notebooks:UnknownNotebook",
    "facekit.datasets.base:DatasetMissing",
    "facekit.datasets.sources:UnusableData",
    "facekit.evaluation.protocol.exam:CannotEvaluate",
    "facekit.training.config:ConfigDiffers",
    "facekit.weights:WeightsError",
)


class Mistake(ValueError):
    """Something in the command that its author can put right. The message says what."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 where it did its work, 1 where the work failed, 2 where the command was wrong."""
    arguments, rest = _parser().parse_known_args(argv)
    if rest and not arguments.passes_on:
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    try:
        return arguments.command(arguments) or 0
    except KeyboardInterrupt:
        print("facekit: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if not any(f"{kind.__module__}:{kind.__name__}" in MISTAKES for kind in type(error).__mro__):
            raise
        print(f"facekit: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


# --------------------------------------------------------------------------------------------------- commands


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
        tell=_line,
    )
    print(page)
    return int(any(record.status != "done" for record in records))


def train(arguments: argparse.Namespace) -> int:
    """Train one system; the same call again goes on where it stopped."""
    from facekit.training.machine import part_processes
    from facekit.training.run import train as train_system

    overrides = dict(map(_assignment, arguments.set))
    _check_training(arguments, overrides)
    written = train_system(
        arguments.system,
        profile=arguments.profile,
        data=arguments.data,
        out=arguments.out or runs_home() / f"{arguments.system}-{arguments.data}-{arguments.profile}",
        seed=arguments.seed,
        overrides=overrides,
        minutes=arguments.minutes,
        from_nothing=arguments.from_nothing,
    )
    part_processes()
    print(written or "stopped when the time was over; the same command goes on")
    return 0


def _line(text: str) -> None:
    """A line that is seen at once, also where output goes to a file."""
    print(text, flush=True)


def _assignment(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals:
        raise Mistake(f"{text!r} is not of the form FIELD=value")
    return field.strip(), value.strip()


def _check_training(arguments: argparse.Namespace, overrides: dict[str, str]) -> None:
    """Raise `Mistake` for a name or value that does not exist: later, the same error would be a fault of ours."""
    from facekit.datasets.base import dataset_class
    from facekit.models.system import system_class
    from facekit.training.overrides import checked
    from facekit.training.profiles import Profile, profile_named

    try:
        presets = system_class(arguments.system).presets
        _known(profile_named(arguments.profile).name, presets, f"profile of {arguments.system}")
        kinds = {"": type(presets[arguments.profile]), "profile": Profile, "data": dataset_class(arguments.data)}
        for name, value in overrides.items():
            part, _, field = name.rpartition(".")
            _known(part, kinds, f"part of a run in {name}")
            checked(kinds[part], {field: value})
    except ValueError as error:
        raise Mistake(str(error)) from None


def _known(name: str, names: Collection[str], kind: str) -> None:
    if name not in names:
        raise Mistake(f"{name!r} is no {kind}; known are {', '.join(filter(None, names))}")


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
    from facekit.files import atomic_path

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
    from facekit.emotions import ACTION_UNITS, LETTERS
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
    from facekit.card import Outside, measure, write_card

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


def few_steps(arguments: argparse.Namespace) -> int:
    """Whether a diffusion model draws as well in 20 steps of DPM-Solver++ as in all of ancestral sampling."""
    from facekit.datasets import open_dataset
    from facekit.evaluation.few_steps import BLOCK, compare
    from facekit.evaluation.judges import EmotionJudge
    from facekit.models.diffusion import DiffusionGenerator
    from facekit.models.load import load_system

    generator = load_system(arguments.name)
    if not isinstance(generator, DiffusionGenerator):
        raise Mistake(f"{arguments.name} is {generator.name}, which does not draw from noise: give a diffusion model's")
    if arguments.pictures < 2 * BLOCK:
        raise Mistake(f"an interval needs {2 * BLOCK} pictures at least, not {arguments.pictures}")
    options = {"size": generator.preset.size, "channels": generator.channels, "faces_per_person": 2}
    held_out = open_dataset("synthetic", "test", people=arguments.pictures, **options)
    out = runs_home() / "few-steps" / f"{generator.name}-{generator.card.sha256[:12]}"
    print(compare(generator, held_out, EmotionJudge.load("emotion_resnet-synthetic"), out, tell=_line))
    return 0


def bench(arguments: argparse.Namespace) -> int:
    """How fast this machine draws, loads and trains."""
    from facekit.bench import measure, table
    from facekit.files import write_json

    results = measure()
    write_json(runs_home() / "bench.json", results)
    print(table(results))
    print(runs_home() / "bench.json")
    return 0


def weights(arguments: argparse.Namespace) -> int:
    """Train again what ships in data/weights."""
    from facekit.shipped import SHIPPED, retrain

    names = arguments.names or list(SHIPPED)
    for name in names:
        _known(name, SHIPPED, "set of weights that ships")
    for name in names:
        print(retrain(name))
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Measure generators, and what they are compared with, by one protocol."""
    from facekit.evaluation.protocol import evaluate_weights, to_text

    out = arguments.out or runs_home() / "evaluation"
    tables = evaluate_weights(
        arguments.names,
        out,
        panel=_judges_of(arguments),
        data=arguments.data,
        faces=arguments.faces,
        intensities=arguments.intensities,
        again=arguments.again,
        tell=_line,
    )
    for exam, table in tables.items():
        print(f"\n{exam}\n{to_text(table)}\n{out / exam / 'leaderboard.csv'}")
    return 0


def _judges_of(arguments: argparse.Namespace):
    """The judges that know the faces of the data asked for, those in `--judges` among them."""
    from facekit.datasets.base import DATASETS
    from facekit.evaluation.protocol import Panel

    _known(arguments.data, [name for name in DATASETS if name != "synthetic_pairs"], "dataset whose faces are edited")
    try:
        return Panel.load(arguments.judges, photographs=arguments.data != "synthetic")
    except FileNotFoundError as error:
        raise Mistake(str(error)) from None


def experiment(arguments: argparse.Namespace) -> int:
    """Train the variants of a paper's comparison, all for as many steps, and measure them; it can be interrupted."""
    from facekit.experiments import EXPERIMENTS, run_experiment, to_text

    _known(arguments.name, EXPERIMENTS, "experiment")
    arguments.system = EXPERIMENTS[arguments.name].system
    overrides = dict(map(_assignment, arguments.set))
    _check_training(arguments, overrides)
    out = arguments.out or runs_home() / f"{arguments.name}-{arguments.data}-{arguments.profile}"
    table = run_experiment(
        arguments.name,
        out,
        panel=_judges_of(arguments),
        profile=arguments.profile,
        data=arguments.data,
        seeds=arguments.seeds,
        faces=arguments.faces,
        overrides=overrides,
        tell=_line,
    )
    print(f"\n{to_text(table)}\n{out / 'table.csv'}")
    return 0


def lab(arguments: argparse.Namespace) -> int:
    """JupyterLab in the notebooks' folder, on localhost alone."""
    offline = [  # JupyterLab asks its makers for news and updates otherwise
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    ]
    command = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", *offline, *arguments.rest]
    return subprocess.call(command, cwd=checkout() / "notebooks")


def notebooks_execute(arguments: argparse.Namespace) -> int:
    """Execute notebooks in place, so that their outputs can be committed."""
    from facekit.batch.notebooks import execute_in_place, find_notebooks

    for path in find_notebooks(arguments.names):
        print(path, flush=True)
        execute_in_place(path)
    return 0


def lint(arguments: argparse.Namespace) -> int:
    """Check rules and format."""
    from facekit import develop

    return develop.lint()


def all_tests(arguments: argparse.Namespace) -> int:
    """Lint, and all tests; further arguments are pytest's."""
    from facekit import develop

    return develop.all_tests(arguments.rest)


def pin(arguments: argparse.Namespace) -> int:
    """Write requirements.txt from the versions installed here."""
    from facekit import develop

    develop.pin()
    return 0


def version(arguments: argparse.Namespace) -> int:
    """The version of facekit, of what it stands on, and the machine."""
    from facekit.machine import describe

    print("\n".join(f"{name:<10} {value}" for name, value in describe().items()))
    return 0


# --------------------------------------------------------------------------------------------------- arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="facekit", description=facekit.__doc__.splitlines()[0])
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_batches(commands)
    _add_training(commands)
    _add_data(commands)
    _add(commands, "lab", lab, passes_on=True)
    _add(commands, "version", version)
    notebooks = _group(commands, "notebooks", "for their authors: execute them in place")
    _add(notebooks, "execute", notebooks_execute).add_argument("names", nargs="*", help="such as 01; all unless named")
    _add(commands, "lint", lint)
    _add(commands, "test", all_tests, passes_on=True)
    _add(commands, "pin", pin)
    return parser


def _add(commands, name: str, command, passes_on: bool = False) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=command.__doc__.splitlines()[0], description=command.__doc__)
    parser.set_defaults(command=command, passes_on=passes_on)
    return parser


def _group(commands, name: str, text: str):
    return commands.add_parser(name, help=text).add_subparsers(metavar="COMMAND", required=True)


def _add_batches(commands) -> None:
    for name, command in (("run", run), ("batch", batch)):
        parser = _add(commands, name, command)
        parser.add_argument(
            "--notebooks", nargs="+", default=[], metavar="NAME", help="such as 01 02; all unless named"
        )
        parser.add_argument("--jobs", type=_count, default=2, help="runs at once (default 2)")
        parser.add_argument("--again", action="store_true", help="repeat what is done and unchanged")
        parser.add_argument("--dask", action="store_true", help="execute on a local Dask cluster")
        parser.add_argument("--scheduler", metavar="ADDRESS", help="execute on a Dask cluster, such as tcp://head:8786")
    parser.add_argument("plan", nargs="?", type=Path, help="a YAML file with the notebooks and parameters")
    parser.add_argument(
        "-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE,VALUE", help="a parameter's values"
    )
    parser.add_argument("--name", help="of the folder in runs/ (default: the plan's name, or batch)")


def _add_training(commands) -> None:
    parser = _add(commands, "train", train)
    parser.add_argument("system", help="such as emotion_resnet")
    _add_run(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="stop with a checkpoint when this time is over")
    parser.add_argument(
        "--from-nothing",
        action="store_true",
        help="train what it stands on first, on the same data, in the same folder",
    )
    parser = _add(commands, "evaluate", evaluate)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of weights; the reference rows alone unless named")
    parser.add_argument("--data", default="synthetic", help="whose faces: synthetic, or a dataset of photographs")
    _add_exam(parser)
    parser.add_argument("--intensities", action="store_true", help="also nine intensities of each emotion")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="to write in (default runs/evaluation)")
    parser.add_argument("--again", action="store_true", help="repeat what is done and unchanged")
    parser = _add(commands, "experiment", experiment)
    parser.add_argument("name", help="table2 (P2) or ablation (P3)")
    _add_run(parser)
    parser.add_argument("--seeds", type=_numbers, default=[0, 1, 2], help="such as 0,1,2 (the default)")
    _add_exam(parser)
    parser = _add(commands, "few-steps", few_steps)
    parser.add_argument("name", help="of a diffusion model's weights, such as label_diffusion-synthetic")
    parser.add_argument("--pictures", type=_count, default=2000, help="that each sampler draws (default 2000)")
    _add(commands, "weights", weights).add_argument("names", nargs="*", help="all unless named")
    _add(commands, "bench", bench)


def _add_run(parser: argparse.ArgumentParser) -> None:
    """What every training is told."""
    parser.add_argument("--profile", default="laptop", help="smoke, laptop, gpu or paper (default laptop)")
    parser.add_argument("--data", default="synthetic", help="a dataset's name (default synthetic)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: in runs/, by its names)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a field of the preset, profile.FIELD or data.OPTION",
    )


def _add_exam(parser: argparse.ArgumentParser) -> None:
    """What every evaluation is told."""
    parser.add_argument(
        "--faces", type=_count, help="people, each to seven emotions (default 256 drawn or 512 photographed ones)"
    )
    parser.add_argument("--judges", type=Path, metavar="FOLDER", help="ONNX judges to ask too")


def _add_data(commands) -> None:
    data = _group(commands, "data", "check which datasets are there, or prepare pictures of your own")
    _add(data, "check", data_check)
    parser = _add(data, "prepare", data_prepare)
    parser.add_argument("source", type=Path, help="folder of pictures")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--size", type=_count, default=64, help="height and width in pixels (default 64)")
    parser.add_argument(
        "--several", default="largest", choices=("largest", "refuse"), help="where a picture has several faces"
    )
    parser.add_argument("--network", type=Path, metavar="FILE", help="an ONNX network of 68 landmarks to align by")
    parser.add_argument("--workers", type=_count, default=2, help="processes (default 2)")
    parser = _add(data, "sheet", data_sheet)
    parser.add_argument("out", type=Path, help="picture to write: .png or .jpg")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--action-units", action="store_true", help="every action unit from rest to full strength, in place of emotions"
    )
    shown.add_argument("--once", action="store_true", help="each person once, with an emotion as the dataset has it")
    parser.add_argument("--side", default="both", choices=("both", "left", "right"), help="which acts, of action units")
    parser.add_argument("--people", type=_count, help="how many (default 6; 1 of action units, 60 each once)")
    parser.add_argument("--first", type=int, default=0, help="the first of the test split's people (default 0)")
    parser.add_argument(
        "--size", type=_count, help="height and width of a face in pixels (default 96; 128 of action units)"
    )
    parser.add_argument("--domain", default="photo", choices=("photo", "cartoon"))
    parser = _add(data, "card", data_card)
    parser.add_argument("path", nargs="?", type=Path, help="page to write (default docs/data_card.md)")
    parser.add_argument("--judges", type=Path, metavar="FOLDER", help="ONNX judges (default: judges, among the data)")
    parser.add_argument("--fer2013", type=Path, metavar="CSV", help="FER-2013 (default: fer2013, among the data)")
    parser.add_argument("--pairs", type=Path, metavar="ZIP", help="people neutral and happy (default: as fer2013)")
    parser.add_argument("--split", default="test", choices=("test", "valid"), help="of the drawn people (default test)")


def _numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} are not whole numbers with commas between them")
    return [int(part) for part in parts]


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
