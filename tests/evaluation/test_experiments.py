"""Experiments: which variants are trained, what is reported, and what a collapse does."""

from types import SimpleNamespace

import pandas as pd
import pytest
from PIL import Image

from facekit import cli
from facekit.evaluation import experiments
from facekit.evaluation.benchmark import synthetic_benchmark
from facekit.evaluation.experiments import EXPERIMENTS, over_seeds, recorded_runs, run_experiment, to_text
from facekit.faces.expression import UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.faces.parts import DOMAINS
from facekit.models.gans.adversarial import Collapsed
from facekit.models.gans.stargan_variants import JOINT
from facekit.models.system import system_class
from facekit.show.experiments import sheet
from facekit.training.overrides import overridden


@pytest.fixture
def trained(monkeypatch):
    """Runs that are recorded instead of trained; that of the variant `skips` with seed 1 collapses."""
    runs = []

    def train(system, *, out, seed, overrides, **target):
        runs.append({"system": system, "out": out, "seed": seed, "overrides": overrides, **target})
        if out.name == "skips-1":
            raise Collapsed("step 7 of stargan: the generator has collapsed")
        return out / "weights.safetensors"

    def evaluate(generator, benchmark, panel, out, *, name, log):
        seed = int(name[-1])
        interval = {"estimate": 0.5 + seed / 10, "low": 0.4, "high": 0.9}
        return {"name": name, "edit_success": interval, "relative_error": None, "fid": 3.0 - seed}

    monkeypatch.setattr(experiments, "train", train)
    monkeypatch.setattr(experiments, "evaluate", evaluate)
    monkeypatch.setattr(experiments, "benchmark_for", lambda data, faces, size, channels: (data, faces, size, channels))
    generator = SimpleNamespace(preset=SimpleNamespace(size=48), channels=3, understands=frozenset({"emotion"}))
    generator.to = lambda device: generator
    monkeypatch.setattr(experiments, "load_system", lambda path: generator)
    return runs


def test_every_variant_is_trained_with_every_seed_and_the_same_budget(trained, tmp_path):
    table = run_experiment("table2", tmp_path, panel=None, seeds=(0, 1), overrides={"steps": 5})
    assert [run["seed"] for run in trained] == [0, 1] * 6
    assert {run["system"] for run in trained} == {"stargan"}
    assert {run["overrides"]["steps"] for run in trained} == {5}
    variants = EXPERIMENTS["table2"].variants
    assert all(run["overrides"]["skips"] == variants[run["out"].name[:-2]]["skips"] for run in trained)
    assert table.variant.tolist() == list(variants)


def test_some_of_the_variants_can_be_chosen(trained, tmp_path):
    table = run_experiment("table2", tmp_path, panel=None, seeds=(0,), variants=("features_skips", "stargan"))
    assert table.variant.tolist() == ["stargan", "features_skips"]
    with pytest.raises(ValueError, match="table2 has no variant momentum; known are stargan, features"):
        run_experiment("table2", tmp_path, panel=None, variants=("momentum",))
    assert len(trained) == 2


def test_fields_in_which_variants_differ_cannot_be_set_for_all(trained, tmp_path, capsys):
    with pytest.raises(ValueError, match="differ in skips"):
        run_experiment("table2", tmp_path, panel=None, overrides={"skips": "mirrored"})
    assert cli.main(["experiment", "ablation", "--set", "block=residual"]) == 2
    assert "differ in block" in capsys.readouterr().err
    assert not trained


def test_a_collapse_is_reported_and_the_other_runs_continue(trained, tmp_path):
    messages = []
    table = run_experiment(
        "table2",
        tmp_path,
        panel=None,
        seeds=(0, 1),
        sheet=lambda systems, benchmarks: Image.new("RGB", (10 * len(systems), 8)),
        log=messages.append,
    ).set_index("variant")
    assert table.collapsed.to_dict() == {name: int(name == "skips") for name in EXPERIMENTS["table2"].variants}
    assert table.edit_success["skips"] == 0.5
    assert "skips-1: step 7 of stargan: the generator has collapsed" in messages
    assert len(pd.read_csv(tmp_path / "runs.csv")) == 12
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv").set_index("variant"), table, check_dtype=False)
    assert Image.open(tmp_path / "sheet.png").width == 60


def test_the_sheet_shows_the_lightest_and_the_darkest_face():
    edited = []

    class Brighter:
        def edit(self, faces, expression, *, seed):
            edited.append(Faces(faces.images))
            return faces.images

    benchmark = synthetic_benchmark(6, size=32)
    shown = sheet({"one": Brighter(), "other": Brighter()}, [benchmark])
    means = benchmark.faces.images.mean((1, 2, 3))
    assert edited[0].images.mean((1, 2, 3)).tolist() == pytest.approx([means.max().item(), means.min().item()])
    assert shown.height > 4 * 48


def test_the_sheet_of_two_domains_has_a_face_of_each_and_the_emotions_of_both():
    edited = []

    class Photographer:
        def edit(self, faces, expression, *, seed):
            edited.append((faces.domain.tolist(), repr(expression)))
            if "cartoon" in repr(expression):
                raise UnsupportedExpression("no cartoons in the training set")
            return faces.images

    benchmarks = [synthetic_benchmark(2, size=32, domain=domain) for domain in DOMAINS]
    shown = sheet({"one": Photographer()}, benchmarks)
    assert len({expression for _, expression in edited}) == 14
    assert all(domains == [0, 1] for domains, _ in edited)
    assert shown.width > 15 * 48


