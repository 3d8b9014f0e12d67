import dataclasses
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from facekit.datasets.synthetic import SyntheticFaces
from facekit.evaluation import baselines
from facekit.evaluation.benchmark import (
    CannotEvaluate,
    GroundTruth,
    Panel,
    baselines_for,
    evaluate,
    evaluate_weights,
    leaderboard,
    read_rows,
    synthetic_benchmark,
    to_text,
)
from facekit.evaluation.benchmark.measures import BEST_PSNR, edit_rows, measured_intensity, training_columns
from facekit.evaluation.benchmark.requests import (
    INTENSITIES,
    adapted,
    full_requests,
    rows_by_emotion,
    run_edits,
    self_requests,
    sweep_requests,
)
from facekit.evaluation.benchmark.run import _fingerprint
from facekit.evaluation.benchmark.summary import edits_summary
from facekit.evaluation.judges import EmotionJudge
from facekit.evaluation.metrics.identity import edit_success
from facekit.faces.action_units import ACTION_UNITS
from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.parts import DOMAINS
from facekit.models.guided import Guided
from facekit.models.system import Generator, Preset
from facekit.weights.store import WeightsCard

FACES = 14
UNREPEATED = {"made"}  # versions and the machine


@dataclasses.dataclass(frozen=True)
class BrightenPreset(Preset):
    size: int = 48


class Brighten(Generator):
    """Brightens faces by a learned number, and counts its edits."""

    name = "brighten"
    understands = frozenset({"emotion"})
    presets: ClassVar = {"smoke": BrightenPreset()}
    edits, limit = 0, 10**9

    def __init__(self, preset, channels=3):
        super().__init__(preset, channels)
        self.amount = nn.Parameter(torch.tensor(0.1))

    def edit(self, faces, expression, *, source=None, seed=0):
        expression.require(self.understands, "Brighten")
        self.edits += len(faces)
        if self.edits > self.limit:
            raise KeyboardInterrupt
        return (faces.images + self.amount).clamp(-1, 1).detach()


@pytest.fixture
def brighten():
    return Brighten(BrightenPreset())


@pytest.fixture(scope="module")
def panel():
    return Panel.load()


@pytest.fixture(scope="module")
def benchmark():
    return synthetic_benchmark(FACES, size=48)


@pytest.fixture(scope="module")
def half(benchmark):
    """The first seven faces of the benchmark, with the same ground truth."""
    return dataclasses.replace(benchmark, faces=benchmark.faces[:7])


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("evaluation")


@pytest.fixture(scope="module")
def ground_truth(benchmark, panel, out):
    return GroundTruth.cached(benchmark, panel, out / benchmark.name / "ground_truth.safetensors")


