"""A real browser, and what it opens: JupyterLab on a copy of the notebooks, and the studio, served and from disk."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from facekit.batch.notebooks import kernel_environment
from facekit.cli.maintenance import find_browser
from facekit.models.video.driving import pixels_of
from facekit.show.subjects import drawn_person
from facekit.studio.page import write_page
from facekit.studio.runtime import NoRuntime, runtime
from facekit.workspace.attended import UNATTENDED

ROOT = Path(__file__).parents[2]


def missing(what):
    """Skip, and say why; where a browser is asked for, as by continuous integration, fail."""
    if os.environ.get("FACEKIT_BROWSER") == "required":
        pytest.fail(f"{what}, and FACEKIT_BROWSER says that it is required")
    pytest.skip(f"{what}: make browser-test says how to get it")


def picture_of(places, width=640):
    """A grey picture (480, W, 3) uint8 in which drawn people are seen: {person: (left, top)}."""
    pixels = np.full((480, width, 3), 140, np.uint8)
    for person, (x, y) in places.items():
        pixels[y : y + 256, x : x + 256] = pixels_of(drawn_person(person).at(256, 3).images[0])
    return pixels


@pytest.fixture(scope="module")
def one_person():
    """A picture (480, 640, 3) uint8 of a drawn person, which is also what the camera of the browser sees."""
    return picture_of({20: (200, 90)})


@pytest.fixture(scope="module")
def two_people():
    """A picture (480, 900, 3) uint8 of two drawn people."""
    return picture_of({20: (120, 80), 31: (500, 150)}, width=900)


@pytest.fixture(scope="module")
def film(one_person, tmp_path_factory):
    """The path of an uncompressed video of one frame, for the camera of the browser."""
    path = tmp_path_factory.mktemp("camera") / "film.y4m"
    planes = cv2.cvtColor(one_person, cv2.COLOR_RGB2YUV_I420).tobytes()
    path.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\nFRAME\n" + planes)
    return path


@pytest.fixture(scope="module")  # while Playwright runs, no other test in this process can run a loop of its own
def browser(film):
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        missing("playwright is not installed")
    # No other host is reached: a page that needs one fails here, and not at a reader's who is offline.
    blocked = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
    camera = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"]
    with sync_playwright() as playwright:
        found = find_browser()
        try:
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", blocked, *camera])
        except Error:
            missing("there is no Chromium")
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1400, "height": 1400})
    page.set_default_timeout(60_000)
    yield page
    page.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(command, address, environment, folder):
    """Start a server, in a group with whatever it starts, and wait until it answers."""
    log = (folder / "server.log").open("w")
    command = [sys.executable, "-m", *command]
    server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5)
            return server
        except urllib.error.HTTPError:  # an answer, too
            return server
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.3)
    stop(server)
    pytest.fail(f"{' '.join(command[2:])} did not start: {(folder / 'server.log').read_text()[-2000:]}")


def stop(server):
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    server.wait(20)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with kernel_environment() as environment:
        attended = {name: value for name, value in environment.items() if name != UNATTENDED}
        yield attended | {
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            "FACEKIT_RUNS": str(home / "runs"),
            "PYTHONPATH": str(ROOT),
        }


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """A folder with a copy of the notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def lab(environment, copies):
    """`lab(name)`: the address of a notebook in JupyterLab, which serves `copies`."""
    port, token = free_port(), secrets.token_hex(8)
    command = [
        "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
        f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    ]  # fmt: skip
    server = serve(command, f"http://127.0.0.1:{port}/api?token={token}", environment, copies)
    yield lambda name: f"http://127.0.0.1:{port}/lab/tree/{name}?token={token}&reset"
    stop(server)


@pytest.fixture(scope="module")
def served(environment, tmp_path_factory):
    """The address of the studio that `facekit app` serves."""
    port = free_port()
    command = ["facekit", "app", "--no-browser", f"--port={port}"]
    server = serve(command, f"http://127.0.0.1:{port}/", environment, tmp_path_factory.mktemp("app"))
    yield f"http://127.0.0.1:{port}/"
    stop(server)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The address of the studio's page without a server, on disk."""
    try:
        runtime()
    except NoRuntime as error:
        pytest.skip(str(error))
    return write_page(tmp_path_factory.mktemp("page") / "studio", people=9).as_uri()