def test_two_domains_have_a_benchmark_for_every_direction(trained, tmp_path, monkeypatch):
    evaluated = []

    def evaluate(generator, benchmark, panel, out, *, name, log):
        evaluated.append((name, benchmark.faces.domain[0].item(), benchmark.target_domain))
        return {"name": name, "edit_success": 0.5}

    def load(path):
        crossing = "parts" not in str(path)
        preset = SimpleNamespace(size=32, cross_domain=crossing)
        generator = SimpleNamespace(preset=preset, channels=3, understands=frozenset({"emotion", "domain"}))
        generator.to = lambda device: generator
        return generator

    monkeypatch.setattr(experiments, "evaluate", evaluate)
    monkeypatch.setattr(experiments, "load_system", load)
    table = run_experiment("joint", tmp_path, panel=None, seeds=(0,), faces=2)
    assert all(run["overrides"]["data.domain"] == "both" for run in trained)
    directions = ["photo to photo", "photo to cartoon", "cartoon to photo", "cartoon to cartoon"]
    apart = [f"labels in parts: {way}" for way in ("photo to photo", "cartoon to cartoon")]
    assert table.variant.tolist() == [f"same labels: {way}" for way in directions] + apart
    crossing = [(0, "photo"), (0, "cartoon"), (1, "photo"), (1, "cartoon")]
    assert [tuple(way) for _, *way in evaluated] == [*crossing, (0, None), (1, None)]


@pytest.mark.parametrize("name", ["table2", "ablation"])
def test_shipped_results_have_every_variant_with_three_seeds(name):
    runs = recorded_runs(name)
    assert runs.groupby("variant", sort=False).seed.apply(list).to_dict() == {
        variant: [0, 1, 2] for variant in EXPERIMENTS[name].variants
    }
    assert set(runs.faces) == {256}
    assert not over_seeds(runs)[["edit_success", "relative_error"]].isna().any(axis=None)


def test_shipped_results_of_joint_training_have_every_variant_and_direction():
    runs = recorded_runs("joint")
    crossing = [f"{domain} to {goal}" for domain in DOMAINS for goal in DOMAINS]
    ways = {name: crossing if fields["cross_domain"] else crossing[::3] for name, fields in JOINT.items()}
    assert runs.variant.tolist() == [f"{name}: {way}" for name in JOINT for way in ways[name]]
    assert set(runs.faces) == {256}
    assert not runs[["accuracy", "identity_preserved", "relative_error"]].isna().any(axis=None)


def test_the_table_has_mean_minimum_and_maximum_over_seeds(trained, tmp_path):
    table = run_experiment("ablation", tmp_path, panel=None, seeds=(0, 2)).set_index("variant")
    row = table.loc["MMA-GAN"]
    assert (row.edit_success, row.edit_success_min, row.edit_success_max) == (0.6, 0.5, 0.7)
    assert (row.fid, row.fid_min, row.fid_max) == (2, 1, 3)
    assert "relative_error" not in table
    assert "0.60 (0.50-0.70)" in to_text(table.reset_index())
    assert to_text(table.reset_index(), ["fid"]).split("\n")[0].split() == ["variant", "runs", "collapsed", "fid"]


def test_a_variant_whose_runs_all_collapsed_has_a_row():
    runs = pd.DataFrame([{"variant": "one", "seed": seed, "collapsed": True} for seed in range(3)])
    assert over_seeds(runs).to_dict("records") == [{"variant": "one", "runs": 3, "collapsed": 3}]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_variant_can_be_built(name):
    experiment = EXPERIMENTS[name]
    kind = system_class(experiment.system)
    for fields in experiment.variants.values():
        kind(overridden(kind.presets["smoke"], fields))


def test_an_unknown_name_is_refused(tmp_path, capsys):
    with pytest.raises(ValueError, match="known are table2, joint, ablation"):
        run_experiment("table3", tmp_path, panel=None)
    assert cli.main(["experiment", "table3"]) == 2
    assert "'table3' is no experiment; known are table2, joint, ablation" in capsys.readouterr().err


def test_the_command_passes_its_arguments_on(monkeypatch, tmp_path, capsys):
    called = {}

    def run(name, out, **target):
        called.update(target, name=name, out=out)
        return pd.DataFrame([{"variant": "one", "runs": 2, "collapsed": 0}])

    monkeypatch.setattr(experiments, "run_experiment", run)
    monkeypatch.setattr("facekit.evaluation.benchmark.Panel.load", lambda external, photographs: "judges")
    arguments = ["ablation", "--seeds", "3,4", "--set", "steps=9", "--faces", "8", "--out", str(tmp_path)]
    assert cli.main(["experiment", *arguments]) == 0
    assert (called["name"], called["seeds"], called["faces"], called["sheet"]) == ("ablation", [3, 4], 8, sheet)
    assert called["overrides"] == {"steps": "9"}
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "table.csv")
