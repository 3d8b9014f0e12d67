import json
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from facekit.datasets import open_dataset
from facekit.evaluation.external import DeepFaceJudge, OnnxEmotionJudge, OnnxIdentityJudge, OnnxNetwork
from facekit.evaluation.judges import Judge, Recogniser
from facekit.evaluation.metrics.identity import pair_similarities, verification
from facekit.faces.emotions import EMOTIONS, PROTOCOL_EMOTIONS
from facekit.faces.faces import Faces, from_uint8
from facekit.workspace.files import sha256


class Session:
    """Stands in for onnxruntime's: records its input, and returns a fixed output."""

    def __init__(self, shape, output):
        self.shape, self.output, self.given = shape, np.asarray(output, np.float32), None

    def get_inputs(self):
        return [types.SimpleNamespace(name="x", shape=self.shape)]

    def get_outputs(self):
        return [types.SimpleNamespace(name="logits")]

    def run(self, outputs, given):
        self.given = given["x"]
        return [np.repeat(self.output[None], len(self.given), 0)]


@pytest.fixture
def network(tmp_path, monkeypatch):
    """A file in place of an ONNX network, and its session."""
    path = tmp_path / "judge.onnx"
    path.write_bytes(b"onnx")

    def of(shape, output=(0.0,)):
        session = Session(shape, output)
        monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: session)
        return path, session

    return of


def white(n, channels=3, size=32):
    return Faces(torch.ones(n, channels, size, size))


@pytest.mark.parametrize("shape", [["N", 1, 64, 64], ["N", 64, 64, 1], [None, 3, 40, 40], ["N", 40, 40, 3]])
def test_images_are_converted_to_the_shape_of_the_input(network, shape):
    path, session = network(shape)
    OnnxNetwork(path, values=(0, 255))(white(2).images)
    assert session.given.shape == (2, *shape[1:])
    assert np.allclose(session.given, 255)
    assert session.given.dtype == np.float32


def test_black_and_white_have_the_values_of_the_network(network):
    path, session = network(["N", 1, 8, 8])
    black = -torch.ones(1, 1, 8, 8)
    for low, high in ((-1, 1), (0, 1), (0, 255)):
        OnnxNetwork(path, values=(low, high))(black)
        assert np.allclose(session.given, low)


def test_an_input_that_is_no_image_is_refused(network, tmp_path):
    with pytest.raises(ValueError, match=r"judge takes x \['N', 128\]"):
        OnnxNetwork(network(["N", 128])[0])
    with pytest.raises(ValueError, match="size="):
        OnnxNetwork(network(["N", 3, "H", "W"])[0])
    assert OnnxNetwork(network(["N", 3, "H", "W"])[0], size=20).size == 20
    with pytest.raises(FileNotFoundError, match=r"none\.onnx"):
        OnnxNetwork(tmp_path / "none.onnx")


def test_probabilities_are_in_the_order_of_the_protocol(network):
    labels = ["neutral", "happiness", "contempt", "anger"]
    path, _ = network(["N", 1, 8, 8], [0.1, 0.5, 0.2, 0.2])
    probabilities = OnnxEmotionJudge(path, labels).probabilities(white(2))[0]
    by_name = dict(zip(PROTOCOL_EMOTIONS, probabilities.tolist(), strict=True))
    assert by_name["happy"] == pytest.approx(0.5 / 0.8)
    assert by_name["neutral"] == pytest.approx(0.1 / 0.8)
    assert by_name["sad"] == 0
    assert sum(by_name.values()) == pytest.approx(1)


def test_logits_are_distinguished_from_probabilities(network):
    path, _ = network(["N", 1, 8, 8], [0, 0, 0, 3.0, 0, 0, 0])
    probabilities = OnnxEmotionJudge(path, PROTOCOL_EMOTIONS).probabilities(white(1))[0]
    torch.testing.assert_close(probabilities, torch.tensor([0, 0, 0, 3.0, 0, 0, 0]).softmax(0))


