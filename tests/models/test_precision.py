"""The precision of networks in training and in edits."""

import threading

import pytest
import torch
from torch import nn

from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.expression import Expression
from facekit.models.load import load_system
from facekit.models.precision import EDIT_PRECISION, ForwardPrecision, edit_precision
from facekit.models.system import Generator, system_class
from facekit.weights.shipped import SHIPPED
from facekit.workspace import hardware

CPU = torch.device("cpu")
SHIPPED_GENERATORS = [name for name, recipe in SHIPPED.items() if issubclass(system_class(recipe.system), Generator)]


class Pair(nn.Module):
    """A system of two networks."""

    def __init__(self):
        super().__init__()
        self.first, self.rest = nn.Linear(4, 4), nn.ModuleList([nn.Linear(4, 4)])

    def forward(self, x):
        return self.rest[0](self.first(x))


def test_networks_compute_in_bfloat16_and_return_float32_until_the_last_context_ends():
    pair, x = Pair(), torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    exact, inside = pair(x), threading.Event()
    outer, inner = (ForwardPrecision([pair], CPU, torch.bfloat16) for _ in range(2))
    results = {}

    def in_a_thread():
        with inner:
            inside.wait()
            results["thread"] = pair(x)

    thread = threading.Thread(target=in_a_thread)
    with outer:
        reduced = pair(x)
        with ForwardPrecision([pair], CPU, torch.bfloat16):
            assert torch.equal(pair(x), reduced)
        assert torch.equal(pair(x), reduced)
        thread.start()
        while pair.first.forward.contexts != 2:  # the thread has entered its context
            pass
    inside.set()
    thread.join()
    assert reduced.dtype == torch.float32
    assert not torch.equal(reduced, exact)
    assert torch.equal(results["thread"], reduced)
    assert torch.equal(pair(x), exact)
    assert "forward" not in vars(pair.first)


def test_the_precision_of_edits_is_named_by_a_variable(monkeypatch):
    pair, x = Pair(), torch.randn(8, 4)
    exact = pair(x)
    for name, equal in (("float32", True), ("bfloat16", False)):
        monkeypatch.setenv(EDIT_PRECISION, name)
        with edit_precision([pair], CPU, 1):
            assert torch.equal(pair(x), exact) == equal
    monkeypatch.setenv(EDIT_PRECISION, "float16")
    with pytest.raises(ValueError, match="the precision is 'float16'; it must be one of auto, float32, bfloat16"):
        edit_precision([pair], CPU, 1)


def test_a_cpu_edits_few_faces_in_float32(monkeypatch):
    pair, x = Pair(), torch.randn(8, 4)
    exact = pair(x)
    monkeypatch.setenv(EDIT_PRECISION, "auto")
    monkeypatch.setattr(hardware, "computes_bfloat16", lambda device: True)
    for faces, equal in ((1, True), (64, False)):
        with edit_precision([pair], CPU, faces):
            assert torch.equal(pair(x), exact) == equal


@pytest.mark.parametrize("name", SHIPPED_GENERATORS)
def test_edits_in_bfloat16_differ_by_less_than_a_grey_level(name, monkeypatch):
    generator = load_system(name)
    faces = SyntheticFaces("test", people=3, faces_per_person=1, size=generator.preset.size).faces(range(3))
    happy, moved = Expression.of("happy"), Expression(landmarks=faces.landmarks[[1, 2, 0]])
    edits = {}
    for precision in ("float32", "bfloat16"):
        monkeypatch.setenv(EDIT_PRECISION, precision)
        edits[precision] = generator.edit(faces, happy if "emotion" in generator.understands else moved)
    difference = 127.5 * (edits["float32"] - edits["bfloat16"]).abs().mean()
    assert 0 < difference < 1
