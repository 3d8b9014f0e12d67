"""The three lists of dependencies agree, every pin supports every supported Python, and the Makefile does what the
README says."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import types
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import facekit
from facekit.cli import pins as pinning
from facekit.cli.arguments import UsageError
from facekit.cli.pins import closure, refusals, supported_pythons

ROOT = Path(__file__).parents[1]

# conda-forge calls these otherwise than the Python Package Index, or has a smaller part that is enough.
CONDA_NAMES = {
    "torch": "pytorch",
    "huggingface-hub": "huggingface_hub",
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
    by_pip = [line for each in listed if isinstance(each, dict) for line in each["pip"]]  # what conda does not have
    lines = [*by_pip, *(line for line in listed if isinstance(line, str))]
    found = [re.fullmatch(r"([a-z0-9_.-]+)(.*)", line) for line in lines]
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


# ------------------------------------------------------------------------------------------------------ Python

SUPPORTED = ["3.11.0", "3.11.2", "3.12.0", "3.13.0", "3.14.0"]
# dataclasses of Python 3.14.1 have a regression, which networkx refuses.
UNSUPPORTED = ["2.7.18", "3.10.13", "3.14.1", "3.15.0"]


def test_pyproject_supports_python_3_11_to_3_14():
    admitted = SpecifierSet(project()["requires-python"])
    assert [version for version in [*SUPPORTED, *UNSUPPORTED] if admitted.contains(version)] == SUPPORTED
    assert {f"{version.major}.{version.minor}" for version in supported_pythons()} == {"3.11", "3.12", "3.13", "3.14"}
    assert set(map(Version, SUPPORTED)) <= set(supported_pythons())


def installed(name: str) -> str | None:
    """The installed version, without the part that names a build ("+cpu"); None for what is not installed."""
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def test_every_pinned_distribution_supports_every_supported_python():
    as_pinned = [name for name, version in pins().items() if installed(name) == version]
    stated = {name: metadata.metadata(name).get("Requires-Python") for name in as_pinned}
    assert refusals(stated, supported_pythons()) == {}


def test_a_version_that_excludes_one_release_is_refused():
    # soupsieve 4.1.1 and networkx 3.6.1 as published; Debian 12 comes with Python 3.11.2
    stated = {"soupsieve": ">=3.11.5", "networkx": "!=3.14.1,>=3.11", "six": None, "next": ">=3.11,<3.14"}
    assert refusals(stated, supported_pythons()) == {"soupsieve": Version("3.11.0"), "next": Version("3.14.0")}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with a pyproject.toml and pins of its own."""
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.setattr(pinning, "checkout", lambda: tmp_path)
    return tmp_path


@pytest.mark.skipif(
    any(installed(name) != version for name, version in pins().items()), reason="needs the versions of requirements.txt"
)
def test_pin_writes_what_is_installed(checkout):
    (checkout / "requirements.txt").write_text("")
    pinning.pin()
    written = (checkout / "requirements.txt").read_text()
    assert f"numpy=={metadata.version('numpy')}\n" in written
    assert f"aiohttp=={metadata.version('aiohttp')}\n" in written  # which papermill needs on Python 3.12 alone
    assert "nvidia" not in written


def test_pin_refuses_a_version_that_a_supported_python_cannot_install(checkout, monkeypatch):
    before = (checkout / "requirements.txt").read_text()
    monkeypatch.setattr(pinning, "closure", lambda *_, **__: {"soupsieve": "4.1.1"})
    monkeypatch.setattr(metadata, "metadata", lambda name: {"Requires-Python": ">=3.11.5"})
    with pytest.raises(UsageError, match=r"^soupsieve 4\.1\.1 does not support Python 3\.11\.0\. facekit"):
        pinning.pin()
    assert (checkout / "requirements.txt").read_text() == before


