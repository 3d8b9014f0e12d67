"""The folder of the page: what is in it, what it replaces, and where its runtime comes from."""

import hashlib
import shutil
import subprocess

import pytest

from facekit import cli
from facekit.studio import runtime as module
from facekit.studio.page import FILES, NotAPage, write_page
from facekit.studio.runtime import NoRuntime, runtime


def test_a_folder_with_other_files_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("my own")
    with pytest.raises(NotAPage, match="holds other files"):
        write_page(tmp_path)
    assert cli.main(["page", "--out", str(tmp_path)]) == 2
    assert "holds other files" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_another_package_is_refused(tmp_path):
    archive = tmp_path / "onnxruntime-web.tgz"
    with pytest.raises(NoRuntime, match="there is no"):
        runtime(archive)
    archive.write_bytes(b"something else")
    with pytest.raises(NoRuntime, match="its content differs"):
        runtime(archive)


def test_without_npm_the_way_out_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACEKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert cli.main(["page", "--out", str(tmp_path / "page")]) == 2
    assert "name it by --runtime" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def test_a_failure_of_npm_is_reported_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/npm")
    failed = subprocess.CompletedProcess([], 1, "", "network\n unreachable")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(NoRuntime, match=r"could not fetch .*: network unreachable"):
        runtime()
    assert not list((tmp_path / "runs").rglob("*.tgz"))


def test_a_package_is_recognised_by_its_content(tmp_path, monkeypatch):
    """With a package of our own, as npm is not everywhere."""
    import base64
    import tarfile

    for name, content in ((module._CODE, b"code"), (module._BINARY, b"binary")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    archive = tmp_path / "a.tgz"
    with tarfile.open(archive, "w:gz") as package:
        package.add(tmp_path / "package", "package")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    monkeypatch.setattr(module, "_INTEGRITY", digest)
    assert runtime(archive) == module.Runtime(b"code", b"binary")


def test_every_file_of_the_page_ships():
    for name in FILES:
        assert (module.Path(module.__file__).parent / "web" / name).is_file()
