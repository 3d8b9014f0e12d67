import dataclasses

import pytest
import torch

from facekit.datasets import open_dataset
from facekit.evaluation.judges import (
    ActionUnitJudge,
    EmotionJudge,
    IdentityJudge,
    Judge,
    LandmarkJudge,
    Recogniser,
    is_independent,
)
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.models.system import system_class
from facekit.weights.store import WeightsCard, save_weights

CARD = WeightsCard(system="", profile="smoke", preset={}, channels=3, data={}, steps=0)


@pytest.fixture(scope="module")
def faces():
    return open_dataset("synthetic", "train", people=2, faces_per_person=3, size=64).faces(range(6))


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """New weights of a system, in the folder where weights are found by name."""
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))

    def ship(name):
        kind = system_class(name)
        system = kind(kind.presets["smoke"])
        card = dataclasses.replace(CARD, system=name, preset=dataclasses.asdict(system.preset))
        return save_weights(tmp_path / f"{name}-fresh.safetensors", system.state_dict(), card)

    return ship


def test_an_emotion_judge_by_name(shipped, faces):
    card = shipped("emotion_resnet")
    judge = EmotionJudge.load("emotion_resnet-fresh", temperature=2.0)
    assert isinstance(judge, Judge)
    assert judge.sha256 == card.sha256
    predicted = judge.probabilities(faces)
    assert predicted.shape == (6, 7)
    torch.testing.assert_close(predicted.sum(1), torch.ones(6))
    torch.testing.assert_close(predicted, (judge.logits(faces) / 2).softmax(1))
    assert judge.features(faces).shape == (6, 48)
    for one, other in zip(judge.features_and_probabilities(faces), (judge.features(faces), predicted), strict=True):
        torch.testing.assert_close(one, other)


def test_an_identity_judge_by_name(shipped, faces):
    shipped("identity")
    judge = IdentityJudge.load("identity-fresh")
    assert isinstance(judge, Recogniser)
    torch.testing.assert_close(judge.embed(faces).norm(dim=1), torch.ones(6))


def test_an_action_unit_judge_by_name(shipped, faces):
    shipped("action_units")
    predicted = ActionUnitJudge.load("action_units-fresh").action_units(faces)
    assert predicted.shape == (6, len(ACTION_UNIT_COLUMNS))
    assert predicted.min() >= 0
    assert predicted.max() <= 1


def test_a_landmark_judge_by_name(shipped, faces):
    shipped("landmarks")
    judge = LandmarkJudge.load("landmarks-fresh")
    assert judge.landmarks(faces).shape == (6, 68, 2)
    assert judge.landmarks(faces).abs().max() <= 1


def test_the_wrong_weights_are_refused(shipped):
    shipped("identity")
    with pytest.raises(TypeError, match="EmotionJudge needs a EmotionClassifier, not a IdentityNet"):
        EmotionJudge.load("identity-fresh")


def test_judges_of_dependencies_are_not_independent(shipped):
    shipped("emotion_cnn"), shipped("emotion_resnet")
    e1, e2 = EmotionJudge.load("emotion_cnn-fresh"), EmotionJudge.load("emotion_resnet-fresh")
    free = dataclasses.replace(CARD, system="free")
    guided = dataclasses.replace(CARD, system="guided", requires={"classifier": e1.sha256}, sha256="guided")
    upon = dataclasses.replace(CARD, system="upon", requires={"encoder": "guided"}, sha256="upon")
    assert is_independent(e1, free)
    assert not is_independent(e1, guided)
    assert is_independent(e2, guided)
    assert not is_independent(e1, upon, others=[free, guided])
    assert is_independent(e2, upon, others=[guided, upon])
    after = dataclasses.replace(CARD, system="after", started_from={"guided": "guided"}, sha256="after")
    assert not is_independent(e1, after, others=[guided])
    assert is_independent(e2, after, others=[guided])


def test_cyclic_requirements_terminate(shipped):
    shipped("emotion_cnn")
    judge = EmotionJudge.load("emotion_cnn-fresh")
    one = dataclasses.replace(CARD, requires={"b": "two"}, sha256="one")
    two = dataclasses.replace(CARD, requires={"a": "one"}, sha256="two")
    assert is_independent(judge, one, others=[one, two])
