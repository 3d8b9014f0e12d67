"""The studio as a folder of static files, which need neither Python nor a server.

A page that is opened from disk may load scripts, but may not fetch files. So everything large is a script of its own:
`asset(name, content)` with the content compressed and in base64, loaded when it is needed.
"""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from facekit.evaluation.judges import EmotionJudge
from facekit.models.export import export_onnx
from facekit.models.load import load_system
from facekit.show.catalogue import ESTIMATOR, JUDGE, LANDMARKS, Entry, on_page
from facekit.studio.cascade import face_cascade
from facekit.studio.contents import PEOPLE, contents, described, pictures, web_file
from facekit.studio.runtime import runtime
from facekit.workspace.files import remove

FILES = (
    "index.html",
    "studio.css",
    "pictures.js",
    "expression.js",
    "detector.js",
    "engine.js",
    "faces.js",
    "player.js",
    "studio.js",
)
"""The page's own files, which are copied as they are."""

_READ_AT = 64  # pixels of the images that the judge and the estimators see
_MARK = "facekit-page.json"  # its presence says that a folder may be replaced


class NotAPage(ValueError):
    """A folder that is not empty and holds no page. The message says what to do."""


def write_page(
    folder: Path, *, archive: Path | None = None, people: int = PEOPLE, log: Callable[[str], None] = lambda _: None
) -> Path:
    """Write the page into a folder, or replace the page that is there; returns the path of its `index.html`.

    archive  the npm package of onnxruntime-web; see `facekit.studio.runtime`
    people   number of drawn people
    log      is told what is being written

    Raises `NotAPage` for a folder with other content, and `NoRuntime`.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise NotAPage(f"{folder} holds other files: name a new folder, so that none of them is lost")
    library = runtime(archive)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name in FILES:
            (draft / name).write_bytes(web_file(name))
        assets = draft / "assets"
        assets.mkdir()
        _write_asset(assets, "runtime_code", library.code)
        _write_asset(assets, "runtime_binary", library.binary)
        _write_asset(assets, "face_cascade", json.dumps(face_cascade()).encode())
        log("people")
        drawn = {name: f"data:image/webp;base64,{base64.b64encode(file).decode()}" for name, file in pictures(people)}
        shown = contents(drawn.__getitem__, people) | {"generators": [], "judge": _judge(assets)}
        for entry in on_page():
            log(entry.name)
            shown["generators"].append(_generator(assets, entry))
        for name in (ESTIMATOR, LANDMARKS):
            _write_network(assets, name, size=_READ_AT, channels=3)
        shown |= {"estimator": ESTIMATOR, "landmarks": LANDMARKS, "readAt": _READ_AT}
        (draft / "contents.js").write_text(f"const CONTENTS = {json.dumps(shown)};\n", encoding="utf-8")
        (draft / _MARK).write_text(json.dumps({"page": "facekit studio"}), encoding="utf-8")
        remove(folder)
        draft.chmod(0o755)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder / "index.html"


def _generator(assets: Path, entry: Entry) -> dict:
    _write_network(assets, entry.weights)
    return described(entry, load_system(entry.weights))


def _judge(assets: Path) -> dict:
    """The judge's name, temperature and emotions; its network is an asset."""
    judge = EmotionJudge.load(JUDGE)
    _write_network(assets, JUDGE, size=_READ_AT, channels=3)
    return {"weights": JUDGE, "temperature": float(judge.temperature), "emotions": list(judge.system.emotions)}


def _write_network(assets: Path, weights: str, **images: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = export_onnx(load_system(weights), Path(scratch, "network.onnx"), **images)
        _write_asset(assets, weights, path.read_bytes())


def _write_asset(assets: Path, name: str, content: bytes) -> None:
    packed = base64.b64encode(gzip.compress(content, mtime=0)).decode()
    (assets / f"{name}.js").write_text(f'asset("{name}", "{packed}");\n', encoding="ascii")
