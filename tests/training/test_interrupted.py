"""The check that killed runs end in the same weights, on a short run."""

import pytest

from facekit.training import interrupted
from facekit.training.interrupted import kill_training


def test_a_training_that_is_killed_equals_one_in_one_piece(tmp_path):
    outcome = kill_training("emotion_cnn", tmp_path, kills=2, seed=1)
    assert len(outcome.moments) == 2
    assert outcome.differs == []


def test_differences_are_found(tmp_path, monkeypatch):
    digests = iter(["one", "another"])

    class Card:
        @property
        def sha256(self):
            return next(digests)

    monkeypatch.setattr(interrupted, "read_card", lambda path: Card())
    monkeypatch.setattr(interrupted, "read_log", lambda folder: [{"step": 1, "seconds": hash(folder)}])
    monkeypatch.setattr(interrupted, "_run", lambda *command: 1.0)
    assert kill_training("emotion_cnn", tmp_path, kills=0).differs == ["weights"]


def test_a_run_that_fails_by_itself_is_reported(tmp_path):
    with pytest.raises(RuntimeError, match="failed by itself"):
        kill_training("no_such_system", tmp_path, kills=1)
