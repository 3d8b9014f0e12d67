"""Commands that train and evaluate systems, and measure speed."""

from __future__ import annotations

import argparse
import dataclasses
import functools
from pathlib import Path

from facekit.cli.arguments import UsageError, add, assignment, count, group, numbers, print_line, require_known
from facekit.workspace.folders import runs_home


def add_training(commands) -> None:
    parser = add(commands, "train", train)
    parser.add_argument("system", help="name of the system, such as emotion_resnet")
    _add_run(parser)
    parser.set_defaults(data=None)  # the system's own
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default 0)")
    parser.add_argument("--minutes", type=float, help="stop with a checkpoint after this time")
    parser.add_argument(
        "--from-scratch",
        action="store_true",
        help="first train the systems that it depends on, on the same data, in the same folder",
    )
    parser.add_argument(
        "--start-from", metavar="WEIGHTS", help="name or path of weights to initialise from, as far as they fit"
    )
    _add_evaluate(commands)
    parser = add(commands, "experiment", experiment)
    parser.add_argument("name", help="table2 or joint (P2), or ablation (P3)")
    _add_run(parser)
    parser.add_argument("--seeds", type=numbers, default=[0, 1, 2], help="such as 0,1,2 (the default)")
    _add_benchmark(parser)
    parser = add(commands, "few-steps", few_steps)
    parser.add_argument("name", help="weights of a diffusion model, such as label_diffusion-synthetic")
    parser.add_argument(
        "--images", "--pictures", type=count, default=2000, help="number that each sampler generates (default 2000)"
    )
    add(commands, "weights", weights, in_checkout=True).add_argument(
        "names", nargs="*", help="names of weights (default: all)"
    )
    add(commands, "bench", bench)
    parser = add(group(commands, "check", "checks that take minutes"), "resume", check_resume)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help="which systems (default: one of each kind)")
    parser.add_argument("--kills", type=count, default=20, help="how often each run is killed (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments (default 0)")
    parser.add_argument("--notebooks", nargs="+", default=[], metavar="NAME", help="a batch run of these, too")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the runs (default runs/check-resume)")


def _add_evaluate(commands) -> None:
    parser = add(commands, "evaluate", evaluate)
    parser.add_argument("names", nargs="*", metavar="NAME", help="weights of generators (default: the baselines only)")
    parser.add_argument(
        "--data", default="synthetic", help="a dataset of faces (default synthetic); lfw verifies identity networks"
    )
    _add_benchmark(parser)
    parser.add_argument(
        "--emotions",
        type=lambda text: text.split(","),
        help="of inputs and edits, such as happy,neutral, for generators that support only some",
    )
    parser.add_argument("--intensities", action="store_true", help="also edit to nine intensities of each emotion")
    parser.add_argument("--edits", type=Path, metavar="DIR", help="evaluate the edits in an exported benchmark instead")
    parser.add_argument("--name", help="of these edits in the leaderboard (default: the folder's)")
    parser.add_argument("--secret", help="the word of a held-out split")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="output folder (default runs/evaluation)")
    parser.add_argument("--again", action="store_true", help="repeat finished, unchanged evaluations")
    parser = add(group(commands, "benchmark", "the benchmark as files"), "export", export)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder")
    parser.add_argument("--faces", type=count, default=256, help="how many people (default 256)")
    parser.add_argument("--sizes", type=numbers, default=[64, 128], help="in pixels (default 64,128)")
    parser.add_argument("--videos", type=count, default=64, help="how many videos (default 64)")
    parser.add_argument("--secret", help="a word that decides which people are in a held-out split")
    _add_special_benchmark(add(commands, "evaluate-units", evaluate_units), "generators that edit action units")
    _add_special_benchmark(add(commands, "evaluate-regions", evaluate_regions), "generators that edit emotions")
    _add_special_benchmark(add(commands, "evaluate-transfer", evaluate_transfer), "generators of landmark transfer")
    _add_special_benchmark(add(commands, "evaluate-motion", evaluate_motion), "models of motion")
    _add_special_benchmark(add(commands, "evaluate-video", evaluate_video), "generators")


def _add_special_benchmark(parser: argparse.ArgumentParser, which: str) -> None:
    """The options of a benchmark of drawn people that measures something else than emotions."""
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"weights of {which}")
    parser.add_argument("--faces", type=count, default=256, help="how many people (default 256)")
    parser.add_argument("--out", type=Path, metavar="CSV", help="the table to write (default in runs/evaluation)")


