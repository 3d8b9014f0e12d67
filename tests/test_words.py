"""The suite's texts use the field's terms: expressions of its former private vocabulary do not come back."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRIVATE = re.compile(
    r"kept and changed|\bas asked\b(?!:)|error / copy|moved right|same person, both"
    r"|\bexams?\b|sits? the|\bthe makers?\b|maker_loss|\badvisers?\b|keepsake"
    r"|who it is\b|\bby heart\b|stands? on\b|\bnobody\b|\bwhoever\b|the true answer",
    re.IGNORECASE,
)
SUFFIXES = {".py", ".md", ".j2", ".ipynb", ".toml", ".yml", ".cff", ""}
EXEMPT = {"CHANGELOG.md", "LICENSE", "tests/test_words.py"}  # the changes name what was renamed


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this folder is no checkout")
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def texts(path: Path) -> list[str]:
    """What a person reads of a file: of a notebook its sources, and the text of its outputs."""
    content = path.read_text(encoding="utf-8", errors="ignore")
    if path.suffix != ".ipynb":
        return content.splitlines()
    cells = json.loads(content)["cells"]
    printed = [output.get("text", "") for cell in cells for output in cell.get("outputs", [])]
    return [line for part in ([cell["source"] for cell in cells] + printed) for line in "".join(part).splitlines()]


def found(lines: list[str]) -> list[str]:
    return [f"{match[0]!r} in: {line.strip()[:100]}" for line in lines if (match := PRIVATE.search(line))]


@pytest.mark.parametrize(
    "name", [name for name in tracked() if Path(name).suffix in SUFFIXES and name not in EXEMPT], ids=str
)
def test_standard_terms(name):
    assert found(texts(ROOT / name)) == []


def test_a_private_word_is_found():
    assert found(["an edit that is kept and changed"])
    assert found(["Nobody knows"])
    assert not found(["the generator, the discriminator, the ground truth"])
