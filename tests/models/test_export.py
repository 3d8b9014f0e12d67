"""ONNX files: equal to the networks that they were written from, readable without facekit, refused where impossible."""

import importlib.util
import json

import numpy as np
import onnxruntime
import pytest
import torch

from facekit import cli
from facekit.faces import ACTION_UNIT_COLUMNS, EMOTIONS, Expression, Faces
from facekit.models.export import CannotExport, export_onnx
from facekit.models.gans.landmark_transfer import LandmarkTransfer
from facekit.models.load import load_system
from facekit.models.system import system_class

ONE_LEVEL = 1 / 127.5


def opened(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def noise(system, seed=0):
    size, generator = system.preset.size, torch.Generator().manual_seed(seed)
    return torch.rand(1, system.channels, size, size, generator=generator) * 2 - 1


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("stargan-synthetic", "emotion"),
        ("mma_gan-synthetic", "emotion"),
        ("lgp_gan-synthetic", "emotion"),
        ("ganimation-synthetic", "action_units"),
        ("adversarial_editor-synthetic", "action_units"),
        ("cascaded_editor-synthetic", "action_units"),
    ],
)
def test_a_generator_edits_as_in_pytorch(tmp_path, name, part):
    system = load_system(name)
    session = opened(export_onnx(system, tmp_path / "x.onnx"))
    assert [each.name for each in session.get_inputs()] == ["image", part]
    for seed, target in enumerate((Expression.of("sad", 0.7), Expression.neutral(), Expression.of("surprise"))):
        target = target.to_action_units() if part == "action_units" else target.intensity_to_weights()
        label = getattr(target, part)
        (edited,) = session.run(None, {"image": noise(system, seed).numpy(), part: label.numpy()})
        difference = torch.from_numpy(edited) - system.edit(Faces(noise(system, seed)), target)
        assert difference.abs().max() < ONE_LEVEL
    known = session.get_modelmeta().custom_metadata_map
    assert (known["weights"], known["sha256"]) == (name, system.card.sha256)
    assert json.loads(known["columns"]) == list(ACTION_UNIT_COLUMNS if part == "action_units" else EMOTIONS)


@pytest.mark.parametrize("name", ["emotion_resnet-synthetic", "landmarks-synthetic_estimator"])
def test_a_judge_predicts_as_in_pytorch(tmp_path, name):
    system = load_system(name)
    (predicted,) = opened(export_onnx(system, tmp_path / "x.onnx")).run(None, {"image": noise(system).numpy()})
    expected = system.predict(noise(system)).flatten(1)
    np.testing.assert_allclose(predicted.reshape(1, -1), expected.numpy(), atol=1e-3)


def test_weights_that_are_exact_in_half_precision_are_stored_so(tmp_path):
    system = load_system("stargan-synthetic")
    path = export_onnx(system, tmp_path / "x.onnx")
    floats = 4 * sum(p.numel() for p in system.generator.parameters())
    assert path.stat().st_size < 0.6 * floats


def test_what_cannot_be_exported_is_refused(tmp_path, capsys, monkeypatch):
    path = tmp_path / "x.onnx"
    with pytest.raises(CannotExport, match="samples in 20 steps"):
        export_onnx(load_system("label_diffusion-synthetic"), path)
    with pytest.raises(CannotExport, match="conditioned on landmarks"):
        export_onnx(LandmarkTransfer(LandmarkTransfer.presets["smoke"]), path)
    motion = system_class("motion_gan")
    with pytest.raises(CannotExport, match="motion_gan is no generator, and no network that predicts"):
        export_onnx(motion(motion.presets["smoke"]), path)
    assert cli.main(["export", "label_diffusion-synthetic", str(path)]) == 2
    assert "samples in 20 steps" in capsys.readouterr().err
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CannotExport, match="pip install 'onnx"):
        export_onnx(load_system("stargan-synthetic"), path)
    assert not path.exists()


def test_the_command_writes_a_file(tmp_path, capsys):
    assert cli.main(["export", "stargan-synthetic", str(tmp_path / "x.onnx")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "x.onnx")
    assert opened(tmp_path / "x.onnx")