@pytest.fixture(scope="module")
def rows(benchmark, panel, out, ground_truth):
    """The summaries of ground truth and baselines by name, two of them with intensities."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facekit.evaluation.benchmark.requests.SWEEP_FACES", 3)
        swept = {"no-op baseline", "ground truth"}
        return {
            baseline.name: evaluate(baseline, benchmark, panel, out, intensities=baseline.name in swept)
            for baseline in baselines_for(benchmark)
        }


def estimate(summary, name):
    value = summary[name]
    return value["estimate"] if isinstance(value, dict) else value


# ----------------------------------------------------------------------------------------------------- requests


def test_each_identity_occurs_once_and_emotions_take_turns(benchmark):
    assert benchmark.faces.person.unique().numel() == FACES
    assert torch.bincount(benchmark.faces.emotion).tolist() == [2] * 7
    assert not set(benchmark.others.person.tolist()) & set(benchmark.faces.person.tolist())
    first, second = benchmark.others[:256], benchmark.others[256:]
    assert torch.equal(first.person, second.person)
    assert (first.emotion != second.emotion).all()


def test_the_ground_truth_of_a_self_request_is_the_input(benchmark):
    requests = self_requests(benchmark)
    assert torch.equal(benchmark.ground_truth(requests.rows, requests.expression), benchmark.faces.images)


def test_a_benchmark_of_some_emotions():
    benchmark = synthetic_benchmark(6, size=32, emotions=("happy", "neutral", "surprise"))
    named = [EMOTIONS.index(name) for name in ("happy", "surprise", "neutral")]
    assert torch.bincount(benchmark.faces.emotion)[named].tolist() == [2, 2, 2]
    assert benchmark.name == "synthetic-32px-6-happy-surprise-neutral"
    requests = full_requests(benchmark)
    assert requests.target.tolist() == named * 6
    assert torch.equal(requests.full_index, torch.arange(18))
    assert requests[requests.neutral_index].target.eq(EMOTIONS.index("neutral")).all()
    for wrong in (("happy", "sad"), ("neutral",), ("neutral", "contempt")):
        with pytest.raises(CannotEvaluate, match=f"got {', '.join(wrong)}"):
            synthetic_benchmark(6, size=32, emotions=wrong)


def test_a_benchmark_of_cartoons_with_photographs_as_targets():
    names = set()
    for domain, target_domain in (("photo", None), ("cartoon", None), ("cartoon", "photo"), ("photo", "photo")):
        benchmark = synthetic_benchmark(3, size=32, domain=domain, target_domain=target_domain)
        names.add(benchmark.name)
        goal = target_domain or domain
        assert benchmark.faces.domain.eq(DOMAINS.index(domain)).all()
        target = Expression.of("happy")
        drawn = SyntheticFaces("test", people=300, faces_per_person=7, size=32, domain=domain)
        own = [
            int(((drawn.persons == person) & (drawn.labels == emotion)).nonzero())
            for person, emotion in zip(benchmark.faces.person, benchmark.faces.emotion, strict=True)
        ]
        wanted = drawn.counterfactual(own, target.with_domain(goal)).images
        assert torch.equal(benchmark.ground_truth(torch.arange(3), target.for_faces(3)), wanted)
        if target_domain is None:
            requests = self_requests(benchmark)
            assert torch.equal(benchmark.ground_truth(requests.rows, requests.expression), benchmark.faces.images)
    assert len(names) == 3  # "photo" to "photo" is the default
    received = []

    class Recorder(baselines.NoOp):
        understands = frozenset({"emotion", "domain"})

        def edit(self, faces, expression, *, source=None, seed=0):
            received.append(expression.domain)
            return faces.images

    run_edits(Recorder(), benchmark, full_requests(benchmark))
    run_edits(baselines.NoOp(), benchmark, full_requests(benchmark))
    assert received[0].tolist() == [DOMAINS.index("photo")] * 21


def test_the_sweep_has_every_intensity_of_every_emotion(benchmark):
    requests = sweep_requests(benchmark)
    assert len(requests) == FACES * 6 * 9
    assert requests.intensity[:9].tolist() == list(INTENSITIES) == [i / 8 for i in range(9)]
    assert EMOTIONS.index("neutral") not in requests.target


def test_expressions_are_adapted_to_the_parts_that_a_generator_understands():
    target = Expression.of("happy", 0.25)
    assert adapted(target, {"emotion", "intensity"}) is target
    assert adapted(target, {"emotion"}).parts == {"emotion"}
    assert adapted(target, {"emotion"}).emotion[0, EMOTIONS.index("neutral")] == 0.75
    assert adapted(target, {"action_units"}).parts == {"action_units"}


def test_edits_do_not_depend_on_the_batch(benchmark):
    requests = full_requests(benchmark)[:9]
    for baseline in baselines_for(benchmark):
        together = run_edits(baseline, benchmark, requests)
        torch.testing.assert_close(together[4:5], run_edits(baseline, benchmark, requests[4:5]))
    noise = run_edits(baselines.Noise(), benchmark, requests)
    assert not torch.equal(noise[0], noise[-1])  # another face has other noise


def test_generators_receive_images_and_labels_only(benchmark):
    class Curious(baselines.NoOp):
        def edit(self, faces, expression, *, source=None, seed=0):
            assert faces.action_units is None
            assert faces.landmarks is None
            assert faces.mask is None
            assert not faces.attributes
            assert source.parts == {"emotion", "intensity"}
            return faces.images

    run_edits(Curious(), benchmark, full_requests(benchmark)[:3])


@pytest.mark.parametrize("spoil", [lambda images: images[..., :32], lambda images: images / 0])
def test_edits_of_another_shape_or_not_finite_are_refused(benchmark, spoil):
    class Broken(baselines.NoOp):
        name = "broken"

        def edit(self, faces, expression, *, source=None, seed=0):
            return spoil(faces.images)

    with pytest.raises(CannotEvaluate, match="broken edited images of shape"):
        run_edits(Broken(), benchmark, full_requests(benchmark)[:3])


# ------------------------------------------------------------------------------------------------------- ranking


def test_ground_truth_and_baselines_rank_where_they_should(rows):
    table = leaderboard(list(rows.values()))
    assert table.name[0] == "ground truth"
    assert table.name.iloc[-1] == "noise baseline"
    assert table.edit_success[0] > 0.8
    assert (table.edit_success[1:] < 0.2).all()


def test_the_ground_truth_is_the_upper_bound(rows):
    summary = rows["ground truth"]
    assert estimate(summary, "relative_error") == 0
    assert estimate(summary, "sharpness") == 1
    assert estimate(summary, "au_direction_accuracy") == 1
    assert estimate(summary, "au_error") == pytest.approx(0, abs=1e-6)
    assert summary["au_error_by_unit"] == pytest.approx({f"AU{unit.number}": 0 for unit in ACTION_UNITS}, abs=1e-6)
    assert estimate(summary, "landmark_error") == pytest.approx(0, abs=1e-6)
    assert estimate(summary, "distance") == pytest.approx(0, abs=1e-6)
    assert estimate(summary, "ssim") == pytest.approx(1)
    assert estimate(summary, "psnr") == estimate(summary, "self_psnr") == pytest.approx(BEST_PSNR)
    assert estimate(summary, "fid") == pytest.approx(0, abs=0.05)
    assert estimate(summary, "spearman") > 0.9
    assert estimate(summary, "intensity_error") < 0.15


def test_the_no_op_baseline_changes_nothing_and_preserves_the_identity(rows):
    summary = rows["no-op baseline"]
    assert estimate(summary, "relative_error") == estimate(summary, "relative_error_median") == 1
    assert estimate(summary, "identity_preserved") == 1
    assert estimate(summary, "au_direction_accuracy") == estimate(summary, "cosine") == 0
    assert estimate(summary, "ratio") == pytest.approx(0, abs=1e-3)
    assert estimate(summary, "self_psnr") == pytest.approx(BEST_PSNR)
    assert estimate(summary, "landmark_error_mouth") > 2 * estimate(summary, "landmark_error_nose") > 0
    errors = summary["au_error_by_unit"]
    assert min(errors["AU12"], errors["AU25"]) > errors["AU43"]  # no emotion closes the eyes
    assert np.mean(list(errors.values())) == pytest.approx(estimate(summary, "au_error"), rel=0.3)
    assert estimate(summary, "accuracy") == pytest.approx(1 / 7, abs=0.05)
    assert estimate(summary, "spearman") == 0
    assert estimate(summary, "intensity_error") > 2 * estimate(rows["ground truth"], "intensity_error")


def test_the_retrieval_baseline_shows_the_emotion_on_another_person(rows):
    summary = rows["retrieval baseline"]
    assert estimate(summary, "accuracy") > 0.8
    assert estimate(summary, "identity_preserved") < 0.2
    assert estimate(summary, "relative_error") > 1
    assert estimate(summary, "fid") < estimate(rows["noise baseline"], "fid")
    assert summary["recall"].keys() == set(EMOTIONS[:7])


def test_the_noise_baseline_is_worst(rows):
    for name, summary in rows.items():
        if name != "noise baseline":
            assert estimate(rows["noise baseline"], "relative_error") > estimate(summary, "relative_error")
            assert estimate(rows["noise baseline"], "ssim") < estimate(summary, "ssim")
    assert estimate(rows["noise baseline"], "self_psnr") < 12


def test_intervals_hold_their_estimates(rows):
    for summary in rows.values():
        for name, value in summary.items():
            # F1 is no mean: its bootstrap distribution over few people is biased.
            if isinstance(value, dict) and "low" in value and name != "f1":
                assert value["low"] <= value["estimate"] <= value["high"]
    success = rows["retrieval baseline"]["edit_success"]
    assert success["high"] < 0.5


def test_the_printed_table_names_every_method(rows):
    text = to_text(leaderboard(list(rows.values())))
    assert all(name in text for name in rows)
    assert "100.0%" in text
    assert "target-emotion accuracy" in text
    assert "nan" not in text


def test_intervals_of_few_people_are_not_printed_and_the_table_says_why(rows):
    table = leaderboard(list(rows.values()))
    few = to_text(table)
    assert " to " not in few
    assert few.endswith("No intervals: they need 20 people at least.")
    enough = to_text(table.assign(faces=20))
    assert "%) " in enough.replace("% to", "")
    assert "No intervals" not in enough


# -------------------------------------------------------------------------------------------------------- tables


def test_the_table_has_one_row_per_edit(rows, benchmark, out):
    table = read_rows(out / benchmark.name / "retrieval-baseline", "edits")
    assert len(table) == FACES * 7
    assert (table.groupby("face").target.nunique() == 7).all()
    assert {"skin_tone", "age", "glasses"} <= set(table.columns)
    changes = table.target != table.input_emotion
    assert table.edit_success.notna().equals(changes)
    index = {name: i for i, name in enumerate(EMOTIONS)}
    target, input_emotion, predicted = (
        torch.tensor(table[c].map(index).to_numpy()) for c in ("target", "input_emotion", "predicted")
    )
    threshold = table.threshold.unique().item()
    expected = edit_success(
        target, input_emotion, predicted, torch.tensor(table.identity_similarity.to_numpy()), threshold
    )
    assert estimate(rows["retrieval baseline"], "edit_success") == pytest.approx(expected)


def test_values_relative_to_no_change_are_nan(rows, benchmark, out):
    table = read_rows(out / benchmark.name / "no-op-baseline", "edits")
    unchanged = (table.target == "neutral") & (table.input_emotion == "neutral")
    assert unchanged.sum() == 2
    relative = ["relative_error", "changed_psnr", "cosine", "ratio", "au_direction_accuracy", "edit_success"]
    assert table.loc[unchanged, relative].isna().all(axis=None)
    assert table.loc[table.target != table.input_emotion, relative].notna().all(axis=None)
    assert table.measured_intensity.isna().equals(table.target == "neutral")


def test_the_measured_intensity_is_0_for_neutral_and_1_for_the_full_expression(benchmark, ground_truth):
    requests = full_requests(benchmark)
    emotional = requests.target != EMOTIONS.index("neutral")
    units = ground_truth.predictions["action_units"]
    full = measured_intensity(ground_truth, requests, units)
    assert full[emotional].tolist() == pytest.approx([1] * emotional.sum().item(), abs=1e-5)
    neutral = units[requests.neutral_index]
    assert measured_intensity(ground_truth, requests, neutral)[emotional].abs().max() < 1e-5
    half = (neutral + units) / 2
    assert measured_intensity(ground_truth, requests, half)[emotional].tolist() == pytest.approx(
        [0.5] * 12 * 7, abs=1e-5
    )


def test_further_judges_have_columns_of_their_own(benchmark, ground_truth, panel):
    other = EmotionJudge.load("emotion_resnet-fer2013")
    wider = dataclasses.replace(panel, emotion=[*panel.emotion, other])
    requests = full_requests(benchmark)[:14]
    table, predictions = edit_rows(benchmark, ground_truth, wider, requests, ground_truth.images[:14])
    agree = (table["predicted_emotion_resnet-fer2013"] == table.target) == table["correct_emotion_resnet-fer2013"]
    assert agree.all()
    accuracy = edits_summary(table)["accuracy_emotion_resnet-fer2013"]["estimate"]
    assert accuracy == table["correct_emotion_resnet-fer2013"].mean()
    assert len(predictions["features"]) == 14


def test_edits_that_change_the_emotion_are_compared_with_the_ground_truth(benchmark, ground_truth, panel, monkeypatch):
    compared = []

    def scores(*arguments):
        compared.extend(arguments)
        return torch.full((len(arguments[0]),), 0.75), torch.full((len(arguments[1]),), 0.25)

    requests, edits = full_requests(benchmark), ground_truth.images.flip(-1)
    assert "two_sample_score" not in edit_rows(benchmark, ground_truth, panel, requests, edits)[0]  # too few people
    monkeypatch.setattr("facekit.evaluation.benchmark.measures.TWO_SAMPLE_PEOPLE", FACES)
    monkeypatch.setattr("facekit.evaluation.benchmark.measures.two_sample_scores", scores)
    rows, _ = edit_rows(benchmark, ground_truth, panel, requests, edits)
    changes = torch.tensor((rows.target != rows.input_emotion).to_numpy())
    assert torch.equal(compared[0], edits[changes])
    assert torch.equal(compared[1], ground_truth.images[changes])
    assert torch.equal(compared[2], benchmark.faces.person[requests.rows][changes])
    assert torch.equal(compared[2], compared[3])
    assert rows.two_sample_score.notna().tolist() == changes.tolist()
    assert edits_summary(rows)["two_sample_auc"]["estimate"] == 1


def test_each_target_emotion_gets_real_faces_that_show_it():
    target, shown = torch.tensor([3, 3, 0, 3, 5]), torch.tensor([0, 3, 3, 1])
    rows = rows_by_emotion(target, shown)
    assert rows[:4].tolist() == [1, 2, 0, 1]
    assert rows[4] in range(4)  # no face shows it


# ------------------------------------------------------------------------------------------- reused results


def test_valid_results_are_reused(rows, benchmark, panel, out, monkeypatch):
    monkeypatch.setattr(baselines.NoOp, "edit", None)
    monkeypatch.setattr(GroundTruth, "compute", None)
    assert evaluate(baselines.NoOp(), benchmark, panel, out, intensities=True) == rows["no-op baseline"]
    with pytest.raises(TypeError):
        evaluate(baselines.NoOp(), benchmark, panel, out, again=True, name="another no-op")


def test_results_are_reproducible(rows, benchmark, panel, out, ground_truth, tmp_path):
    file = Path(benchmark.name) / "ground_truth.safetensors"
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_bytes((out / file).read_bytes())
    again = evaluate(baselines.Retrieval(benchmark.training), benchmark, panel, tmp_path)
    assert {k: v for k, v in again.items() if k not in UNREPEATED} == {
        k: v for k, v in rows["retrieval baseline"].items() if k not in UNREPEATED
    }
    first, second = (folder / benchmark.name / "retrieval-baseline" / "edits.csv" for folder in (out, tmp_path))
    assert first.read_bytes() == second.read_bytes()


def test_an_interrupted_evaluation_continues_after_its_last_batch(
    half, panel, out, ground_truth, brighten, monkeypatch
):
    for module in ("run", "cost"):
        monkeypatch.setattr(f"facekit.evaluation.benchmark.{module}.BATCH", 32)
    brighten.limit = 40
    with pytest.raises(KeyboardInterrupt):
        evaluate(brighten, half, panel, out, name="stopped")
    folder = out / half.name / "stopped"
    assert [path.name for path in (folder / "images" / "edits").iterdir()] == ["00000.npy"]
    assert not (folder / "summary.json").exists()
    brighten.edits, brighten.limit = 0, 10**9
    summary = evaluate(brighten, half, panel, out, name="stopped")
    assert brighten.edits == (49 - 32) + 7  # the remaining edits and self-reconstruction
    assert summary["parameters"] == 1
    assert summary["weights_bytes"] == 2
    assert "edits_per_second" not in summary


def test_the_speed_is_measured_if_asked_for(half, panel, out, ground_truth, brighten, monkeypatch):
    monkeypatch.setattr("facekit.evaluation.benchmark.cost.BATCH", 32)
    edited = evaluate(brighten, half, panel, out, name="timed")
    brighten.edits = 0
    timed = evaluate(brighten, half, panel, out, name="timed", speed=True)
    assert brighten.edits == 4 + 32  # one to warm up, three alone, one batch
    assert timed["edits_per_second"] > 0
    assert timed["latency_ms"] > 0
    assert {name: timed[name] for name in edited if name not in ("measured", "made")} == {
        name: value for name, value in edited.items() if name not in ("measured", "made")
    }


def test_changed_weights_and_changed_judges_are_evaluated_again(half, panel, out, ground_truth, brighten, monkeypatch):
    before = evaluate(brighten, half, panel, out, name="changing")
    assert brighten.edits == 49 + 7
    with torch.no_grad():
        brighten.amount.fill_(0.5)
    after = evaluate(brighten, half, panel, out, name="changing")
    assert brighten.edits == 2 * (49 + 7)
    assert estimate(after, "relative_error") > estimate(before, "relative_error")
    renamed = EmotionJudge(panel.emotion[0].system, name="another judge")
    others = dataclasses.replace(panel, emotion=[renamed])
    predicted = ground_truth.predictions[f"emotion {panel.emotion[0].name}"]
    of_others = dataclasses.replace(
        ground_truth, predictions=ground_truth.predictions | {"emotion another judge": predicted}
    )
    monkeypatch.setattr(GroundTruth, "compute", lambda benchmark, panel: of_others)
    monkeypatch.setattr(GroundTruth, "_write", lambda *arguments: None)
    judged_again = evaluate(brighten, half, others, out, name="changing")
    assert brighten.edits == 2 * (49 + 7)
    assert judged_again["edit_success"] == after["edit_success"]


def test_the_ground_truth_is_shared_between_folders(benchmark, panel, ground_truth, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(GroundTruth, "compute", lambda benchmark, panel: ground_truth)
    GroundTruth.cached(benchmark, panel, tmp_path / "one.safetensors")
    monkeypatch.setattr(GroundTruth, "compute", None)
    again = GroundTruth.cached(benchmark, panel, tmp_path / "other.safetensors")
    assert torch.equal(again.images, ground_truth.images)
    assert again.thresholds == ground_truth.thresholds
    unidentified = EmotionJudge(panel.emotion[0].system)
    unidentified.sha256 = ""
    with pytest.raises(TypeError):
        GroundTruth.cached(benchmark, dataclasses.replace(panel, emotion=[unidentified]), tmp_path / "third")


def test_the_ground_truth_survives_a_round_trip_through_its_file(benchmark, panel, out, ground_truth, monkeypatch):
    monkeypatch.setattr(GroundTruth, "compute", None)
    again = GroundTruth.cached(benchmark, panel, out / benchmark.name / "ground_truth.safetensors")
    assert torch.equal(again.images, ground_truth.images)
    assert again.thresholds == ground_truth.thresholds
    for name, value in ground_truth.predictions.items():
        assert torch.equal(again.predictions[name], value)


def test_the_leaderboard_has_the_baselines_and_is_written_to_a_file(rows, benchmark, panel, out, monkeypatch):
    monkeypatch.setattr(
        "facekit.evaluation.benchmark.table.synthetic_benchmark", lambda faces, size, channels: benchmark
    )
    messages = []
    tables = evaluate_weights([], out, panel=panel, faces=FACES, log=messages.append)
    assert messages == []  # everything is reused
    table = tables[benchmark.name]
    assert set(table.name) == set(rows)
    header = (out / benchmark.name / "leaderboard.csv").read_text().splitlines()[0].split(",")
    assert {"name", "edit_success", "edit_success_low", "fid", "recall_happy"} <= set(header)
    assert np.isfinite(table.relative_error).all()


def test_a_generator_is_evaluated_on_the_emotions_that_it_was_trained_on(panel, tmp_path, monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class FewPreset(BrightenPreset):
        emotions: tuple[str, ...] = ("happy", "neutral")

    systems = {"few": Brighten(FewPreset()), "all": Brighten(BrightenPreset())}
    monkeypatch.setattr("facekit.evaluation.benchmark.table.load_system", systems.get)
    tables = list(evaluate_weights(["few", "all"], tmp_path, panel=panel, faces=4).values())
    few, every = (table.set_index("name") for table in tables)
    assert {"few", "no-op baseline"} <= set(few.index)
    assert set(read_rows(tmp_path / few.benchmark["few"] / "few", "edits").target) == {"happy", "neutral"}
    assert {"all", "no-op baseline"} <= set(every.index)
    assert "few" not in every.index


def test_the_classifier_of_the_training_is_read_beside_the_judges(half, panel, out, ground_truth, brighten):
    @dataclasses.dataclass(frozen=True)
    class GuidedPreset(BrightenPreset):
        classifier: str = "emotion_cnn-synthetic"

    class GuidedBrighten(Guided, Brighten):
        depends_on: ClassVar = {"classifier": "emotion_cnn"}
        guided_by = frozenset({"classifier"})

    requests, images = full_requests(half), ground_truth.images[: 7 * 7]
    guided = GuidedBrighten(GuidedPreset())
    assert training_columns(guided, requests, images)["correct_in_training"].mean() > 0.9
    assert training_columns(guided, requests, images.flip(0))["correct_in_training"].mean() < 0.3
    assert training_columns(GuidedBrighten(GuidedPreset(classifier="gone")), requests, images) == {}
    assert training_columns(brighten, requests, images) == training_columns(baselines.NoOp(), requests, images) == {}
    guided.card = WeightsCard("brighten", "smoke", {}, 3, {}, 0, requires={"emotion_cnn-synthetic": "of another"})
    assert training_columns(guided, requests, images) == {}  # other weights have this name now
    guided.card = None
    summary = evaluate(guided, half, panel, out, name="guided")
    assert 0 <= summary["training_accuracy"]["estimate"] <= 1


# ------------------------------------------------------------------------------------------------ independent judges


def test_a_generator_that_depends_on_a_judge_is_refused(benchmark, panel, out, brighten):
    digest = panel.emotion[0].sha256
    brighten.card = WeightsCard("brighten", "smoke", {}, 3, {}, 0, requires={"classifier": digest})
    with pytest.raises(CannotEvaluate, match="on the judge emotion_resnet-synthetic"):
        evaluate(brighten, benchmark, panel, out)
    brighten.card = dataclasses.replace(brighten.card, requires={}, started_from={"classifier": digest})
    with pytest.raises(CannotEvaluate, match="depends on classifier, and so on the judge emotion_resnet-synthetic"):
        evaluate(brighten, benchmark, panel, out)
    brighten.card = dataclasses.replace(brighten.card, requires={"encoder": "some other network"}, started_from={})
    panel.check_impartial(brighten)


def test_weights_of_a_judge_are_no_generator(panel, out):
    with pytest.raises(CannotEvaluate, match="IdentityNet, which does not edit faces"):
        evaluate_weights(["identity-synthetic"], out, panel=panel)


def test_the_memory_layout_of_a_generators_weights_does_not_count():
    generator = nn.Sequential(nn.Conv2d(3, 4, 3))
    before = _fingerprint(generator)
    assert _fingerprint(generator.to(memory_format=torch.channels_last)) == before
    nn.init.zeros_(generator[0].bias)
    assert _fingerprint(generator) != before
