import dataclasses
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
    evaluate,
    evaluate_weights,
    leaderboard,
    read_rows,
    references,
    synthetic_benchmark,
    to_text,
)
from facekit.evaluation.benchmark.benchmarks import (
    LEVELS,
    adapted,
    answer,
    full_requests,
    self_requests,
    sweep_requests,
)
from facekit.evaluation.benchmark.measures import BEST_PSNR, edit_rows, measured_level
from facekit.evaluation.benchmark.summary import edits_summary
from facekit.evaluation.judges import EmotionJudge
from facekit.evaluation.metrics.identity import edit_success
from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import DOMAINS, Expression
from facekit.models.system import Generator, Preset
from facekit.weights.store import WeightsCard

FACES = 14
COST = {"parameters", "weights_bytes", "edits_per_second", "latency_ms", "made"}


@dataclasses.dataclass(frozen=True)
class TowardsPreset(Preset):
    size: int = 48


class Towards(Generator):
    """Brightens faces by a learned number; counts the pictures that it was asked for."""

    name = "towards"
    understands = frozenset({"emotion"})
    presets: ClassVar = {"smoke": TowardsPreset()}
    target, most = 0, 10**9

    def __init__(self, preset, channels=3):
        super().__init__(preset, channels)
        self.amount = nn.Parameter(torch.tensor(0.1))

    def edit(self, faces, expression, *, source=None, seed=0):
        expression.require(self.understands, "Towards")
        self.target += len(faces)
        if self.target > self.most:
            raise KeyboardInterrupt
        return (faces.images + self.amount).clamp(-1, 1).detach()


@pytest.fixture
def towards():
    return Towards(TowardsPreset())


@pytest.fixture(scope="module")
def panel():
    return Panel.load()


@pytest.fixture(scope="module")
def benchmark():
    return synthetic_benchmark(FACES, size=48)


@pytest.fixture(scope="module")
def half(benchmark):
    """The first seven of the exam's faces, to which the same key belongs."""
    return dataclasses.replace(benchmark, faces=benchmark.faces[:7])


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("evaluation")


@pytest.fixture(scope="module")
def key(benchmark, panel, out):
    return GroundTruth.cached(benchmark, panel, out / benchmark.name / "truth.safetensors")


