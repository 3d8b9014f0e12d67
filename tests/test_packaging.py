"""The three lists of what facekit stands on agree, and the Makefile does what the README says."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import facekit
from facekit.cli.maintenance import closure

ROOT = Path(__file__).parents[1]

# conda-forge calls these otherwise than the Python Package Index, or has a smaller part that is enough.
CONDA_NAMES = {
    "torch": "pytorch",
    "opencv-python-headless": "opencv",
    "matplotlib": "matplotlib-base",
    "seaborn": "seaborn-base",
    "nbconvert": "nbconvert-core",
    "dask": "dask-core",
    "playwright": "playwright-python",
}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def wanted() -> dict[str, SpecifierSet]:
    """What a user and a tester need, with ranges."""
    stated = map(Requirement, [*project()["dependencies"], *project()["optional-dependencies"]["dev"]])
    return {canonicalize_name(requirement.name): requirement.specifier for requirement in stated}


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def conda() -> dict[str, SpecifierSet]:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    found = [re.fullmatch(r"([a-z0-9_.-]+)(.*)", line) for line in listed]
    return {match[1]: SpecifierSet(match[2]) for match in found}


def test_requirements_are_exact_versions_without_addresses():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)] == []
    assert len({line.split("==")[0] for line in lines}) == len(lines)


def test_everything_in_pyproject_is_pinned_within_its_range():
    pinned = pins()
    assert sorted(wanted().keys() - pinned.keys()) == []
    outside = {name: pinned[name] for name, allowed in wanted().items() if not allowed.contains(Version(pinned[name]))}
    assert outside == {}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems need a few packages more")
def test_nothing_that_is_needed_indirectly_is_left_unpinned():
    assert sorted(closure("facekit", {"dev"}).keys() - pins().keys()) == []


def test_environment_has_the_same_packages_in_the_same_ranges():
    expected = {CONDA_NAMES.get(name, name): allowed for name, allowed in wanted().items()}
    expected |= {"python": SpecifierSet(project()["requires-python"]), "pip": SpecifierSet()}
    assert conda() == expected


def test_torch_of_2_11_will_do():
    assert wanted()["torch"].contains("2.11.0")


def test_the_changelog_tells_of_this_version():
    assert f"## {facekit.__version__}" in (ROOT / "CHANGELOG.md").read_text()


# ---------------------------------------------------------------------------------------------------- Makefile

needs_make = pytest.mark.skipif(
    sys.platform == "win32" or subprocess.run(["which", "make"], capture_output=True).returncode != 0,
    reason="needs make",
)


@pytest.fixture
def copy(tmp_path):
    """A folder with a space in its path, the Makefile in it, and an interpreter that only writes down its calls."""
    folder = tmp_path / "a path with space"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        (folder / name).write_text((ROOT / name).read_text())
    interpreter = folder / ".venv" / "bin" / "python"
    interpreter.write_text('#!/bin/sh\necho "$@" >> calls.txt\n')
    interpreter.chmod(0o755)
    return folder


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    # What an outer make hands down (jobs, flags) is not what is tested.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def calls(folder: Path) -> list[str]:
    path = folder / "calls.txt"
    return path.read_text().splitlines() if path.exists() else []


@needs_make
def test_set_up_happens_once_and_again_when_the_requirements_change(copy):
    own = f"PYTHON={copy / '.venv' / 'bin' / 'python'}"
    assert make(copy, "setup", own).returncode == 0
    first = calls(copy)
    assert sum("pip install" in call and "-r requirements.txt -e .[dev]" in call for call in first) == 1
    assert make(copy, "setup", own).returncode == 0
    assert calls(copy) == first
    stamp = (copy / ".venv" / "ready").stat().st_mtime
    os.utime(copy / "requirements.txt", (stamp + 5, stamp + 5))
    assert make(copy, "setup", own).returncode == 0
    assert len(calls(copy)) == 2 * len(first)


@needs_make
def test_an_interpreter_that_will_not_do_is_named_before_anything_is_made(copy):
    done = make(copy, "run", "PYTHON=false")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert calls(copy) == []


@needs_make
@pytest.mark.parametrize("target", ["run", "test", "lab", "batch", "bench", "weights", "lint"])
def test_each_target_is_one_call_of_facekit(copy, target):
    (copy / ".venv" / "ready").touch()
    assert make(copy, target, "ARGS=--jobs 3").returncode == 0
    assert calls(copy) == [f"-m facekit {target}" + ("" if target == "lint" else " --jobs 3")]


@needs_make
def test_help_lists_every_target(copy):
    targets = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
    listed = [line.split()[0] for line in make(copy, "help").stdout.splitlines()]
    assert sorted(listed) == sorted(targets)


@needs_make
def test_a_failure_in_the_checks_fails_the_build(copy):
    (copy / ".ci").mkdir()
    (copy / ".ci" / "run").write_text((ROOT / ".ci" / "run").read_text())
    (copy / ".venv" / "ready").touch()
    run = ["bash", ".ci/run"]
    assert subprocess.run(run, cwd=copy, capture_output=True).returncode == 0
    assert calls(copy) == ["-m facekit test"]
    (copy / ".venv" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    assert subprocess.run(run, cwd=copy, capture_output=True).returncode != 0
