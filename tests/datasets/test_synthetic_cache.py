"""The cache of SyntheticFaces."""

import logging
import subprocess
import sys

import numpy as np
import pytest
import torch

from facekit.datasets import open_dataset, synthetic
from facekit.datasets.synthetic import SyntheticFaces, split
from facekit.datasets.synthetic import dataset as module
from facekit.datasets.synthetic.render import faces_at_once
from facekit.faces.expression import Expression
from facekit.faces.faces import to_uint8

OPTIONS = {"people": 3, "faces_per_person": 4, "size": 32}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path / "my data"))
    monkeypatch.delenv("FACEKIT_CACHE", raising=False)
    return tmp_path / "my data" / "cache"


def folders(home):
    return sorted(folder for folder in home.iterdir() if not folder.name.startswith("."))


def check_same(a, b):
    for name in ("images", "action_units", "emotion", "intensity", "person"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    # The last digit of a power depends on how many faces are rendered at once
    torch.testing.assert_close(a.landmarks, b.landmarks, atol=1e-6, rtol=0)
    assert (a.mask - b.mask).abs().max() < 0.003


@pytest.mark.parametrize("extra", [{}, {"frames": 3}, {"domain": "both", "channels": 1}])
def test_cached_faces_equal_rendered_ones(home, extra):
    cached, rendered = SyntheticFaces(cache=True, **OPTIONS, **extra), SyntheticFaces(**OPTIONS, **extra)
    check_same(cached.faces([11, 0, 5]), rendered.faces([11, 0, 5]))
    edited = cached.counterfactual([2], Expression.of("happy"))
    check_same(edited, rendered.counterfactual([2], Expression.of("happy")))


def test_a_split_is_rendered_once(home, monkeypatch):
    SyntheticFaces(cache=True, **OPTIONS)
    monkeypatch.setattr(module, "write_split", lambda *_: pytest.fail("rendered again"))
    SyntheticFaces(cache=True, **OPTIONS)
    assert len(folders(home)) == 1


def test_other_options_and_other_renderers_have_their_own_cache(home, monkeypatch):
    SyntheticFaces(cache=True, **OPTIONS)
    SyntheticFaces(cache=True, **OPTIONS, one_sided=0.5)
    monkeypatch.setattr(module, "RENDERER_VERSION", synthetic.RENDERER_VERSION + 1)
    SyntheticFaces(cache=True, **OPTIONS)
    assert len(folders(home)) == 3


@pytest.mark.parametrize("damage", ["flip", "truncate", "manifest", "missing"])
def test_a_damaged_cache_is_computed_again_with_a_warning(home, damage, caplog):
    before = SyntheticFaces(cache=True, **OPTIONS).faces(range(12))
    (folder,) = folders(home)
    file = folder / "images.npy"
    if damage == "flip":
        content = bytearray(file.read_bytes())
        content[-100] ^= 255
        file.write_bytes(content)
    elif damage == "truncate":
        file.write_bytes(file.read_bytes()[:-1000])
    elif damage == "manifest":
        next(folder.glob("*.json")).write_text('{"files"')
    else:
        file.unlink()
    with caplog.at_level(logging.WARNING, "facekit"):
        after = SyntheticFaces(cache=True, **OPTIONS).faces(range(12))
    assert "damaged" in caplog.text
    check_same(before, after)
    assert np.load(file).shape == (12, 3, 32, 32)


def test_an_interrupted_build_leaves_no_cache(home, monkeypatch):
    def stopped(dataset, folder):
        split.write_split(dataset, folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_split", stopped)
    with pytest.raises(KeyboardInterrupt):
        SyntheticFaces(cache=True, **OPTIONS)
    assert folders(home) == []


def test_two_processes_build_at_once(home):
    code = (
        "import torch; torch.set_num_threads(1);"
        "from facekit.datasets.synthetic import SyntheticFaces as S;"
        "d = S(people=8, size=32, cache=True); print(int(((d.faces(range(64)).images + 1) * 127.5).sum()))"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    message = [run.communicate(timeout=60)[0] for run in runs]
    assert all(run.returncode == 0 for run in runs)
    assert message[0] == message[1]
    assert len(folders(home)) == 1


@pytest.mark.parametrize("name", ["synthetic", "synthetic_pairs", "synthetic_transfers"])
def test_several_processes_render_the_same_faces_as_one(name, tmp_path, monkeypatch):
    dataset, alone, shared = open_dataset(name, people=300, faces_per_person=2, size=16), tmp_path / "1", tmp_path / "2"
    alone.mkdir()
    shared.mkdir()
    split.write_split(dataset, alone)
    monkeypatch.setattr(split, "_FACES_PER_PROCESS", 100)
    monkeypatch.setattr(split.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(split, "_write", lambda *_: pytest.fail("drawn by this process"))
    split.write_split(dataset, shared)
    files = {"images", "landmarks"} | ({"mask"} if name == "synthetic" else set())
    assert {path.stem for path in shared.glob("*.npy")} == files
    for file in files:
        assert np.array_equal(np.load(alone / f"{file}.npy"), np.load(shared / f"{file}.npy")), file


@pytest.mark.parametrize("name", ["synthetic", "synthetic_pairs", "synthetic_transfers"])
def test_a_gpu_renders_in_this_process_as_many_faces_at_once_as_fit(name, tmp_path, monkeypatch):
    gpu = torch.device("cuda", 0)
    dataset, drawn = open_dataset(name, people=300, faces_per_person=2, size=16), []

    def on_the_cpu(index, device=None):
        drawn.append((len(index), device))
        return type(dataset).render(dataset, index)

    dataset.render = on_the_cpu
    monkeypatch.setattr(split, "fastest_device", lambda: gpu)
    monkeypatch.setattr(split, "_FACES_PER_PROCESS", 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4 * 1024 * 400 * 16**2, 1 << 40))
    split.write_split(dataset, tmp_path)
    assert drawn[1:] == [(400, gpu), (200, gpu)]
    first = np.load(tmp_path / "images.npy")[:2]
    images = dataset.faces([0, 1]).images
    assert np.array_equal(first, to_uint8(images if name == "synthetic" else images[:, -1]).numpy())


@pytest.mark.parametrize(("free", "faces"), [(1 << 20, 16), (1 << 33, 512), (1 << 60, 4096)])
def test_the_number_of_faces_at_once_depends_on_the_memory_of_a_gpu(free, faces, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 1 << 60))
    assert faces_at_once(64, torch.device("cuda")) == faces
    assert faces_at_once(64, torch.device("cpu")) == 16


def test_the_error_of_a_process_is_reported(tmp_path, monkeypatch):
    dataset = SyntheticFaces(people=300, faces_per_person=2, size=16)
    monkeypatch.setattr(split, "_FACES_PER_PROCESS", 100)
    monkeypatch.setattr(split.os, "cpu_count", lambda: 2)
    dataset.options = {**dataset.options, "domain": "marble"}
    with pytest.raises(RuntimeError, match="'marble' is not a domain"):
        split.write_split(dataset, tmp_path)
