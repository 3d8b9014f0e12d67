"""External judges: any ONNX network by its path, and DeepFace.

External judges are the most independent ones: no generator of this suite was trained with them. Nothing is downloaded:
if a file is missing, the error names it and the place where it belongs.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.emotions import PROTOCOL_EMOTIONS, emotion_name
from facekit.faces.faces import Faces, resize, to_gray, to_rgb, to_uint8
from facekit.faces.landmarks import mirror_landmarks
from facekit.weights.onnx import open_network
from facekit.workspace.files import read_json, sha256


class OnnxNetwork:
    """An ONNX network that takes one image tensor.

    Layout, (N, C, H, W) or (N, H, W, C), number of channels and size come from the network's input; images are
    converted to them.

    path    the .onnx file
    values  the network's values of black and white: (-1, 1), (0, 1) or (0, 255)
    size    height and width in pixels, for a network with a variable input size
    output  name of the output; the first by default

    Raises what `open_network` raises, and `ValueError` for an input that is no image.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        values: tuple[float, float] = (-1.0, 1.0),
        size: int | None = None,
        output: str | None = None,
    ) -> None:
        self._session = open_network(path)
        self._input = self._session.get_inputs()[0]
        self._outputs = [output or self._session.get_outputs()[0].name]
        self._values = values
        self.name = Path(path).stem
        self.sha256 = sha256(path)
        self._channels_first, self.channels, self.size = self._read_shape(size)

    def _read_shape(self, size: int | None) -> tuple[bool, int, int]:
        shape = self._input.shape
        channels_first = len(shape) == 4 and shape[1] in (1, 3)
        if not channels_first and not (len(shape) == 4 and shape[3] in (1, 3)):
            raise ValueError(
                f"{self.name} takes {self._input.name} {shape}; need (N, C, H, W) or (N, H, W, C), C 1 or 3"
            )
        height = shape[2] if channels_first else shape[1]
        if not isinstance(height, int) and size is None:
            raise ValueError(f"{self.name} has a variable input size: give the size that it was trained with as size=")
        return channels_first, shape[1] if channels_first else shape[3], height if isinstance(height, int) else size

    def __call__(self, images: Tensor, batch: int = 256) -> Tensor:
        """The output (N, K), float32, for images (N, C, H, W) in [-1, 1], on the device of the images."""
        outputs = [self._run(part.detach().cpu().float()) for part in images.split(batch)]
        return torch.cat(outputs).to(images.device)

    def _run(self, images: Tensor) -> Tensor:
        images = resize((to_gray if self.channels == 1 else to_rgb)(images), self.size)
        low, high = self._values
        images = (images + 1) / 2 * (high - low) + low
        if not self._channels_first:
            images = images.permute(0, 2, 3, 1)
        (output,) = self._session.run(self._outputs, {self._input.name: np.ascontiguousarray(images)})
        return torch.from_numpy(output).flatten(1)


class OnnxEmotionJudge:
    """Any ONNX emotion classifier as a judge, with logits or probabilities as its output.

    labels  its emotions in the order of the output, by any of their names. By default the labels and all other options
            of `OnnxNetwork` come from a JSON file beside the network: `judge.onnx` and `judge.json` with
            `{"labels": ["angry", "disgust", ...], "values": [0, 1]}`

    Emotions outside the suite's seven (contempt) are left out, and the remaining probabilities are normalised. An
    emotion that the network does not know has probability 0.
    """

    def __init__(self, path: str | os.PathLike, labels: Sequence[str] | None = None, **options) -> None:
        if labels is None:
            beside = Path(path).with_suffix(".json")
            if not beside.is_file():
                raise ValueError(f"the order of the emotions of {path} is unknown: give labels=, or write {beside}")
            options = read_json(beside) | options
            labels = options.pop("labels")
        self._network = OnnxNetwork(path, **options)
        self._labels = [emotion_name(label) for label in labels]
        self.name, self.sha256 = self._network.name, self._network.sha256

    def probabilities(self, faces: Faces) -> Tensor:
        """See `facekit.evaluation.judges.Judge.probabilities`."""
        output = self._network(faces.images)
        if output.shape[1] != len(self._labels):
            raise ValueError(f"{self.name} has {output.shape[1]} outputs per face, but {len(self._labels)} labels")
        ones = torch.ones(len(output)).to(output)
        sums_to_one = (output >= 0).all() and torch.allclose(output.sum(1), ones, atol=1e-3)
        return _protocol_order(output if sums_to_one else output.softmax(1), self._labels)


