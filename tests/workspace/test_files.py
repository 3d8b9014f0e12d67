"""Files are written atomically."""

import pytest

from facekit.workspace.files import atomic_path, read_json, remove_drafts, sha256, write_json, write_text


def write_and_fail(target):
    with atomic_path(target) as draft:
        draft.mkdir()
        (draft / "part").write_text("half of th")
        raise RuntimeError("power cut")


def test_a_failed_write_leaves_the_old_content_and_no_temporary_file(tmp_path):
    target = tmp_path / "value.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError):
        write_and_fail(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_temporary_file_is_a_hidden_neighbour_with_the_same_ending(tmp_path):
    with atomic_path(tmp_path / "deep" / "array.npy") as draft:
        assert draft.parent == tmp_path / "deep"
        assert draft.name.startswith(".")
        assert draft.suffix == ".npy"
        draft.write_bytes(b"1")
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["array.npy"]


def test_a_folder_is_written_atomically(tmp_path):
    with pytest.raises(RuntimeError):
        write_and_fail(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []
    with atomic_path(tmp_path / "folder") as draft:
        draft.mkdir()
        (draft / "a").write_text("a")
    assert (tmp_path / "folder" / "a").read_text() == "a"


def test_temporary_files_of_killed_processes_can_be_removed(tmp_path):
    for name in ("weights.safetensors", "step_00000005"):
        draft = atomic_path(tmp_path / name).__enter__()  # without exit, as when the process is killed
        draft.mkdir()
    for name in (".gitignore", ".not-a-draft", "a-0123456789abcdef"):
        (tmp_path / name).write_text("")
    remove_drafts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", ".not-a-draft", "a-0123456789abcdef"]


def test_json_is_read_as_written_and_nan_is_refused(tmp_path):
    write_json(tmp_path / "a.json", {"ä": [1, None]})
    assert read_json(tmp_path / "a.json") == {"ä": [1, None]}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", float("nan"))
    assert read_json(tmp_path / "a.json") == {"ä": [1, None]}


def test_sha256_of_a_known_file(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
