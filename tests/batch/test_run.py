"""Executed batches. A kernel takes seconds to start, so most tests examine the same batch."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from facekit.batch import BadPlan, Entry, plan_runs, run_batch
from facekit.batch.page import _opening

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

# A red dot, shown as a notebook shows a figure.
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
metrics["leaderboard"] = {"an <editor>": {"edit_success": 0.75, "fid": 1.5}, "no-op": {"edit_success": 0.0}}
(folder / "metrics.json").write_text(json.dumps(metrics))
print("cells say <script>alert(1)</script>")
"""


@pytest.fixture(scope="module")
def batch(tmp_path_factory, write_notebook):
    """Five notebooks: one fails, one kills its kernel, and two need another. `lines` are (seconds, message) pairs."""
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
    page, records = run_batch(folder / "runs", runs, jobs=2, log=lambda line: lines.append((time.time(), line)))
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
    assert any("02_failing--SEED-3 FAILED in " in line for _, line in lines)


def test_a_run_is_said_to_start_when_its_kernel_starts_and_to_end_with_its_seconds(batch):
    folder, _, _, records, lines = batch
    starts = [line.split()[0] for _, line in lines if line.endswith(" starts")]
    assert sorted(starts) == ["01_good--SEED-3", "02_failing--SEED-3", "03_dying--SEED-3"]  # skipped ones never start
    ends = [i for i, (_, line) in enumerate(lines) if line.startswith("[")]
    assert [lines[i][1].partition("]")[0] for i in ends] == [f"[{n:>3}/5" for n in range(1, 6)]
    third = next(i for i, (_, line) in enumerate(lines) if line.endswith(f"{starts[2]} starts"))
    assert third > ends[0]  # with two at once, it waits for one of them to end
    executed = json.loads((folder / "runs/01_good--SEED-3/notebook.ipynb").read_text())
    first_cell = datetime.fromisoformat(executed["cells"][0]["metadata"]["papermill"]["start_time"]).replace(tzinfo=UTC)
    [said] = [moment for moment, line in lines if line.endswith("01_good--SEED-3 starts")]
    assert abs(said - first_cell.timestamp()) < 5
    [done] = [line for _, line in lines if "01_good--SEED-3 done" in line]
    assert f"done in {records['01_good'].seconds:.0f} s" in done


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


def test_the_page_shows_failures_first_and_of_each_run_figures_metrics_and_links(batch):
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
    assert "<th>method</th><th>edit success</th><th>fid</th>" in board
    assert '<td>an &lt;editor&gt;</td><td class="number">0.75</td><td class="number">1.5</td>' in board
    assert '<td>no-op</td><td class="number">0</td><td class="number"></td>' in board
    assert "leaderboard /" not in html  # not among the metrics a second time
    assert 'href="01_good--SEED-3/notebook.html"' in html
    assert 'name="viewport"' in html
    assert "prefers-color-scheme: dark" in html
    assert "PyTorch" in html


def test_a_card_shows_title_first_paragraph_and_cover_of_a_notebook(tmp_path):
    opening = new_markdown_cell("# 07 · Title\n\n![alt](attachment:cover.png)\n\nWhat *you* learn.\n\n**After this**")
    opening.attachments = {"cover.png": {"image/png": "aGVsbG8="}}
    shown = _opening(new_notebook(cells=[opening]))
    assert shown == {"title": "07 · Title", "lead": "What you learn.", "cover": "aGVsbG8="}
    assert _opening(new_notebook()) == {}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_paragraph_of_a_notebook_has_no_formulas_which_its_card_would_not_render(path):
    lead = _opening(nbformat.read(path, as_version=4))["lead"]
    assert lead
    assert not set("$\\[<_") & set(lead)


def test_the_page_is_self_contained_and_executes_nothing_of_a_notebook(batch):
    _, _, page, _, _ = batch
    html = page.read_text()
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert "alert(1)" in html  # in the log, as text


def test_the_executed_notebook_as_a_page_loads_nothing_from_the_network(batch):
    folder, _, _, _, _ = batch
    html = (folder / "runs" / "01_good--SEED-3" / "notebook.html").read_text()
    assert "cells say" in html
    assert "cdnjs" not in html.split("<body")[0]


def test_a_rerun_repeats_only_runs_that_failed_or_changed(batch, write_notebook):
    folder, paths, _, _, _ = batch
    marker = folder / "runs" / "01_good--SEED-3" / "log.txt"
    before = marker.stat().st_mtime_ns
    write_notebook(folder, "02_failing", "print('repaired')")
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
    with FileLock(tmp_path / "runs" / ".lock"), pytest.raises(BadPlan, match="another batch is running"):
        run_batch(tmp_path / "runs", plan_runs([Entry((notebook("01_a"),))]))


def test_a_local_dask_cluster_executes_runs_too(tmp_path, notebook):
    runs = plan_runs([Entry((notebook("01_a", PUBLISH),), {"SEED": [1]})])
    page, (record,) = run_batch(tmp_path / "runs", runs, dask=True, log=lambda line: None)
    assert record.status == "done", record.error
    assert "01_a--SEED-1" in page.read_text()


def test_a_worker_that_does_not_see_the_notebook_reports_it(tmp_path, notebook):
    path = notebook("01_a")
    runs = plan_runs([Entry((path,))])
    path.unlink()
    _, (record,) = run_batch(tmp_path / "runs", runs, log=lambda line: None)
    assert record.status == "failed"
    assert "does not see" in record.error
    assert json.loads((tmp_path / "runs" / "01_a" / "record.json").read_text())["status"] == "failed"


def wait_for(condition, seconds=180):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        pytest.skip("needs ps")
    return bool(state) and not state.startswith("Z")


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_batch_leaves_no_process_and_can_be_continued(tmp_path, notebook):
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
    try:
        wait_for(lambda: flag.exists() and flag.read_text())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_for(lambda: not is_alive(int(flag.read_text())), 20)
    assert not (tmp_path / "runs/x/02_b/record.json").exists()
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "01_a unchanged" in again.stdout
    assert "02_b done" in again.stdout
    assert again.stdout.splitlines()[-1] == str(tmp_path / "runs/x/index.html")