def test_pin_names_a_package_that_another_python_needs(checkout, monkeypatch):
    def closure(*_, **__):
        raise metadata.PackageNotFoundError("aiohttp")

    monkeypatch.setattr(pinning, "closure", closure)
    with pytest.raises(UsageError, match=r"^aiohttp is needed on some supported Python"):
        pinning.pin()


@pytest.mark.parametrize("version", [*SUPPORTED, *UNSUPPORTED])
def test_pip_stops_at_once_on_an_unsupported_python(monkeypatch, version):
    called = []
    setup = types.SimpleNamespace(setup=lambda **_: called.append(version))
    commands = types.SimpleNamespace(build_py=object)
    monkeypatch.setitem(sys.modules, "setuptools", setup)
    monkeypatch.setitem(sys.modules, "setuptools.command", types.SimpleNamespace(build_py=commands))
    monkeypatch.setitem(sys.modules, "setuptools.command.build_py", commands)
    monkeypatch.setattr(sys, "version_info", tuple(map(int, version.split("."))))
    if version in SUPPORTED:
        runpy.run_path(str(ROOT / "setup.py"))
        assert called == [version]
    else:
        with pytest.raises(SystemExit, match=rf"needs Python 3\.11 to 3\.14.*this is Python {re.escape(version)}$"):
            runpy.run_path(str(ROOT / "setup.py"))
        assert called == []


# ------------------------------------------------------------------------------------------------------- other


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
    environment = {name: value for name, value in os.environ.items() if name != "ARGS" and not name.startswith("MAKE")}
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
    assert "needs Python 3.11 to 3.14" in done.stderr
    assert calls(copy) == []


def pretend(path: Path, version: str) -> Path:
    """An interpreter that says that it is another version, and only writes down its other calls."""
    numbers = ", ".join(version.split("."))
    path.write_text(
        "#!/bin/sh\n"
        f'case "$1" in -c) exec "{sys.executable}" -c "import sys; sys.version_info = ({numbers}); $2";; esac\n'
        f'case "$1" in -V) echo Python {version};; *) echo "${{0##*/}} $@" >> calls.txt;; esac\n'
    )
    path.chmod(0o755)
    return path


@needs_make
@pytest.mark.parametrize("version", [*SUPPORTED, *UNSUPPORTED])
def test_make_stops_at_once_on_an_unsupported_python(copy, tmp_path, version):
    done = make(copy, "setup", f"PYTHON={pretend(tmp_path / 'other', version)}")
    assert (done.returncode == 0) == (version in SUPPORTED)
    if version in SUPPORTED:
        assert "other -m venv .venv" in calls(copy)
    else:
        assert "needs Python 3.11 to 3.14 (not 3.14.1) with venv" in done.stderr
        assert f"is Python {version}; name another with make setup PYTHON=" in done.stderr
        assert calls(copy) == []


@needs_make
def test_make_finds_a_python_that_will_do(copy, tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("make", "sh", "touch", "bash"):
        (folder / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(folder))
    assert "needs Python 3.11 to 3.14" in make(copy, "setup").stderr
    pretend(folder / "python3", "3.10.13")
    assert "python3 is Python 3.10.13" in make(copy, "setup").stderr
    assert calls(copy) == []
    pretend(folder / "python3.12", "3.12.0")
    pretend(folder / "python3.15", "3.15.0")
    assert make(copy, "setup").returncode == 0
    assert calls(copy)[0] == "python3.12 -m venv .venv"


@needs_make
@pytest.mark.parametrize("target", ["run", "test", "lab", "batch", "bench", "weights", "docs", "lint"])
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
    environment = {name: value for name, value in os.environ.items() if name != "ARGS" and not name.startswith("MAKE")}
    assert subprocess.run(run, cwd=copy, env=environment, capture_output=True).returncode == 0
    assert calls(copy) == ["-m facekit test"]
    (copy / ".venv" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    assert subprocess.run(run, cwd=copy, env=environment, capture_output=True).returncode != 0
