"""Commands that train, measure and time."""

from __future__ import annotations

import argparse
from pathlib import Path

from facekit.cli.arguments import Mistake, add, assignment, count, known, line, numbers
from facekit.workspace.folders import runs_home


def add_training(commands) -> None:
    parser = add(commands, "train", train)
    parser.add_argument("system", help="such as emotion_resnet")
    _add_run(parser)
    parser.set_defaults(data=None)  # the system's own
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="stop with a checkpoint when this time is over")
    parser.add_argument(
        "--from-scratch",
        action="store_true",
        help="train what it stands on first, on the same data, in the same folder",
    )
    parser.add_argument(
        "--start-from", metavar="WEIGHTS", help="a name or path: begin with these weights, as far as they fit"
    )
    parser = add(commands, "evaluate", evaluate)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of weights; the reference rows alone unless named")
    parser.add_argument("--data", default="synthetic", help="whose faces: synthetic, or a dataset of photographs")
    _add_benchmark(parser)
    parser.add_argument(
        "--emotions",
        type=lambda text: text.split(","),
        help="that faces show and are asked for, such as happy,neutral, for generators that know no others",
    )
    parser.add_argument("--intensities", action="store_true", help="also nine intensities of each emotion")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="to write in (default runs/evaluation)")
    parser.add_argument("--again", action="store_true", help="repeat what is done and unchanged")
    parser = add(commands, "experiment", experiment)
    parser.add_argument("name", help="table2 or joint (P2), or ablation (P3)")
    _add_run(parser)
    parser.add_argument("--seeds", type=numbers, default=[0, 1, 2], help="such as 0,1,2 (the default)")
    _add_benchmark(parser)
    parser = add(commands, "few-steps", few_steps)
    parser.add_argument("name", help="of a diffusion model's weights, such as label_diffusion-synthetic")
    parser.add_argument("--pictures", type=count, default=2000, help="that each sampler draws (default 2000)")
    add(commands, "weights", weights).add_argument("names", nargs="*", help="all unless named")
    add(commands, "bench", bench)


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
        help="a field of the preset, profile.FIELD, data.OPTION or, from nothing, such as teacher.FIELD",
    )


def _add_benchmark(parser: argparse.ArgumentParser) -> None:
    """What every evaluation is told."""
    parser.add_argument(
        "--faces", type=count, help="people, each to seven emotions (default 256 drawn or 512 photographed ones)"
    )
    parser.add_argument("--judges", type=Path, metavar="FOLDER", help="ONNX judges to ask too")


def train(arguments: argparse.Namespace) -> int:
    """Train one system; the same call again goes on where it stopped."""
    from facekit.training.accelerator import disconnect_processes
    from facekit.training.run import train as train_system

    written = train_system(
        arguments.system,
        profile=arguments.profile,
        data=arguments.data,
        out=arguments.out,
        seed=arguments.seed,
        overrides=dict(map(assignment, arguments.set)),
        minutes=arguments.minutes,
        from_scratch=arguments.from_scratch,
        start=arguments.start_from,
        log=line,
    )
    disconnect_processes()
    print(written or "stopped when the time was over; the same command goes on")
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Measure generators, and what they are compared with, by one protocol."""
    from facekit.evaluation.benchmark import evaluate_weights, to_text

    out = arguments.out or runs_home() / "evaluation"
    tables = evaluate_weights(
        arguments.names,
        out,
        panel=_judges_of(arguments),
        data=arguments.data,
        faces=arguments.faces,
        emotions=arguments.emotions,
        intensities=arguments.intensities,
        again=arguments.again,
        log=line,
    )
    for benchmark, table in tables.items():
        print(f"\n{benchmark}\n{to_text(table)}\n{out / benchmark / 'leaderboard.csv'}")
    return 0


def _judges_of(arguments: argparse.Namespace):
    """The judges that know the faces of the data asked for, those in `--judges` among them."""
    from facekit.datasets.base import DATASETS
    from facekit.evaluation.benchmark import Panel

    known(arguments.data, [name for name in DATASETS if name != "synthetic_pairs"], "dataset whose faces are edited")
    try:
        return Panel.load(arguments.judges, photographs=arguments.data != "synthetic")
    except FileNotFoundError as error:
        raise Mistake(str(error)) from None


def experiment(arguments: argparse.Namespace) -> int:
    """Train the variants of a paper's comparison, all for as many steps, and measure them; it can be interrupted."""
    from facekit.evaluation.experiments import EXPERIMENTS, run_experiment, to_text
    from facekit.show.experiments import sheet

    known(arguments.name, EXPERIMENTS, "experiment")
    overrides = dict(map(assignment, arguments.set))
    if taken := EXPERIMENTS[arguments.name].fields & set(overrides):
        raise Mistake(f"the variants of {arguments.name} differ in {', '.join(sorted(taken))}: leave it out of --set")
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
        sheet=sheet,
        log=line,
    )
    print(f"\n{to_text(table)}\n{out / 'table.csv'}")
    return 0


def few_steps(arguments: argparse.Namespace) -> int:
    """Whether a diffusion model draws as well in 20 steps of DPM-Solver++ as in all of ancestral sampling."""
    from facekit.datasets import open_dataset
    from facekit.evaluation.few_steps import BLOCK, compare
    from facekit.evaluation.judges import EmotionJudge
    from facekit.models.diffusion.base import DiffusionGenerator
    from facekit.models.load import load_system
    from facekit.workspace.hardware import fastest_device

    generator = load_system(arguments.name).to(fastest_device())
    if not isinstance(generator, DiffusionGenerator):
        raise Mistake(f"{arguments.name} is {generator.name}, which does not draw from noise: give a diffusion model's")
    if arguments.pictures < 2 * BLOCK:
        raise Mistake(f"an interval needs {2 * BLOCK} pictures at least, not {arguments.pictures}")
    options = {"size": generator.preset.size, "channels": generator.channels, "faces_per_person": 2}
    held_out = open_dataset("synthetic", "test", people=arguments.pictures, **options)
    out = runs_home() / "few-steps" / f"{generator.name}-{generator.card.sha256[:12]}"
    print(compare(generator, held_out, EmotionJudge.load("emotion_resnet-synthetic"), out, log=line))
    return 0


def weights(arguments: argparse.Namespace) -> int:
    """Train again what ships in data/weights."""
    from facekit.training.retrain import retrain
    from facekit.weights.shipped import SHIPPED

    names = arguments.names or list(SHIPPED)
    for name in names:
        known(name, SHIPPED, "set of weights that ships")
    for name in names:
        print(retrain(name))
    return 0


def bench(arguments: argparse.Namespace) -> int:
    """How fast this machine draws, loads and trains."""
    from facekit.cli.speed import measure, table
    from facekit.workspace.files import write_json

    results = measure()
    write_json(runs_home() / "bench.json", results)
    print(table(results))
    print(runs_home() / "bench.json")
    return 0
