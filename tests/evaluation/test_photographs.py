"""The protocol on photographs: without ground truth, and with that of pairs. Drawn faces stand in for photographs."""

import csv
import dataclasses

import pytest
import torch

from facekit.datasets.base import DatasetMissing
from facekit.datasets.synthetic import SyntheticFaces
from facekit.evaluation.benchmark import (
    CannotEvaluate,
    Panel,
    baselines_for,
    by_view,
    evaluate,
    evaluate_weights,
    pairs_benchmark,
    photograph_benchmark,
    to_text,
)
from facekit.evaluation.benchmark.requests import full_requests
from facekit.evaluation.benchmark.run import read_rows
from facekit.evaluation.judges import IdentityJudge, LandmarkJudge
from facekit.evaluation.metrics.identity import OvalRecogniser, acceptance_threshold
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, to_uint8
from facekit.faces.landmarks import LEFT_EYE, RIGHT_EYE
from facekit.show import to_image

FACES = 8
PEOPLE = 12  # in the pairs


@pytest.fixture(scope="module")
def data_home(tmp_path_factory):
    """A data folder with a small FER-2013, in which every image shows another person, and with pairs."""
    home = tmp_path_factory.mktemp("data")
    (home / "fer2013").mkdir()
    with (home / "fer2013" / "fer2013.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["emotion", "pixels", "Usage"])
        for split, usage, people in (("train", "Training", 14), ("test", "PrivateTest", 40)):
            drawn = SyntheticFaces(split, people=people, faces_per_person=1, size=48, channels=1).faces(range(people))
            for image, emotion in zip(to_uint8(drawn.images), drawn.emotion.tolist(), strict=True):
                rows.writerow([emotion, " ".join(map(str, image.flatten().tolist())), usage])
    drawn = SyntheticFaces("test", people=PEOPLE, faces_per_person=1, size=64, channels=1)
    for name in ("neutral", "happy"):
        shown = drawn.counterfactual(range(PEOPLE), Expression.of(name)).images
        for person, image in enumerate(shown):
            (home / "pairs" / f"{person:02d}").mkdir(parents=True, exist_ok=True)
            to_image(image).save(home / "pairs" / f"{person:02d}" / f"{name}.png")
    return home


@pytest.fixture(autouse=True)
def _home(data_home, monkeypatch):
    monkeypatch.setenv("FACEKIT_DATA", str(data_home))


@pytest.fixture(scope="module")
def panel():
    """As with a folder of external judges: here the recogniser is the suite's own, limited to the oval of the face."""
    judges = Panel.load(photographs=True)
    return Panel(judges.emotion, [OvalRecogniser(IdentityJudge.load("identity-synthetic"))], None)


@pytest.fixture(scope="module")
def measured(data_home, panel, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEKIT_DATA", str(data_home))
        tables = evaluate_weights([], out, panel=panel, data="fer2013", faces=FACES)
    (name,) = tables
    return out / name, tables[name].set_index("name")


def test_the_sample_of_faces_is_fixed_and_the_others_are_other_identities():
    first, second = photograph_benchmark("fer2013", FACES), photograph_benchmark("fer2013", FACES)
    assert torch.equal(first.faces.images, second.faces.images)
    assert first.config == second.config
    assert (first.faces.emotion >= 0).all()
    assert len(first.faces) == FACES
    assert len(first.others) == 40 - FACES
    assert not set(first.faces.person.tolist()) & set(first.others.person.tolist())
    assert first.ground_truth is None
    assert torch.equal(first.real.images, first.others.images)  # too few for a third part


def test_edits_are_compared_with_photographs_of_a_third_part(monkeypatch):
    monkeypatch.setattr("facekit.evaluation.benchmark.benchmarks.PHOTOGRAPHS", 12)
    benchmark = photograph_benchmark("fer2013", FACES)
    parts = [set(part.person.tolist()) for part in (benchmark.faces, benchmark.others, benchmark.real)]
    assert [len(part) for part in parts] == [FACES, 12, 40 - FACES - 12]
    assert len(set.union(*parts)) == 40


def test_too_few_faces_and_a_missing_dataset_are_errors(monkeypatch, tmp_path):
    with pytest.raises(CannotEvaluate, match=r"40 identities with labels.*--faces"):
        photograph_benchmark("fer2013", 40)
    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path))
    with pytest.raises(DatasetMissing):
        photograph_benchmark("fer2013", FACES)


