"""Networks as ONNX files, for programs without PyTorch.

A generator takes `image` (1, C, H, W) in [-1, 1] and one part of an expression, and returns `edited`, of the same
shape. The part is `action_units` (1, A) where the generator understands them, else `emotion` (1, E), weights over
`EMOTIONS` that add up to 1. What an edit draws at random is that of seed 0. A network that predicts something takes
`image`, and returns `prediction` (1, K).

The file's metadata name the weights, their SHA-256 and the order of the columns. Weights are stored in half precision
where that changes none, as in those that ship, and computed with in single precision.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.emotions import EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.judges.predictor import FacePredictor
from facekit.models.system import Generator, System, evaluating
from facekit.workspace.files import atomic_path

_OPSET = 17
_PARTS = {"action_units": ACTION_UNIT_COLUMNS, "emotion": EMOTIONS}
_MOST_STEPS = 4  # of sampling: each is a copy of the network in the file
_LEAST = 256  # numbers of a tensor that is worth storing in half precision


class CannotExport(ValueError):
    """A system cannot be written as an ONNX file. The message gives the reason."""


def export_onnx(
    system: System, path: str | os.PathLike, *, size: int | None = None, channels: int | None = None
) -> Path:
    """Write a generator, or a network that predicts something, into an ONNX file, atomically; returns its path.

    size, channels  of the images of a network that predicts something; by default those that it was trained on

    Raises `CannotExport` for other systems, for generators that take neither emotions nor action units, for those that
    sample in many steps, and where the package onnx is not installed.
    """
    if importlib.util.find_spec("onnx") is None:
        raise CannotExport("an export needs the package onnx: pip install 'onnx>=1.17'")
    from torch.onnx import TrainingMode

    module, inputs, columns = _traced(system, size or system.preset.size, channels or system.channels)
    names = ["image", *([columns] if columns else [])]
    output = "edited" if columns else "prediction"
    buffer = io.BytesIO()
    with evaluating(system), torch.no_grad(), _resizing_as_products(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about checks whose result is a constant here
        module(*inputs)  # loads what is loaded at the first edit; the trace has only constants of it then
        torch.onnx.export(
            module,
            inputs,
            buffer,
            input_names=names,
            output_names=[output],
            dynamo=False,
            opset_version=_OPSET,
            training=TrainingMode.PRESERVE,  # of evaluation: the other modes merge norms into weights
        )
    with atomic_path(path) as draft:
        Path(draft).write_bytes(_finished(buffer.getvalue(), _metadata(system, columns)))
    return Path(path)


def asked_by(generator: Generator) -> str | None:
    """The part of an expression that stands for a request where there is only one: action units where the generator
    understands them, else emotions; None if it understands neither."""
    return next((part for part in _PARTS if part in generator.understands), None)


def _traced(system: System, size: int, channels: int) -> tuple[nn.Module, tuple[Tensor, ...], str | None]:
    """The module whose call is recorded, its inputs, and the part of an expression among them."""
    image = torch.zeros(1, channels, size, size)
    if isinstance(system, FacePredictor):
        return _Predicted(system), (image,), None
    if not isinstance(system, Generator):
        raise CannotExport(f"{system.name} is no generator, and no network that predicts something")
    part = asked_by(system)
    if part is None:
        raise CannotExport(f"{system.name} is conditioned on {', '.join(sorted(system.understands))}, not on a label")
    if (steps := getattr(system.preset, "sample_steps", 1)) > _MOST_STEPS:
        raise CannotExport(f"{system.name} samples in {steps} steps; a file holds generators of at most {_MOST_STEPS}")
    label = F.one_hot(torch.tensor([0]), len(_PARTS[part])).float()
    if part == "emotion":
        label = Expression.of(next(name for name in system.emotions if name != "neutral")).emotion
    return _Edited(system, part), (image, label), part


class _Edited(nn.Module):
    def __init__(self, generator: Generator, part: str) -> None:
        super().__init__()
        self.generator, self.part = generator, part

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        return self.generator._edit(Faces(image), Expression(**{self.part: label}), None, 0).clamp(-1, 1)


class _Predicted(nn.Module):
    def __init__(self, predictor: FacePredictor) -> None:
        super().__init__()
        self.predictor = predictor

    def forward(self, image: Tensor) -> Tensor:
        return self.predictor.flip_averaged(image)


def _metadata(system: System, part: str | None) -> dict[str, str]:
    card = system.card
    known = {"system": system.name, "columns": json.dumps(_PARTS[part] if part else [])}
    return known if card is None else known | {"weights": card.name, "sha256": card.sha256}


@contextlib.contextmanager
def _resizing_as_products() -> Iterator[None]:
    """Antialiased resizing as two products with matrices: ONNX has no operation that equals PyTorch's."""
    from torch.onnx import register_custom_op_symbolic, symbolic_helper, unregister_custom_op_symbolic

    def resized(graph, image, size, corners, *_):
        height, width = symbolic_helper._get_tensor_sizes(image)[-2:]
        to = symbolic_helper._maybe_get_const(size, "is")
        rows, columns = (
            graph.op("Constant", value_t=_resizing_matrix(*each)) for each in ((height, to[0]), (width, to[1]))
        )
        across = graph.op("Transpose", columns, perm_i=[1, 0])
        return graph.op("MatMul", graph.op("MatMul", rows, image), across)

    operation = "aten::_upsample_bilinear2d_aa"
    register_custom_op_symbolic(operation, resized, _OPSET)
    try:
        yield
    finally:
        unregister_custom_op_symbolic(operation, _OPSET)


def _resizing_matrix(old: int, new: int) -> Tensor:
    """The matrix (new, old) that resizes a column of pixels as PyTorch does."""
    columns = torch.eye(old)[None, None]
    return F.interpolate(columns, (new, old), mode="bilinear", antialias=True, align_corners=False)[0, 0]


def _finished(content: bytes, metadata: dict[str, str]) -> bytes:
    """A serialised network with metadata, its large tensors in half precision where it is exact."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    network = onnx.load_from_string(content)
    nodes, tensors = [], list(network.graph.initializer)
    for node in network.graph.node:  # of networks that are no child modules, the weights are constants
        if node.op_type == "Constant" and node.attribute[0].HasField("t"):
            tensors.append(node.attribute[0].t)
            tensors[-1].name = node.output[0]
        else:
            nodes.append(node)
    casts, kept = [], {}
    for tensor in tensors:
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16) if values.dtype == np.float32 and values.size >= _LEAST else None
        if half is None or not np.array_equal(half, values):
            kept[tensor.name] = tensor
            continue
        stored = f"half_{hashlib.sha256(half.tobytes()).hexdigest()[:16]}_{'x'.join(map(str, half.shape))}"
        kept[stored] = numpy_helper.from_array(half, stored)  # once, where a network is called several times
        casts.append(helper.make_node("Cast", [stored], [tensor.name], to=TensorProto.FLOAT))
    for field, items in (("initializer", kept.values()), ("node", [*casts, *nodes])):
        network.graph.ClearField(field)
        getattr(network.graph, field).extend(items)
    helper.set_model_props(network, metadata)
    onnx.checker.check_model(network)
    return network.SerializeToString()