def _add_run(parser: argparse.ArgumentParser) -> None:
    """The options of every training."""
    parser.add_argument("--profile", default="laptop", help="smoke, laptop, gpu or paper (default laptop)")
    parser.add_argument("--data", default="synthetic", help="name of a dataset (default synthetic)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="output folder (default: in runs/, named after the options)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a field of the preset, profile.FIELD, data.OPTION or, with --from-scratch, such as teacher.FIELD",
    )


def _add_benchmark(parser: argparse.ArgumentParser) -> None:
    """The options of every evaluation."""
    parser.add_argument(
        "--faces",
        type=count,
        help="how many, each edited to every emotion (default: 256 synthetic ones or 512 photographs)",
    )
    parser.add_argument("--judges", type=Path, metavar="FOLDER", help="additional ONNX judges")


def train(arguments: argparse.Namespace) -> int:
    """Train a system. The same command continues an interrupted run."""
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
        log=print_line,
    )
    disconnect_processes()
    print(written or "stopped after the given time; the same command continues the run")
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate generators and baselines with the common benchmark, or recognisers with LFW's pairs."""
    from facekit.evaluation.benchmark import by_view, evaluate_edits, evaluate_weights, to_text

    out = arguments.out or runs_home() / "evaluation"
    if arguments.data == "lfw":
        return _verify(arguments, out)
    shared = {"panel": _judges_of(arguments), "again": arguments.again, "log": print_line}
    if arguments.edits:
        if arguments.names or arguments.data != "synthetic" or arguments.faces:
            raise UsageError("--edits evaluates the edits of an exported benchmark: name no weights, data or faces")
        tables = evaluate_edits(arguments.edits, out, name=arguments.name, secret=arguments.secret, **shared)
        _evaluate_video_edits(arguments, out)
    else:
        tables = evaluate_weights(
            arguments.names,
            out,
            data=arguments.data,
            faces=arguments.faces,
            emotions=arguments.emotions,
            intensities=arguments.intensities,
            speed=True,
            **shared,
        )
    for benchmark, table in tables.items():
        print(f"\n{benchmark}\n{to_text(table)}")
        if views := by_view(table):
            print(f"\nBy the view of the input\n\n{views}\n")
        print(out / benchmark / "leaderboard.csv")
    return 0


def _evaluate_video_edits(arguments: argparse.Namespace, out: Path) -> None:
    """Evaluate the videos in an exported benchmark, one table for each size that there is."""
    from facekit.evaluation.benchmark import open_videos
    from facekit.evaluation.video import evaluate_videos, video_judges

    name = arguments.name or arguments.edits.resolve().name
    for frames, benchmark in open_videos(arguments.edits, arguments.secret):
        scores = evaluate_videos({}, benchmark, video_judges(), edited={name: frames}, log=print_line)
        place = out / f"videos-{benchmark.truth.size}px-{len(frames)}"
        _written({row: vars(values) for row, values in scores.items()}, place / "leaderboard.csv")


def _verify(arguments: argparse.Namespace, out: Path) -> int:
    """Evaluate recognisers, and those in `--judges`, with LFW's pairs: its faces have no emotions to be edited."""
    import pandas as pd

    from facekit.datasets.lfw import verification_pairs
    from facekit.evaluation.benchmark import Panel
    from facekit.evaluation.judges import IdentityJudge
    from facekit.evaluation.verification import verify
    from facekit.workspace.files import write_text

    try:
        judges = [IdentityJudge.load(name) for name in arguments.names or ["identity-synthetic"]]
        judges += Panel.load(arguments.judges, photographs=True).identity
    except TypeError as error:
        raise UsageError(f"lfw has no emotions: name the weights of identity networks ({error})") from None
    except FileNotFoundError as error:
        raise UsageError(str(error)) from None
    pairs = verification_pairs(size=112)
    rows = {judge.name: dataclasses.asdict(verify(judge, pairs)) for judge in judges}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")
    file = out / "lfw" / "verification.csv"
    write_text(file, table.to_csv())
    print(f"\n{len(pairs.same)} pairs of LFW\n{table.to_string(float_format='{:.3f}'.format)}\n{file}")
    return 0


def _judges_of(arguments: argparse.Namespace):
    """The judges for the faces of `--data`, including those in `--judges`."""
    from facekit.datasets.base import DATASETS
    from facekit.evaluation.benchmark import Panel

    edited = [name for name in DATASETS if not name.startswith("synthetic_")]
    require_known(arguments.data, edited, "dataset whose faces are edited")
    try:
        return Panel.load(arguments.judges, photographs=arguments.data != "synthetic")
    except FileNotFoundError as error:
        raise UsageError(str(error)) from None


