"""The exact versions in `requirements.txt`, which install on every Python that `pyproject.toml` supports."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from facekit.cli.arguments import UsageError
from facekit.workspace.files import write_text
from facekit.workspace.folders import checkout

# The CUDA build of torch installs these itself; the smaller build for CPUs does without them.
_BROUGHT_BY_TORCH = ("nvidia-", "cuda-", "triton")

_HEADER = """\
# Exact versions of everything that facekit, its tests and its documentation depend on: one environment that is known
# to work. Written by `python -m facekit pin` from an environment that passed the tests; pyproject.toml has the ranges.
# torch's own dependencies for CUDA are left out: torch installs them itself if its build needs them.
"""


def pin() -> None:
    """Write `requirements.txt` from the versions installed here.

    Raises `UsageError` if an installed version does not support every Python that facekit supports, or if a package
    that another of these Pythons needs is not installed. `requirements.txt` then stays unchanged.
    """
    supported = supported_pythons()
    try:
        versions = closure("facekit", {"dev"}, pythons=supported)
    except metadata.PackageNotFoundError as error:
        raise UsageError(f"{error.name} is needed on some supported Python: install it here, then pin again") from error
    refused = refusals({name: metadata.metadata(name).get("Requires-Python") for name in versions}, supported)
    if refused:
        found = "; ".join(f"{name} {versions[name]} does not support Python {which}" for name, which in refused.items())
        raise UsageError(f"{found}. facekit supports it (pyproject.toml): install another version here, then pin again")
    lines = sorted(f"{name}=={version}" for name, version in versions.items())
    write_text(checkout() / "requirements.txt", _HEADER + "\n".join(lines) + "\n")


def supported_pythons() -> list[Version]:
    """The releases of Python 3 that `requires-python` in `pyproject.toml` admits, those to come included: 3.x.0 to
    3.x.29."""
    project = tomllib.loads((checkout() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    admitted = SpecifierSet(project["requires-python"])
    return list(admitted.filter(Version(f"3.{minor}.{micro}") for minor in range(30) for micro in range(30)))


def refusals(requires_python: Mapping[str, str | None], pythons: Sequence[Version]) -> dict[str, Version]:
    """The packages whose `Requires-Python` excludes one of these Pythons, each with the lowest that it excludes.

    >>> refusals({"soupsieve": ">=3.11.5", "six": None}, [Version("3.11.0"), Version("3.12.0")])
    {'soupsieve': <Version('3.11.0')>}
    """
    ranges = {name: SpecifierSet(text or "") for name, text in requires_python.items()}
    excluded = {name: [v for v in pythons if not allowed.contains(v)] for name, allowed in ranges.items()}
    return {name: min(versions) for name, versions in excluded.items() if versions}


def closure(package: str, extras: set[str], pythons: Sequence[Version] = ()) -> dict[str, str]:
    """Name and installed version of all that an installed package and its extras need, directly or not.

    Requirements with a condition count if it holds on this Python or on one of `pythons`. The package itself is left
    out, and so is what torch installs for CUDA. Raises `importlib.metadata.PackageNotFoundError` if one of the packages
    is not installed.
    """
    minors = {f"{version.major}.{version.minor}" for version in pythons}
    found: dict[str, str] = {}
    waiting = [(package, frozenset(extras))]
    seen = set(waiting)
    while waiting:
        for needed in _needs(*waiting.pop(), minors):
            name = canonicalize_name(needed.name)
            if name.startswith(_BROUGHT_BY_TORCH):
                continue
            found[name] = metadata.version(name).partition("+")[0]
            if (name, frozenset(needed.extras)) not in seen:
                seen.add((name, frozenset(needed.extras)))
                waiting.append((name, frozenset(needed.extras)))
    return found


def _needs(package: str, extras: frozenset[str], minors: set[str]) -> Iterator[Requirement]:
    """The requirements of an installed package that hold on this machine, under any of these Pythons."""
    pythons = [{}, *({"python_version": minor, "python_full_version": f"{minor}.0"} for minor in minors)]
    cases = [{"extra": extra, **python} for extra in ("", *extras) for python in pythons]
    for text in metadata.requires(package) or []:
        requirement = Requirement(text)
        if requirement.marker is None or any(map(requirement.marker.evaluate, cases)):
            yield requirement