class OnnxIdentityJudge:
    """Any ONNX face-recognition network as a judge of identity. Options are those of `OnnxNetwork`."""

    def __init__(self, path: str | os.PathLike, **options) -> None:
        self._network = OnnxNetwork(path, **options)
        self.name, self.sha256 = self._network.name, self._network.sha256

    def embed(self, faces: Faces) -> Tensor:
        """See `facekit.evaluation.judges.Recogniser.embed`."""
        return F.normalize(self._network(faces.images), dim=1)


class OnnxLandmarkJudge:
    """Any ONNX network of 68 landmarks as a judge. Its output is (N, 136): x and y from 0 to 1 across the image.

    Options are those of `OnnxNetwork`. Landmarks are averaged over the image and its mirror image, which removes the
    horizontal bias of some networks.
    """

    def __init__(self, path: str | os.PathLike, **options) -> None:
        self._network = OnnxNetwork(path, **options)
        self.name, self.sha256 = self._network.name, self._network.sha256

    def landmarks(self, faces: Faces) -> Tensor:
        """Landmarks (N, 68, 2) in the iBUG order, x to the right and y down, from -1 to 1 across the image."""
        return (self.unaveraged(faces.images) + mirror_landmarks(self.unaveraged(faces.images.flip(-1)))) / 2

    def unaveraged(self, images: Tensor) -> Tensor:
        """Landmarks (N, 68, 2) of images (N, C, H, W) without averaging over the mirror image."""
        output = self._network(images)
        if output.shape[1] != 136:
            raise ValueError(f"{self.name} has {output.shape[1]} outputs per face; 68 landmarks need 136")
        return output.unflatten(1, (68, 2)) * 2 - 1


class DeepFaceJudge:
    """DeepFace's emotion classifier, the judge of P1's table 1 (E3). Needs `pip install facekit[deepface]`.

    DeepFace would download its weights on first use. Here the file must exist in `.deepface/weights` under the folder
    DEEPFACE_HOME (by default, the home folder). Raises `ImportError` and `FileNotFoundError` with instructions.
    """

    name = "deepface"
    _file = "facial_expression_model_weights.h5"

    def __init__(self) -> None:
        weights = Path(os.environ.get("DEEPFACE_HOME", Path.home())) / ".deepface" / "weights" / self._file
        try:
            self._deepface = importlib.import_module("deepface").DeepFace
        except ImportError as error:
            raise ImportError("DeepFace is not installed: pip install 'facekit[deepface]'") from error
        if not weights.is_file():
            raise FileNotFoundError(
                f"DeepFace's emotion classifier is not at {weights}: download {self._file} from the releases of "
                "github.com/serengil/deepface_models, and put it there"
            )
        self.sha256 = sha256(weights)

    def probabilities(self, faces: Faces) -> Tensor:
        """See `facekit.evaluation.judges.Judge.probabilities`."""
        rows = [self._analyse(image) for image in to_uint8(to_rgb(faces.images.cpu()))]
        return _protocol_order(torch.tensor(rows), PROTOCOL_EMOTIONS).to(faces.images.device)

    def _analyse(self, image: Tensor) -> list[float]:
        blue_green_red = image.permute(1, 2, 0).flip(-1).numpy()
        (result,) = self._deepface.analyze(
            blue_green_red, actions=["emotion"], enforce_detection=False, detector_backend="skip", silent=True
        )
        scores = {emotion_name(name): float(score) for name, score in result["emotion"].items()}
        return [scores[name] for name in PROTOCOL_EMOTIONS]


def _protocol_order(probabilities: Tensor, labels: Sequence[str]) -> Tensor:
    """Probabilities with columns as `PROTOCOL_EMOTIONS`, normalised to rows that sum to 1."""
    result = probabilities.new_zeros(len(probabilities), len(PROTOCOL_EMOTIONS))
    for i, name in enumerate(labels):
        if name in PROTOCOL_EMOTIONS:
            result[:, PROTOCOL_EMOTIONS.index(name)] += probabilities[:, i]
    return result / result.sum(1, keepdim=True)


EXTERNAL_JUDGES = {
    "emotion": ("fer_mini_xception.onnx", OnnxEmotionJudge, {"labels": PROTOCOL_EMOTIONS, "values": (-1, 1)}),
    "landmarks": ("faceapi_landmark68.onnx", OnnxLandmarkJudge, {"values": (0, 255)}),
    "identity": ("mobileface_v2.onnx", OnnxIdentityJudge, {"values": (0, 255)}),
}
"""External judges whose results the suite reports, by task: file, class and options."""
