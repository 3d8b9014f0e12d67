"""Judges that nobody here trained: any ONNX network by its path, and DeepFace.

An outside judge is worth most of all, as no generator of this suite was ever near it. What none of them needs is
a download: where a file is missing, the error says which and where it belongs.
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
    """An ONNX network that takes one picture tensor, given whatever pictures there are.

    Its input says the layout, (N, C, H, W) or (N, H, W, C), the colour and the size; pictures are turned into that.

    path    the .onnx file
    values  what black and white are to the network: (-1, 1), (0, 1) or (0, 255)
    size    height and width, for a network that takes any
    output  name of the output to read; the first by default

    Raises what `open_network` raises, and `ValueError` for an input that is no picture.
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
            raise ValueError(f"{self.name} takes pictures of any size: say which it was trained for with size=")
        return channels_first, shape[1] if channels_first else shape[3], height if isinstance(height, int) else size

    def __call__(self, images: Tensor, batch: int = 256) -> Tensor:
        """What it says of pictures (N, C, H, W) in [-1, 1]: (N, K) float32, on the device of the pictures."""
        said = [self._run(part.detach().cpu().float()) for part in images.split(batch)]
        return torch.cat(said).to(images.device)

    def _run(self, images: Tensor) -> Tensor:
        images = resize((to_gray if self.channels == 1 else to_rgb)(images), self.size)
        low, high = self._values
        images = (images + 1) / 2 * (high - low) + low
        if not self._channels_first:
            images = images.permute(0, 2, 3, 1)
        (said,) = self._session.run(self._outputs, {self._input.name: np.ascontiguousarray(images)})
        return torch.from_numpy(said).flatten(1)


class OnnxEmotionJudge:
    """Any ONNX emotion classifier as a judge; logits and probabilities are told apart by their sum.

    labels  its emotions in the order of its output, by any of their names. By default they, and any other option
            of `OnnxNetwork`, are read from a JSON file beside it: `judge.onnx` and `judge.json` with
            `{"labels": ["angry", "disgust", ...], "values": [0, 1]}`

    Emotions that the suite's seven do not have (contempt) are left out, and the others made to sum to 1; one that
    the network does not know is never said.
    """

    def __init__(self, path: str | os.PathLike, labels: Sequence[str] | None = None, **options) -> None:
        if labels is None:
            beside = Path(path).with_suffix(".json")
            if not beside.is_file():
                raise ValueError(f"the order of the emotions of {path} is not known: give labels=, or write {beside}")
            options = read_json(beside) | options
            labels = options.pop("labels")
        self._network = OnnxNetwork(path, **options)
        self._labels = [emotion_name(label) for label in labels]
        self.name, self.sha256 = self._network.name, self._network.sha256

    def probabilities(self, faces: Faces) -> Tensor:
        """See `facekit.evaluation.judges.Judge.probabilities`."""
        said = self._network(faces.images)
        if said.shape[1] != len(self._labels):
            raise ValueError(f"{self.name} says {said.shape[1]} numbers of a face for {len(self._labels)} labels")
        sums_to_one = (said >= 0).all() and torch.allclose(said.sum(1), torch.ones(len(said)).to(said), atol=1e-3)
        return _protocol_order(said if sums_to_one else said.softmax(1), self._labels)


class OnnxIdentityJudge:
    """Any ONNX face-recognition network as a judge of identity. Options are those of `OnnxNetwork`."""

    def __init__(self, path: str | os.PathLike, **options) -> None:
        self._network = OnnxNetwork(path, **options)
        self.name, self.sha256 = self._network.name, self._network.sha256

    def embed(self, faces: Faces) -> Tensor:
        """See `facekit.evaluation.judges.Recogniser.embed`."""
        return F.normalize(self._network(faces.images), dim=1)


class OnnxLandmarkJudge:
    """Any ONNX network of 68 landmarks as a judge: it gives (N, 136), x and y from 0 to 1 across the picture.

    Options are those of `OnnxNetwork`. Landmarks are the mean of what it says of a picture and, mirrored back, of
    the mirror image: some networks set every point a little to one side, which this takes away.
    """

    def __init__(self, path: str | os.PathLike, **options) -> None:
        self._network = OnnxNetwork(path, **options)
        self.name, self.sha256 = self._network.name, self._network.sha256

    def landmarks(self, faces: Faces) -> Tensor:
        """Landmarks (N, 68, 2) in the iBUG order, x right and y down from -1 to 1 across the picture."""
        return (self.one_way(faces.images) + mirror_landmarks(self.one_way(faces.images.flip(-1)))) / 2

    def one_way(self, images: Tensor) -> Tensor:
        """What it says of pictures (N, C, H, W) themselves: (N, 68, 2) as `landmarks`, with its own lean."""
        said = self._network(images)
        if said.shape[1] != 136:
            raise ValueError(f"{self.name} says {said.shape[1]} numbers of a face; 68 landmarks are 136")
        return said.unflatten(1, (68, 2)) * 2 - 1


class DeepFaceJudge:
    """DeepFace's emotion classifier, the judge of P1's table 1 (E3). Needs `pip install facekit[deepface]`.

    DeepFace would fetch its weights when first asked; here they must be there already, in `.deepface/weights`
    under the folder DEEPFACE_HOME (by default, the home folder). Raises `ImportError` and `FileNotFoundError`
    with what to do.
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
                f"DeepFace's emotion classifier is not at {weights}: get {self._file} from the releases of "
                "github.com/serengil/deepface_models, and put it there"
            )
        self.sha256 = sha256(weights)

    def probabilities(self, faces: Faces) -> Tensor:
        """See `facekit.evaluation.judges.Judge.probabilities`."""
        rows = [self._analyse(image) for image in to_uint8(to_rgb(faces.images.cpu()))]
        return _protocol_order(torch.tensor(rows), PROTOCOL_EMOTIONS).to(faces.images.device)

    def _analyse(self, image: Tensor) -> list[float]:
        blue_green_red = image.permute(1, 2, 0).flip(-1).numpy()
        (said,) = self._deepface.analyze(
            blue_green_red, actions=["emotion"], enforce_detection=False, detector_backend="skip", silent=True
        )
        scores = {emotion_name(name): float(score) for name, score in said["emotion"].items()}
        return [scores[name] for name in PROTOCOL_EMOTIONS]


def _protocol_order(probabilities: Tensor, labels: Sequence[str]) -> Tensor:
    """Columns as `PROTOCOL_EMOTIONS`, rows summing to 1."""
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
"""Outside judges whose numbers the suite reports, by what they read: file, class and options."""