def test_labels_and_options_from_the_file_beside_the_network(network):
    path, session = network(["N", 1, 8, 8], np.eye(7)[2])
    with pytest.raises(ValueError, match=r"order of the emotions .*judge\.json"):
        OnnxEmotionJudge(path)
    path.with_suffix(".json").write_text(json.dumps({"labels": list(PROTOCOL_EMOTIONS), "values": [0, 1]}))
    judge = OnnxEmotionJudge(path)
    assert judge.probabilities(white(1)).argmax() == 2
    assert np.allclose(session.given, 1)
    assert isinstance(judge, Judge)
    assert judge.sha256 == sha256(path)


def test_too_few_labels_are_refused(network):
    path, _ = network(["N", 1, 8, 8], np.eye(7)[2])
    with pytest.raises(ValueError, match="7 outputs per face, but 2 labels"):
        OnnxEmotionJudge(path, ["happy", "sad"]).probabilities(white(1))


def test_external_embeddings_have_length_one(network):
    judge = OnnxIdentityJudge(network(["N", 3, 8, 8], [3.0, 4.0])[0])
    assert isinstance(judge, Recogniser)
    assert judge.embed(white(1))[0].tolist() == pytest.approx([0.6, 0.8])


# ------------------------------------------------------------------------------------------------- real networks


def test_a_real_emotion_classifier_on_real_faces(outside, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path))  # where the parsed csv is cached
    judge = OnnxEmotionJudge(outside("judges/fer_mini_xception.onnx"), PROTOCOL_EMOTIONS)
    dataset = open_dataset("fer2013", "valid", path=outside("data/fer2013/fer2013.csv.gz"))
    faces = dataset.faces(range(0, 3589, 6))
    accuracy = (judge.probabilities(faces).argmax(1) == faces.emotion).float().mean().item()
    assert 0.55 < accuracy < 0.75  # its authors report 0.66 on another split


def test_a_real_recogniser_verifies_real_identities(outside):
    """The archive holds two photographs of each person: neutral and happy."""
    with zipfile.ZipFile(outside("data/muxspace_pairs/muxspace_pairs.zip")) as archive:
        names = [name for name in sorted(archive.namelist()) if name.endswith(".png")][:200]
        pictures = [np.asarray(Image.open(archive.open(name)).convert("L")) for name in names]
    faces = Faces(from_uint8(torch.from_numpy(np.stack(pictures))[:, None]))
    _, persons = np.unique([name.partition("/")[0] for name in names], return_inverse=True)
    judge = OnnxIdentityJudge(outside("judges/mobileface_v2.onnx"), values=(0, 255))
    assert verification(*pair_similarities(judge.embed(faces), torch.from_numpy(persons))).auc > 0.95


# ------------------------------------------------------------------------------------------------------ DeepFace


@pytest.fixture
def deepface(tmp_path, monkeypatch):
    """A package with the interface of DeepFace, and a home with its weights."""
    calls = []

    def analyze(image, **options):
        calls.append((image, options))
        return [{"emotion": {name: 100.0 * (name == "sad") for name in PROTOCOL_EMOTIONS}}]

    package = types.ModuleType("deepface")
    package.DeepFace = types.SimpleNamespace(analyze=analyze)
    monkeypatch.setitem(sys.modules, "deepface", package)
    monkeypatch.setenv("DEEPFACE_HOME", str(tmp_path))
    weights = tmp_path / ".deepface" / "weights" / "facial_expression_model_weights.h5"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    return calls, weights


def test_deepface_receives_blue_green_red_bytes(deepface):
    calls, _ = deepface
    red = Faces(torch.tensor([1.0, -1, -1])[None, :, None, None].expand(1, 3, 8, 8))
    probabilities = DeepFaceJudge().probabilities(red)
    assert probabilities[0, EMOTIONS.index("sad")] == 1
    image, options = calls[0]
    assert image.shape == (8, 8, 3)
    assert image[0, 0].tolist() == [0, 0, 255]
    assert options["detector_backend"] == "skip"


def test_deepface_never_downloads_its_weights(deepface):
    _, weights = deepface
    weights.unlink()
    with pytest.raises(FileNotFoundError, match="facial_expression_model_weights"):
        DeepFaceJudge()


def test_deepface_missing_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "deepface", None)
    with pytest.raises(ImportError, match=r"facekit\[deepface\]"):
        DeepFaceJudge()