def test_baselines_rank_where_they_should(measured):
    _, table = measured
    assert set(table.index) == {"held-out retrieval baseline", "retrieval baseline", "no-op baseline", "noise baseline"}
    assert table.identity_preserved["no-op baseline"] == 1
    assert table.identity_auc["no-op baseline"] > 0.99
    assert table.identity_auc["held-out retrieval baseline"] < 0.8
    assert table.accuracy["no-op baseline"] == pytest.approx(1 / 7, abs=0.01)  # its own emotion is one of seven targets
    assert table.f1["held-out retrieval baseline"] > 0.3 > table.f1["no-op baseline"]
    assert table.self_psnr["no-op baseline"] > 50


def test_metrics_that_need_ground_truth_are_left_out(measured):
    folder, table = measured
    rows = read_rows(folder / "no-op-baseline", "edits")
    assert len(rows) == FACES * len(PROTOCOL_EMOTIONS)
    assert not {"relative_error", "psnr", "au_direction_accuracy", "intensity"} & set(rows)
    assert table.relative_error.isna().all()
    text = to_text(table.reset_index())
    assert "relative error" not in text
    assert "identity AUC" in text


def test_f1_is_reported_by_emotion(measured):
    _, table = measured
    by_emotion = [table[f"f1_by_emotion_{name}"]["held-out retrieval baseline"] for name in PROTOCOL_EMOTIONS]
    assert sum(by_emotion) / 7 == pytest.approx(table.f1["held-out retrieval baseline"], abs=1e-6)


def test_intensities_cannot_be_measured_on_photographs(panel, tmp_path):
    benchmark = photograph_benchmark("fer2013", FACES)
    with pytest.raises(CannotEvaluate, match="leave the intensities out"):
        evaluate(baselines_for(benchmark)[-2], benchmark, panel, tmp_path, intensities=True)


def test_a_folder_of_judges_needs_no_judge_of_landmarks(tmp_path, monkeypatch):
    class OnDisk:
        name, sha256 = "on disk", "0" * 64

        def __init__(self, path):
            path.read_bytes()  # raises FileNotFoundError, as the real ones do

    kinds = ("emotion", "identity", "landmarks")
    monkeypatch.setattr(
        "facekit.evaluation.benchmark.panel.EXTERNAL_JUDGES", {kind: (f"{kind}.onnx", OnDisk, {}) for kind in kinds}
    )
    (tmp_path / "emotion.onnx").touch()
    with pytest.raises(FileNotFoundError):
        Panel.load(tmp_path, photographs=True)
    (tmp_path / "identity.onnx").touch()
    assert Panel.load(tmp_path, photographs=True).landmarks is None
    (tmp_path / "landmarks.onnx").touch()
    assert isinstance(Panel.load(tmp_path, photographs=True).landmarks, OnDisk)
    assert isinstance(Panel.load(tmp_path).landmarks, LandmarkJudge)  # the suite's own, trained on drawn faces


def test_results_are_given_by_the_view_of_the_input(panel, tmp_path):
    class Landmarks:
        name, sha256 = "landmarks", "0" * 64

        def landmarks(self, faces):
            points = torch.zeros(len(faces), 68, 2)
            points[:, LEFT_EYE, 0], points[:, RIGHT_EYE, 0] = -0.3, 0.3
            points[::2, 30, 0] = 0.2  # every second face is turned
            return points

    wider = dataclasses.replace(panel, landmarks=Landmarks())
    (table,) = evaluate_weights([], tmp_path, panel=wider, data="fer2013", faces=FACES).values()
    copies = table.set_index("name").loc["no-op baseline"]
    assert (copies["faces_by_view_turned"], copies["faces_by_view_frontal"]) == (FACES / 2, FACES / 2)
    assert copies["accuracy_by_view_turned"] + copies["accuracy_by_view_frontal"] == pytest.approx(2 * copies.accuracy)
    text = by_view(table)
    assert text.index("target-emotion accuracy") < text.index("turned") < text.index("identity AUC")
    assert "mouth open" not in text  # no such face
    assert by_view(table[["name", "accuracy"]]) == ""


