"""Batches that are really executed. A kernel takes seconds to start, so most tests look at one batch."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from facekit.batch import BadPlan, Entry, plan_runs, run_batch
from facekit.batch.page import _opening

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

# A red dot, as a notebook would show a figure.
PICTURE = """
from IPython.display import Image, display
display(Image(data=bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082")))
"""
PUBLISH = """
import json, os, pathlib
folder = pathlib.Path(os.environ["FACEKIT_RUN_DIR"])
metrics = {"accuracy": 0.123456789, "f1": {"<b>happy</b>": SEED + 0.5}, "threads": os.environ["OMP_NUM_THREADS"]}
metrics["leaderboard"] = {"an <editor>": {"edit_success": 0.75, "fid": 1.5}, "copy": {"edit_success": 0.0}}
(folder / "metrics.json").write_text(json.dumps(metrics))
print("cells say <script>alert(1)</script>")
"""


@pytest.fixture(scope="module")
def batch(tmp_path_factory, write_notebook):
    """Five notebooks, of which one fails, one kills its kernel, and two need another."""
    folder = tmp_path_factory.mktemp("a batch & its <folder>")
    paths = [
        write_notebook(folder, "01_good", PICTURE, PUBLISH),
        write_notebook(folder, "02_failing", "raise ValueError('an <odd> value')"),
        write_notebook(folder, "03_dying", "import os", "os._exit(7)"),
        write_notebook(folder, "04_after_failing", "1", needs=["02_failing"]),
        write_notebook(folder, "05_after_skipped", "1", needs=["04_after_failing"]),
    ]
    lines = []
    runs = plan_runs([Entry(tuple(paths), {"SEED": ["3"]})])
    page, records = run_batch(folder / "runs", runs, jobs=2, log=lines.append)
    return folder, paths, page, {record.notebook: record for record in records}, lines


def test_a_failure_or_a_dead_kernel_stops_no_other_but_those_that_need_it(batch):
    _, _, _, records, lines = batch
    assert {name: record.status for name, record in records.items()} == {
        "01_good": "done",
        "02_failing": "failed",
        "03_dying": "failed",
        "04_after_failing": "skipped",
        "05_after_skipped": "skipped",
    }
    assert "ValueError: an <odd> value" in records["02_failing"].error
    assert "\x1b" not in records["02_failing"].error
    assert "kernel died" in records["03_dying"].error.lower()
    assert records["04_after_failing"].error == "needs 02_failing--SEED-3"
    assert any("02_failing--SEED-3 FAILED" in line for line in lines)


def test_each_run_leaves_its_folder(batch):
    folder, _, _, records, _ = batch
    own = folder / "runs" / "01_good--SEED-3"
    assert {"notebook.ipynb", "notebook.html", "metrics.json", "log.txt", "record.json"} == {
        p.name for p in own.iterdir()
    }
    kept = json.loads((own / "record.json").read_text())
    assert kept["status"] == "done"
    assert kept["parameters"] == {"SEED": 3}
    assert kept["digest"] == records["01_good"].digest
    assert json.loads((own / "metrics.json").read_text())["f1"] == {"<b>happy</b>": 3.5}
    threads = json.loads((own / "metrics.json").read_text())["threads"]
    assert threads == str(max(1, os.cpu_count() // 2))
    assert "without encryption" not in (own / "log.txt").read_text()


def test_the_page_shows_failures_first_and_everything_that_a_reader_needs(batch):
    _, _, page, _, _ = batch
    html = page.read_text()
    order = [
        html.index(f'<section id="{name}--SEED-3"')
        for name in ("02_failing", "03_dying", "04_after_failing", "01_good")
    ]
    assert order == sorted(order)
    assert html.count('src="data:image/png;base64,iVBOR') == 1
    assert '<td class="number" title="0.123456789">0.1235</td>' in html
    assert "f1 / &lt;b&gt;happy&lt;/b&gt;" in html
    assert "an &lt;odd&gt; value" in html
    assert "needs 02_failing--SEED-3" in html
    board = html[html.index("Leaderboard") :]
    assert "<th>kept and changed</th><th>fid</th>" in board
    assert '<td>an &lt;editor&gt;</td><td class="number">0.75</td><td class="number">1.5</td>' in board
    assert '<td>copy</td><td class="number">0</td><td class="number"></td>' in board
    assert "leaderboard /" not in html  # not among the metrics a second time
    assert 'href="01_good--SEED-3/notebook.html"' in html
    assert 'name="viewport"' in html
    assert "prefers-color-scheme: dark" in html
    assert "PyTorch" in html


def test_a_card_says_what_a_notebook_is_about_and_shows_its_cover(tmp_path):
    opening = new_markdown_cell("# 07 · Title\n\n![alt](attachment:cover.png)\n\nWhat *you* make.\n\n**After this**")
    opening.attachments = {"cover.png": {"image/png": "aGVsbG8="}}
    shown = _opening(new_notebook(cells=[opening]))
    assert shown == {"title": "07 · Title", "lead": "What you make.", "cover": "aGVsbG8="}
    assert _opening(new_notebook()) == {}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_paragraph_of_a_notebook_is_words_alone_as_its_card_sets_no_formulas(path):
    lead = _opening(nbformat.read(path, as_version=4))["lead"]
    assert lead
    assert not set("$\\[<_") & set(lead)


def test_the_page_holds_all_that_it_shows_and_nothing_of_a_notebook_runs_in_it(batch):
    _, _, page, _, _ = batch
    html = page.read_text()
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert "alert(1)" in html  # in the log, as text


def test_the_executed_notebook_as_a_page_fetches_nothing(batch):
    folder, _, _, _, _ = batch
    html = (folder / "runs" / "01_good--SEED-3" / "notebook.html").read_text()
    assert "cells say" in html
    assert "cdnjs" not in html.split("<body")[0]


def test_a_rerun_repeats_only_what_is_not_done_or_changed(batch, write_notebook):
    folder, paths, _, _, _ = batch
    marker = folder / "runs" / "01_good--SEED-3" / "log.txt"
    before = marker.stat().st_mtime_ns
    write_notebook(folder, "02_failing", "print('mended')")
    runs = plan_runs([Entry((paths[0], paths[1]), {"SEED": [3]})])
    _, records = run_batch(folder / "runs", runs, log=lambda line: None)
    assert {record.notebook: (record.status, record.unchanged) for record in records} == {
        "01_good": ("done", True),
        "02_failing": ("done", False),
    }
    assert marker.stat().st_mtime_ns == before
    assert all(record.digest for record in records)


def test_two_batches_do_not_share_a_folder(tmp_path, notebook):
    from filelock import FileLock

    (tmp_path / "runs").mkdir()
    with FileLock(tmp_path / "runs" / ".lock"), pytest.raises(BadPlan, match="another batch is at work"):
        run_batch(tmp_path / "runs", plan_runs([Entry((notebook("01_a"),))]))


def test_a_local_dask_cluster_gives_the_same(tmp_path, notebook):
    runs = plan_runs([Entry((notebook("01_a", PUBLISH),), {"SEED": [1]})])
    page, (record,) = run_batch(tmp_path / "runs", runs, dask=True, log=lambda line: None)
    assert record.status == "done", record.error
    assert "01_a--SEED-1" in page.read_text()


def test_a_worker_that_does_not_see_the_notebook_says_so(tmp_path, notebook):
    path = notebook("01_a")
    runs = plan_runs([Entry((path,))])
    path.unlink()
    _, (record,) = run_batch(tmp_path / "runs", runs, log=lambda line: None)
    assert record.status == "failed"
    assert "does not see" in record.error
    assert json.loads((tmp_path / "runs" / "01_a" / "record.json").read_text())["status"] == "failed"


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        pytest.skip("needs ps")
    return bool(state) and not state.startswith("Z")


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_batch_killed_outright_leaves_no_process_and_goes_on_where_it_was(tmp_path, notebook):
    waits = """
import os, pathlib, time
flag = pathlib.Path("pid")
if not flag.exists():
    flag.write_text(str(os.getpid()))
    time.sleep(600)
"""
    paths = [notebook("01_a", "1"), notebook("02_b", waits)]
    command = [sys.executable, "-m", "facekit", "batch", "--jobs", "1", "--name", "x", "--notebooks", *map(str, paths)]
    environment = {**os.environ, "FACEKIT_RUNS": str(tmp_path / "runs")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    flag = paths[0].parent / "pid"
    wait_for(lambda: flag.exists() and flag.read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not is_alive(int(flag.read_text())), 20)
    assert not (tmp_path / "runs/x/02_b/record.json").exists()
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "01_a unchanged" in again.stdout
    assert "02_b done" in again.stdout
    assert again.stdout.splitlines()[-1] == str(tmp_path / "runs/x/index.html")
