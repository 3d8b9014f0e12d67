import numpy as np
import pytest

from facekit.datasets.cache import cache_home, cached_arrays, file_stamp


class Builder:
    """Writes a known array and counts the calls."""

    def __init__(self, value=1):
        self.value, self.calls = value, 0

    def __call__(self, folder):
        self.calls += 1
        np.save(folder / "a.npy", np.full(1000, self.value))
        np.save(folder / "none.npy", np.empty((0, 2), "<U1"))


def test_arrays_are_computed_once():
    make = Builder()
    first = cached_arrays("x", [1], make)
    assert isinstance(first["a"], np.memmap)
    assert cached_arrays("x", [1], make)["a"].tolist() == [1] * 1000
    assert first["none"].shape == (0, 2)
    assert make.calls == 1
    assert cached_arrays("x", [2], Builder(5))["a"][0] == 5
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
def test_a_damaged_cache_is_computed_again_with_a_warning(spoil, caplog):
    make = Builder()
    cached_arrays("x", [1], make)
    assert not caplog.text
    spoil(next(cache_home().iterdir()))
    assert cached_arrays("x", [1], make)["a"].tolist() == [1] * 1000
    assert make.calls == 2
    assert "is damaged" in caplog.text
    cached_arrays("x", [1], make)
    assert make.calls == 2


def test_a_failed_computation_leaves_no_files():
    def fail(folder):
        np.save(folder / "a.npy", np.zeros(3))
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        cached_arrays("x", [1], fail)
    assert list(cache_home().iterdir()) == []


def test_a_concurrent_process_may_finish_first():
    def slower(folder):
        cached_arrays("x", [1], Builder())  # as if another process had finished in the meantime
        Builder()(folder)

    assert cached_arrays("x", [1], slower)["a"].tolist() == [1] * 1000
    assert len(list(cache_home().iterdir())) == 1


def test_arrays_are_in_memory_if_the_cache_is_not_writable(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "file" / "cache"))
    make = Builder()
    for _ in range(2):
        arrays = cached_arrays("x", [1], make)
        assert arrays["a"].tolist() == [1] * 1000
        assert not isinstance(arrays["a"], np.memmap)
    assert make.calls == 2
    assert "no cache can be written" in caplog.text


def test_the_stamp_of_a_file_changes_with_its_content(tmp_path):
    (tmp_path / "a").write_text("1")
    before = file_stamp(tmp_path / "a")
    assert file_stamp(tmp_path / "a") == before
    (tmp_path / "a").write_text("22")
    assert file_stamp(tmp_path / "a") != before