def export(arguments: argparse.Namespace) -> int:
    """Write the inputs and requests of the benchmark into a folder, for generators of any framework."""
    from facekit.evaluation.benchmark import export_benchmark

    counts = {"faces": arguments.faces, "sizes": arguments.sizes, "videos": arguments.videos}
    print(export_benchmark(arguments.folder, **counts, secret=arguments.secret))
    return 0


def evaluate_units(arguments: argparse.Namespace) -> int:
    """Evaluate generators that edit action units: free, one-sided and single units, with ground truth."""
    from facekit.evaluation.judges import ActionUnitJudge
    from facekit.evaluation.unit_edits import evaluate_units as scores_of
    from facekit.evaluation.unit_edits import unit_benchmark

    systems, shape = _of_one_shape(arguments.names)
    judge, benchmark, rows = ActionUnitJudge.load("action_units-synthetic"), unit_benchmark(arguments.faces, *shape), {}
    for name, system in {"no-op baseline": None, **systems}.items():
        print_line(name)
        rows[name] = scores_of(system, benchmark, judge).row()
    return _written(rows, arguments.out or runs_home() / "evaluation" / "action_units.csv")


def evaluate_regions(arguments: argparse.Namespace) -> int:
    """Evaluate the eyes and the mouth of edits: error, sharpness, and the seam around them."""
    from facekit.evaluation.region_edits import evaluate_regions as scores_of
    from facekit.evaluation.region_edits import region_benchmark

    systems, shape = _of_one_shape(arguments.names)
    benchmark, rows = region_benchmark(arguments.faces, *shape), {}
    for name, system in {"no-op baseline": None, **systems}.items():
        print_line(name)
        rows[name] = scores_of(system, benchmark).row()
    return _written(rows, arguments.out or runs_home() / "evaluation" / "regions.csv")


def evaluate_transfer(arguments: argparse.Namespace) -> int:
    """Evaluate landmark transfer: the landmarks that are wanted, the images, and what of the driver remains."""
    from facekit.evaluation.judges import IdentityJudge, LandmarkJudge
    from facekit.evaluation.transfer import evaluate_transfer as scores_of
    from facekit.evaluation.transfer import transfer_benchmark

    systems, shape = _of_one_shape(arguments.names)
    judges = LandmarkJudge.load("landmarks-synthetic"), IdentityJudge.load("identity-synthetic")
    scores = scores_of(systems, transfer_benchmark(arguments.faces, *shape), *judges)
    rows = {name: vars(row) for name, row in scores.items()}
    return _written(rows, arguments.out or runs_home() / "evaluation" / "transfer.csv")


def evaluate_motion(arguments: argparse.Namespace) -> int:
    """Evaluate models of motion: do their landmark sequences show the emotion, resemble real ones, and vary?"""
    from facekit.evaluation.motion import evaluate_motion as scores_of
    from facekit.evaluation.motion import motion_benchmark
    from facekit.models.load import load_system
    from facekit.models.video.motion import MotionModel

    models = {name: load_system(name) for name in arguments.names}
    for name, model in models.items():
        if not isinstance(model, MotionModel):
            raise UsageError(f"{name} is no model of motion: name one, such as motion_gan-synthetic_motions")
    lengths = {model.preset.frames for model in models.values()}
    if len(lengths) > 1:
        raise UsageError(f"the models make sequences of {len(lengths)} lengths; evaluate those of each length apart")
    benchmark = motion_benchmark(arguments.faces, lengths.pop())
    scores = scores_of(models, benchmark, load_system("motion_classifier-synthetic_motions"))
    rows = {name: vars(row) for name, row in scores.items()}
    return _written(rows, arguments.out or runs_home() / "evaluation" / "motion.csv")


def evaluate_video(arguments: argparse.Namespace) -> int:
    """Evaluate videos of generators, frame by frame and in time, with the ground truth of every frame."""
    from facekit.evaluation.benchmark import video_benchmark
    from facekit.evaluation.video import evaluate_videos, video_judges
    from facekit.models.load import load_system

    systems, shape = _of_one_shape(arguments.names)
    motion = load_system("motion_gan-synthetic_motions")
    scores = evaluate_videos(systems, video_benchmark(arguments.faces, *shape), video_judges(), motion, log=print_line)
    rows = {name: vars(row) for name, row in scores.items()}
    return _written(rows, arguments.out or runs_home() / "evaluation" / "video.csv")