def test_without_a_recogniser_only_emotions_are_measured(tmp_path):
    tables = evaluate_weights([], tmp_path, panel=Panel.load(photographs=True), data="fer2013", faces=FACES)
    (table,) = tables.values()
    assert table.edit_success.isna().all()
    assert table.accuracy.is_monotonic_decreasing
    assert "target-emotion accuracy" in to_text(table)


# ---------------------------------------------------------------------------- pairs: photographs with ground truth


def test_pairs_have_both_targets_and_the_other_photograph_as_ground_truth():
    benchmark = pairs_benchmark()
    assert len(benchmark.faces) == 8
    assert [PROTOCOL_EMOTIONS[i] for i in benchmark.faces.emotion] == ["neutral", "happy"] * 4
    assert sorted(benchmark.others.person.tolist()) == sorted([*range(8, PEOPLE)] * 2)
    requests = full_requests(benchmark)
    assert len(requests) == 16
    assert torch.equal(requests.full_index, torch.arange(16))
    ground_truth = benchmark.ground_truth(requests.rows, requests.expression)
    same = requests.target == benchmark.faces.emotion[requests.rows]
    assert torch.equal(ground_truth[same], benchmark.faces.images)
    other = dataclasses.replace(benchmark.faces, images=ground_truth[~same])
    assert ((other.images - benchmark.faces.images).abs().mean((1, 2, 3)) > 0.005).all()


def test_edits_of_pairs_are_compared_with_the_ground_truth(panel, tmp_path):
    tables = evaluate_weights([], tmp_path, panel=panel, data="pairs")
    ((name, table),) = tables.items()
    table = table.set_index("name")
    assert name == "pairs-48px-grey-8"
    assert list(table.index) == ["ground truth", "no-op baseline", "noise baseline"]
    assert table.relative_error["ground truth"] < 0.02
    assert table.relative_error["no-op baseline"] == pytest.approx(1, abs=1e-3)  # images are rounded to 8 bits
    assert table.relative_error["noise baseline"] > 2
    assert table.identity_preserved[["ground truth", "no-op baseline"]].min() > 0.5
    assert table.accuracy["no-op baseline"] <= 0.5  # one of two targets is its own emotion
    assert {name for name in table if name.startswith("f1_by_emotion")} == {
        "f1_by_emotion_neutral", "f1_by_emotion_happy"
    }  # fmt: skip
    with pytest.raises(CannotEvaluate, match="leave the intensities out"):
        evaluate_weights([], tmp_path, panel=panel, data="pairs", intensities=True)


def test_some_identities_are_needed_for_the_threshold():
    with pytest.raises(CannotEvaluate, match=r"12 identities.*--faces"):
        pairs_benchmark(PEOPLE)


def test_hair_and_background_are_masked_for_the_recogniser():
    shown = []

    class Judge:
        name, sha256 = "judge", ""

        def embed(self, faces):
            shown.append(faces.images)
            return torch.zeros(len(faces), 4)

    judge = OvalRecogniser(Judge())
    judge.embed(Faces(torch.ones(1, 1, 48, 48)))
    (images,) = shown
    assert images[0, 0, 24, 24] == 1
    assert images[0, 0, 0, 0] == images[0, 0, 24, 1] == 0
    assert judge.oval(48).mean() == pytest.approx(torch.pi / 4 * 0.8, abs=0.01)


def test_the_threshold_has_the_false_accept_rate():
    cosines = torch.arange(100) / 100
    assert acceptance_threshold(cosines, 0.05) == pytest.approx(0.94)
    assert (cosines > acceptance_threshold(cosines, 0.05)).float().mean() == pytest.approx(0.05)


def test_retrieval_needs_faces_with_every_emotion():
    benchmark = photograph_benchmark("fer2013", FACES)
    happy = benchmark.others[benchmark.others.emotion == PROTOCOL_EMOTIONS.index("happy")]
    few = dataclasses.replace(benchmark, load_others=lambda: happy, training=None)
    assert [row.name for row in baselines_for(few)] == ["no-op baseline", "noise baseline"]
    assert [row.name for row in baselines_for(benchmark)] == [
        "held-out retrieval baseline", "retrieval baseline", "no-op baseline", "noise baseline"
    ]  # fmt: skip