@pytest.fixture(scope="module")
def rows(benchmark, panel, out, key):
    """The summaries of the reference rows, by name; intensities of two of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facekit.evaluation.benchmark.benchmarks.SWEPT", 3)
        swept = {"copy", "ground truth"}
        return {
            reference.name: evaluate(reference, benchmark, panel, out, intensities=reference.name in swept)
            for reference in references(benchmark)
        }


def estimate(summary, name):
    value = summary[name]
    return value["estimate"] if isinstance(value, dict) else value


# ---------------------------------------------------------------------------------------------------- questions


def test_each_person_is_asked_once_with_emotions_in_turn(benchmark):
    assert benchmark.faces.person.unique().numel() == FACES
    assert torch.bincount(benchmark.faces.emotion).tolist() == [2] * 7
    assert not set(benchmark.others.person.tolist()) & set(benchmark.faces.person.tolist())
    first, second = benchmark.others[:256], benchmark.others[256:]
    assert torch.equal(first.person, second.person)
    assert (first.emotion != second.emotion).all()


def test_what_a_face_shows_already_has_itself_as_the_answer(benchmark):
    requests = self_requests(benchmark)
    assert torch.equal(benchmark.truth(requests.rows, requests.expression), benchmark.faces.images)


def test_an_exam_may_ask_for_some_emotions_of_faces_that_show_them():
    benchmark = synthetic_benchmark(6, size=32, emotions=("happy", "neutral", "surprise"))
    named = [EMOTIONS.index(name) for name in ("happy", "surprise", "neutral")]
    assert torch.bincount(benchmark.faces.emotion)[named].tolist() == [2, 2, 2]
    assert benchmark.name == "synthetic-32px-6-happy-surprise-neutral"
    requests = full_requests(benchmark)
    assert requests.target.tolist() == named * 6
    assert torch.equal(requests.answers, torch.arange(18))
    assert requests[requests.rest].target.eq(EMOTIONS.index("neutral")).all()
    for wrong in (("happy", "sad"), ("neutral",), ("neutral", "contempt")):
        with pytest.raises(CannotEvaluate, match=f"named were {', '.join(wrong)}"):
            synthetic_benchmark(6, size=32, emotions=wrong)


def test_an_exam_may_be_of_cartoons_and_ask_for_photographs():
    names = set()
    for domain, towards in (("photo", None), ("cartoon", None), ("cartoon", "photo"), ("photo", "photo")):
        benchmark = synthetic_benchmark(3, size=32, domain=domain, towards=towards)
        names.add(benchmark.name)
        goal = towards or domain
        assert benchmark.faces.domain.eq(DOMAINS.index(domain)).all()
        target = Expression.of("happy")
        drawn = SyntheticFaces("test", people=300, faces_per_person=7, size=32, domain=domain)
        own = [
            int(((drawn.persons == person) & (drawn.labels == emotion)).nonzero())
            for person, emotion in zip(benchmark.faces.person, benchmark.faces.emotion, strict=True)
        ]
        wanted = drawn.counterfactual(own, target.with_domain(goal)).images
        assert torch.equal(benchmark.truth(torch.arange(3), target.for_faces(3)), wanted)
        if towards is None:
            requests = self_requests(benchmark)
            assert torch.equal(benchmark.truth(requests.rows, requests.expression), benchmark.faces.images)
    assert len(names) == 3  # that of a photograph as a photograph is the usual one
    told = []

    class Told(baselines.Copy):
        understands = frozenset({"emotion", "domain"})

        def edit(self, faces, expression, *, source=None, seed=0):
            told.append(expression.domain)
            return faces.images

    answer(Told(), benchmark, full_requests(benchmark))
    answer(baselines.Copy(), benchmark, full_requests(benchmark))
    assert told[0].tolist() == [DOMAINS.index("photo")] * 21


def test_the_sweep_asks_every_level_of_every_emotion(benchmark):
    requests = sweep_requests(benchmark)
    assert len(requests) == FACES * 6 * 9
    assert requests.level[:9].tolist() == list(LEVELS) == [i / 8 for i in range(9)]
    assert EMOTIONS.index("neutral") not in requests.target


def test_expressions_are_said_in_the_parts_that_are_understood():
    target = Expression.of("happy", 0.25)
    assert adapted(target, {"emotion", "intensity"}) is target
    assert adapted(target, {"emotion"}).parts == {"emotion"}
    assert adapted(target, {"emotion"}).emotion[0, EMOTIONS.index("neutral")] == 0.75
    assert adapted(target, {"action_units"}).parts == {"action_units"}


def test_answers_do_not_depend_on_the_batch(benchmark):
    requests = full_requests(benchmark)[:9]
    for reference in references(benchmark):
        together = answer(reference, benchmark, requests)
        torch.testing.assert_close(together[4:5], answer(reference, benchmark, requests[4:5]))
    noise = answer(baselines.Noise(), benchmark, requests)
    assert not torch.equal(noise[0], noise[-1])  # another face, other noise


def test_generators_are_not_shown_the_answer(benchmark):
    class Curious(baselines.Copy):
        def edit(self, faces, expression, *, source=None, seed=0):
            assert faces.action_units is None
            assert faces.landmarks is None
            assert faces.mask is None
            assert not faces.attributes
            assert source.parts == {"emotion", "intensity"}
            return faces.images

    answer(Curious(), benchmark, full_requests(benchmark)[:3])


@pytest.mark.parametrize("spoil", [lambda images: images[..., :32], lambda images: images / 0])
def test_pictures_that_are_none_are_refused(benchmark, spoil):
    class Broken(baselines.Copy):
        name = "broken"

        def edit(self, faces, expression, *, source=None, seed=0):
            return spoil(faces.images)

    with pytest.raises(CannotEvaluate, match="broken answered faces"):
        answer(Broken(), benchmark, full_requests(benchmark)[:3])


# ------------------------------------------------------------------------------------------------------- ranking


def test_the_reference_rows_rank_where_they_should(rows):
    table = leaderboard(list(rows.values()))
    assert table.name[0] == "ground truth"
    assert table.name.iloc[-1] == "noise"
    assert table.edit_success[0] > 0.8
    assert (table.edit_success[1:] < 0.2).all()


def test_the_truth_is_the_ceiling(rows):
    truth = rows["ground truth"]
    assert estimate(truth, "relative_error") == 0
    assert estimate(truth, "au_direction_accuracy") == 1
    assert estimate(truth, "au_error") == pytest.approx(0, abs=1e-6)
    assert estimate(truth, "distance") == pytest.approx(0, abs=1e-6)
    assert estimate(truth, "ssim") == pytest.approx(1)
    assert estimate(truth, "psnr") == estimate(truth, "self_psnr") == pytest.approx(BEST_PSNR)
    assert estimate(truth, "fid") == pytest.approx(0, abs=0.05)
    assert estimate(truth, "spearman") > 0.9
    assert estimate(truth, "level_error") < 0.15


def test_a_copy_changes_nothing_and_keeps_everything(rows):
    copy = rows["copy"]
    assert estimate(copy, "relative_error") == estimate(copy, "relative_error_median") == 1
    assert estimate(copy, "identity_preserved") == 1
    assert estimate(copy, "au_direction_accuracy") == estimate(copy, "cosine") == 0
    assert estimate(copy, "ratio") == pytest.approx(0, abs=1e-3)
    assert estimate(copy, "self_psnr") == pytest.approx(BEST_PSNR)
    assert estimate(copy, "accuracy") == pytest.approx(1 / 7, abs=0.05)
    assert estimate(copy, "spearman") == 0
    assert estimate(copy, "level_error") > 2 * estimate(rows["ground truth"], "level_error")


def test_a_training_face_shows_the_emotion_on_another_person(rows):
    other = rows["retrieval"]
    assert estimate(other, "accuracy") > 0.8
    assert estimate(other, "identity_preserved") < 0.2
    assert estimate(other, "relative_error") > 1
    assert estimate(other, "fid") < estimate(rows["noise"], "fid")
    assert other["recall"].keys() == set(EMOTIONS[:7])


def test_noise_is_worst(rows):
    for name, summary in rows.items():
        if name != "noise":
            assert estimate(rows["noise"], "relative_error") > estimate(summary, "relative_error")
            assert estimate(rows["noise"], "ssim") < estimate(summary, "ssim")
    assert estimate(rows["noise"], "self_psnr") < 12


def test_intervals_hold_their_estimates(rows):
    for summary in rows.values():
        for name, value in summary.items():
            # F1 is no mean: among few people, resamples are off to one side.
            if isinstance(value, dict) and "low" in value and name != "f1":
                assert value["low"] <= value["estimate"] <= value["high"]
    accuracy = rows["retrieval"]["edit_success"]
    assert accuracy["high"] < 0.5


def test_the_printed_table_names_everyone(rows):
    text = to_text(leaderboard(list(rows.values())))
    assert all(name in text for name in rows)
    assert "100.0%" in text
    assert "nan" not in text


# -------------------------------------------------------------------------------------------------------- tables


def test_the_table_holds_a_row_an_edit(rows, benchmark, out):
    table = read_rows(out / benchmark.name / "training-face", "edits")
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
    assert estimate(rows["retrieval"], "edit_success") == pytest.approx(expected)


def test_nothing_is_told_relative_to_no_change(rows, benchmark, out):
    table = read_rows(out / benchmark.name / "copy", "edits")
    rest = (table.target == "neutral") & (table.input_emotion == "neutral")
    assert rest.sum() == 2
    relative = ["relative_error", "changed_psnr", "cosine", "ratio", "au_direction_accuracy", "edit_success"]
    assert table.loc[rest, relative].isna().all(axis=None)
    assert table.loc[table.target != table.input_emotion, relative].notna().all(axis=None)
    assert table.strength.isna().equals(table.target == "neutral")


def test_a_level_is_0_at_rest_and_1_in_full(benchmark, key):
    requests = full_requests(benchmark)
    emotional = requests.target != EMOTIONS.index("neutral")
    full = measured_level(key, requests, key.truth["action_units"])
    assert full[emotional].tolist() == pytest.approx([1] * emotional.sum().item(), abs=1e-5)
    rest = key.truth["action_units"][requests.rest]
    assert measured_level(key, requests, rest)[emotional].abs().max() < 1e-5
    half = (rest + key.truth["action_units"]) / 2
    assert measured_level(key, requests, half)[emotional].tolist() == pytest.approx([0.5] * 12 * 7, abs=1e-5)


def test_further_judges_stand_beside_the_first(benchmark, key, panel):
    other = EmotionJudge.load("emotion_resnet-fer2013")
    wider = dataclasses.replace(panel, emotion=[*panel.emotion, other])
    requests = full_requests(benchmark)[:14]
    table, said = edit_rows(benchmark, key, wider, requests, key.images[:14])
    agree = (table["predicted_emotion_resnet-fer2013"] == table.target) == table["correct_emotion_resnet-fer2013"]
    assert agree.all()
    accuracy = edits_summary(table)["accuracy_emotion_resnet-fer2013"]["estimate"]
    assert accuracy == table["correct_emotion_resnet-fer2013"].mean()
    assert len(said["features"]) == 14


# ------------------------------------------------------------------------------------------- what is made once


def test_what_is_done_is_not_done_again(rows, benchmark, panel, out, monkeypatch):
    monkeypatch.setattr(baselines.Copy, "edit", None)
    monkeypatch.setattr(GroundTruth, "make", None)
    assert evaluate(baselines.Copy(), benchmark, panel, out, intensities=True) == rows["copy"]
    with pytest.raises(TypeError):
        evaluate(baselines.Copy(), benchmark, panel, out, again=True, name="another copy")


def test_the_same_numbers_come_twice(rows, benchmark, panel, out, key, tmp_path):
    place = tmp_path / benchmark.name
    place.mkdir()
    (place / "truth.safetensors").write_bytes((out / benchmark.name / "truth.safetensors").read_bytes())
    again = evaluate(baselines.Retrieval(benchmark.training), benchmark, panel, tmp_path)
    assert {k: v for k, v in again.items() if k not in COST} == {
        k: v for k, v in rows["retrieval"].items() if k not in COST
    }
    first, second = (folder / benchmark.name / "training-face" / "edits.csv" for folder in (out, tmp_path))
    assert first.read_bytes() == second.read_bytes()


def test_an_interrupted_evaluation_goes_on_after_its_last_batch(half, panel, out, key, towards, monkeypatch):
    monkeypatch.setattr("facekit.evaluation.benchmark.run.BATCH", 32)
    towards.most = 40
    with pytest.raises(KeyboardInterrupt):
        evaluate(towards, half, panel, out, name="stopped")
    folder = out / half.name / "stopped"
    assert [path.name for path in (folder / "pictures" / "edits").iterdir()] == ["00000.npy"]
    assert not (folder / "summary.json").exists()
    towards.target, towards.most = 0, 10**9
    summary = evaluate(towards, half, panel, out, name="stopped")
    assert towards.target == (49 - 32) + 7 + 4 + 32  # the rest, itself, and the timing
    assert summary["parameters"] == 1
    assert summary["weights_bytes"] == 2
    assert summary["edits_per_second"] > 0


def test_changed_weights_are_measured_again_and_changed_judges_read_again(half, panel, out, key, towards, monkeypatch):
    monkeypatch.setattr("facekit.evaluation.benchmark.run._cost", lambda generator, benchmark: {})
    before = evaluate(towards, half, panel, out, name="changing")
    assert towards.target == 49 + 7
    with torch.no_grad():
        towards.amount.fill_(0.5)
    after = evaluate(towards, half, panel, out, name="changing")
    assert towards.target == 2 * (49 + 7)
    assert estimate(after, "relative_error") > estimate(before, "relative_error")
    renamed = EmotionJudge(panel.emotion[0].system, name="another judge")
    others = dataclasses.replace(panel, emotion=[renamed])
    key_of_others = dataclasses.replace(
        key,
        truth=key.truth | {"emotion another judge": key.truth[f"emotion {panel.emotion[0].name}"]},
    )
    monkeypatch.setattr(GroundTruth, "make", lambda benchmark, panel: key_of_others)
    monkeypatch.setattr(GroundTruth, "_write", lambda *arguments: None)
    read_again = evaluate(towards, half, others, out, name="changing")
    assert towards.target == 2 * (49 + 7)
    assert read_again["edit_success"] == after["edit_success"]


def test_the_key_comes_back_from_its_file_as_it_was(benchmark, panel, out, key, monkeypatch):
    monkeypatch.setattr(GroundTruth, "make", None)
    again = GroundTruth.cached(benchmark, panel, out / benchmark.name / "truth.safetensors")
    assert torch.equal(again.images, key.images)
    assert again.thresholds == key.thresholds
    for name, value in key.truth.items():
        assert torch.equal(again.truth[name], value)


def test_the_leaderboard_has_the_reference_rows_and_goes_to_a_file(rows, benchmark, panel, out, monkeypatch):
    monkeypatch.setattr(
        "facekit.evaluation.benchmark.table.synthetic_benchmark", lambda faces, size, channels: benchmark
    )
    told = []
    tables = evaluate_weights([], out, panel=panel, faces=FACES, log=told.append)
    assert told == []  # all is there
    table = tables[benchmark.name]
    assert set(table.name) == set(rows)
    header = (out / benchmark.name / "leaderboard.csv").read_text().splitlines()[0].split(",")
    assert {"name", "edit_success", "edit_success_low", "fid", "recall_happy"} <= set(header)
    assert np.isfinite(table.relative_error).all()


# ------------------------------------------------------------------------------------------------ who may be judged


def test_who_was_made_with_a_judge_is_refused_by_it(benchmark, panel, out, towards):
    digest = panel.emotion[0].sha256
    towards.card = WeightsCard("towards", "smoke", {}, 3, {}, 0, requires={"classifier": digest})
    with pytest.raises(CannotEvaluate, match="leads to emotion_resnet-synthetic"):
        evaluate(towards, benchmark, panel, out)
    towards.card = dataclasses.replace(towards.card, requires={}, started_from={"classifier": digest})
    with pytest.raises(CannotEvaluate, match="made with classifier, which leads to emotion_resnet-synthetic"):
        evaluate(towards, benchmark, panel, out)
    towards.card = dataclasses.replace(towards.card, requires={"encoder": "some other network"}, started_from={})
    panel.check_impartial(towards)


def test_weights_that_read_faces_are_no_generator(panel, out):
    with pytest.raises(CannotEvaluate, match="IdentityNet, which reads faces"):
        evaluate_weights(["identity-synthetic"], out, panel=panel)
