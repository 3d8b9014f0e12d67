import numpy as np
import pytest

from facekit.datasets.cache import cache_home, cached_arrays, file_stamp


class Maker:
    """Writes a known array, and counts how often."""

    def __init__(self, value=1):
        self.value, self.calls = value, 0

    def __call__(self, folder):
        self.calls += 1
        np.save(folder / "a.npy", np.full(1000, self.value))
        np.save(folder / "none.npy", np.empty((0, 2), "<U1"))


def test_arrays_are_made_once_and_kept():
    make = Maker()
    first = cached_arrays("x", [1], make)
    assert isinstance(first["a"], np.memmap)
    assert cached_arrays("x", [1], make)["a"].tolist() == [1] * 1000
    assert first["none"].shape == (0, 2)
    assert make.calls == 1
    assert cached_arrays("x", [2], Maker(5))["a"][0] == 5
    assert cached_arrays("x", [1], make)["a"][0] == 1


def spoil_bit(folder):
    data = bytearray((folder / "a.npy").read_bytes())
    data[-1] ^= 1
    (folder / "a.npy").write_bytes(data)


def spoil_length(folder):
    (folder / "a.npy").write_bytes((folder / "a.npy").read_bytes()[:-100])


def spoil_missing(folder):
    (folder / "a.npy").unlink()


def spoil_sums(folder):
    (folder / "checksums.json").write_text("[")


def spoil_no_sums(folder):
    (folder / "checksums.json").unlink()


@pytest.mark.parametrize("spoil", [spoil_bit, spoil_length, spoil_missing, spoil_sums, spoil_no_sums])
def test_a_damaged_cache_is_made_again_with_a_notice(spoil, caplog):
    make = Maker()
    cached_arrays("x", [1], make)
    assert not caplog.text
    spoil(next(cache_home().iterdir()))
    assert cached_arrays("x", [1], make)["a"].tolist() == [1] * 1000
    assert make.calls == 2
    assert "is damaged" in caplog.text
    cached_arrays("x", [1], make)
    assert make.calls == 2


def test_a_failed_making_leaves_nothing():
    def fail(folder):
        np.save(folder / "a.npy", np.zeros(3))
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        cached_arrays("x", [1], fail)
    assert list(cache_home().iterdir()) == []


def test_the_faster_of_two_processes_wins():
    def slower(folder):
        cached_arrays("x", [1], Maker())  # as if another process had finished meanwhile
        Maker()(folder)

    assert cached_arrays("x", [1], slower)["a"].tolist() == [1] * 1000
    assert len(list(cache_home().iterdir())) == 1


def test_where_nothing_can_be_kept_the_arrays_are_in_memory(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "file" / "cache"))
    make = Maker()
    for _ in range(2):
        arrays = cached_arrays("x", [1], make)
        assert arrays["a"].tolist() == [1] * 1000
        assert not isinstance(arrays["a"], np.memmap)
    assert make.calls == 2
    assert "no cache can be kept" in caplog.text


def test_a_files_stamp_changes_with_its_content(tmp_path):
    (tmp_path / "a").write_text("1")
    before = file_stamp(tmp_path / "a")
    assert file_stamp(tmp_path / "a") == before
    (tmp_path / "a").write_text("22")
    assert file_stamp(tmp_path / "a") != before
