import json

import pytest
import torch

from facekit.faces import Expression, read_expression


def saved(path, **content):
    path.write_text(json.dumps({"format": "facekit expression", **content}), encoding="utf-8")
    return path


def test_emotions_are_completed_by_neutral(tmp_path):
    found = read_expression(saved(tmp_path / "e.json", emotions={"sad": 0.7}, action_units={}))
    assert torch.equal(found.emotion, Expression.of("sad", 0.7).intensity_to_weights().emotion)
    assert found.parts == {"emotion"}
    more = read_expression(saved(tmp_path / "e.json", emotions={"sad": 1, "happy": 1}, action_units={}))
    assert torch.equal(more.emotion, Expression.blend({"sad": 1, "happy": 1}).emotion)
    assert torch.equal(read_expression(saved(tmp_path / "e.json")).emotion, Expression.neutral().emotion)


def test_units_that_were_set_replace_those_of_the_emotions(tmp_path):
    path = saved(tmp_path / "e.json", emotions={"happy": 1}, action_units={"AU12L": 0.5, "AU43": 0.2})
    found, happy = read_expression(path), Expression.of("happy").to_action_units()
    change = Expression.from_action_units({"AU12L": 0.5, "AU43": 0.2}).action_units
    left = change > 0
    assert found.parts == {"action_units"}
    assert torch.equal(found.action_units[left], change[left])
    assert torch.equal(found.action_units[~left], happy.action_units[~left])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Dear Sir or Madam", "holds no expression"),
        ("{}", "holds no expression"),
        ("[1]", "holds no expression"),
        ('{"format": "facekit expression", "emotions": {"joyless": 1}}', "joyless"),
        ('{"format": "facekit expression", "action_units": {"AU99": 1}}', "unknown action unit 'AU99'"),
        ('{"format": "facekit expression", "action_units": {"AU12": 7}}', "AU12 is 7; it must be a number from 0 to 1"),
        ('{"format": "facekit expression", "emotions": {"sad": null}}', "sad is None; it must be a number"),
        ('{"format": "facekit expression", "emotions": ["sad"]}', "is no table of values by name"),
    ],
)
def test_other_files_are_refused_in_a_sentence(tmp_path, text, told):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match=told) as error:
        read_expression(tmp_path / "other.json")
    assert "other.json" in str(error.value)