def _of_one_shape(names: list[str]) -> tuple[dict, tuple[int, int]]:
    """Generators by name, and the size and channels of the images that all of them take."""
    from facekit.models.load import load_system
    from facekit.workspace.hardware import fastest_device

    systems = {name: load_system(name).to(fastest_device()) for name in names}
    shapes = {(system.preset.size, system.channels) for system in systems.values()}
    if len(shapes) > 1:
        raise UsageError(f"the generators take images of {len(shapes)} shapes; evaluate those of each shape apart")
    return systems, shapes.pop()


def _written(rows: dict[str, dict[str, float]], out: Path) -> int:
    """Write a table of named rows, print it, and return the exit status."""
    import pandas as pd

    from facekit.workspace.files import write_text

    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")
    write_text(out, table.to_csv())
    print(f"\n{table.to_string(float_format='{:.3f}'.format)}\n{out}")
    return 0


def experiment(arguments: argparse.Namespace) -> int:
    """Train and evaluate the variants of a paper's comparison. The same command continues an interrupted experiment."""
    from facekit.evaluation.experiments import EXPERIMENTS, run_experiment, to_text
    from facekit.show.experiments import sheet

    require_known(arguments.name, EXPERIMENTS, "experiment")
    overrides = dict(map(assignment, arguments.set))
    if taken := EXPERIMENTS[arguments.name].fields & set(overrides):
        raise UsageError(f"the variants of {arguments.name} differ in {', '.join(sorted(taken))}; omit it from --set")
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
        log=print_line,
    )
    print(f"\n{to_text(table)}\n{out / 'table.csv'}")
    return 0


def few_steps(arguments: argparse.Namespace) -> int:
    """Compare a diffusion model's samples after 20 steps of DPM-Solver++ with those of full ancestral sampling."""
    from facekit.datasets import open_dataset
    from facekit.evaluation.few_steps import BLOCK, compare
    from facekit.evaluation.judges import EmotionJudge
    from facekit.models.diffusion.base import DiffusionGenerator
    from facekit.models.load import load_system
    from facekit.workspace.hardware import fastest_device

    generator = load_system(arguments.name).to(fastest_device())
    if not isinstance(generator, DiffusionGenerator):
        raise UsageError(
            f"{arguments.name} is a {generator.name}, which does not sample from noise; name a diffusion model"
        )
    if arguments.images < 2 * BLOCK:
        raise UsageError(f"a confidence interval needs at least {2 * BLOCK} images, not {arguments.images}")
    options = {"size": generator.preset.size, "channels": generator.channels, "faces_per_person": 2}
    held_out = open_dataset("synthetic", "test", people=arguments.images, **options)
    out = runs_home() / "few-steps" / f"{generator.name}-{generator.card.sha256[:12]}"
    print(compare(generator, held_out, EmotionJudge.load("emotion_resnet-synthetic"), out, log=print_line))
    return 0


def weights(arguments: argparse.Namespace) -> int:
    """Retrain the weights in data/weights."""
    from facekit.training.retrain import retrain
    from facekit.weights.shipped import SHIPPED

    names = arguments.names or list(SHIPPED)
    for name in names:
        require_known(name, SHIPPED, "name of shipped weights")
    for name in names:
        print(retrain(name))
    return 0


def bench(arguments: argparse.Namespace) -> int:
    """Measure how fast this machine renders, loads, trains and edits faces."""
    from facekit.cli.speed import measure, table
    from facekit.workspace.files import write_json

    results = measure()
    write_json(runs_home() / "bench.json", results)
    print(table(results))
    print(runs_home() / "bench.json")
    return 0


def check_resume(arguments: argparse.Namespace) -> int:
    """Kill runs at random moments, resume them, and compare the results with those of runs in one piece."""
    from facekit.models.system import SYSTEMS
    from facekit.training.interrupted import SYSTEMS as OF_EACH_KIND
    from facekit.training.interrupted import kill_batch, kill_training

    for name in arguments.systems:
        require_known(name, SYSTEMS, "system")
    folder, differ = arguments.out or runs_home() / "check-resume", 0
    outcomes = {name: functools.partial(kill_training, name) for name in arguments.systems or OF_EACH_KIND}
    if arguments.notebooks:
        outcomes["batch run"] = functools.partial(kill_batch, arguments.notebooks)
    for name, compare in outcomes.items():
        outcome = compare(folder=folder, kills=arguments.kills, seed=arguments.seed)
        found = f"{', '.join(outcome.differs)} differ" if outcome.differs else "equal to the run in one piece"
        print_line(f"{name}: killed {len(outcome.moments)} times, {found}")
        differ += bool(outcome.differs)
    return int(differ > 0)
