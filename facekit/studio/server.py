"""The studio served by Python, on this machine only: one process for all visitors, and all generators that are here.

The page is the one without a server; instead of running networks itself, it asks this process. Images go both ways as
bytes: 3 x size x size, channel by channel. Nothing that a visitor sends is stored.
"""

from __future__ import annotations

import asyncio
import functools
import json
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tornado.web import Application, HTTPError, RequestHandler

from facekit.datasets.alignment import eyes_of
from facekit.datasets.pictures import BadPicture, read_picture
from facekit.datasets.videos import VideoFrames
from facekit.evaluation.judges import EmotionJudge
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, from_uint8, to_uint8
from facekit.models.export import asked_by
from facekit.models.load import load_system
from facekit.models.system import Generator
from facekit.models.video import driving
from facekit.show.catalogue import ESTIMATOR, JUDGE, Entry, available
from facekit.show.videos import FORMATS, VideoWriter
from facekit.studio.contents import contents, described, ground_truth, picture, web_file
from facekit.studio.page import FILES
from facekit.weights.store import WeightsError

LARGEST = 80 * 2**20
"""Bytes of a request: a video that drives a face is the largest."""

_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_ENGINE = {"engine.js": "server_engine.js"}  # the page's file that is another one here
_DRIVEN = "texture_gan-synthetic_motions"  # by a video
_LONGEST = 600  # frames of a driver


class Refused(ValueError):
    """A request that cannot be answered. The message is shown to the visitor."""


class Studio:
    """The networks, each loaded when it is first asked for, and their answers. Its methods are called one at a time."""

    @functools.cached_property
    def entries(self) -> list[tuple[Entry, Generator]]:
        """The generators that the studio can ask, best first."""
        found = []
        for entry in available():
            try:
                generator = load_system(entry.weights)
            except WeightsError:  # of a run that does not fit this version
                continue
            if asked_by(generator):
                found.append((entry, generator))
        return found

    @functools.cached_property
    def page(self) -> bytes:
        """`contents.js`."""
        shown = contents(lambda name: f"pictures/{name}.webp")
        shown["generators"] = [described(entry, generator) for entry, generator in self.entries]
        shown["texts"]["lead"] = shown["texts"]["lead_served"]
        shown["judge"] = {"weights": JUDGE, "emotions": list(PROTOCOL_EMOTIONS)}
        return f"const CONTENTS = {json.dumps(shown)};\n".encode()

    def edit(self, weights: str, label: Tensor, images: Tensor) -> Tensor:
        """The edited images (1, 3, H, W)."""
        generator = next((found for entry, found in self.entries if entry.weights == weights), None)
        if generator is None:
            raise Refused(f"there is no generator {weights}")
        return generator.edit(Faces(images), Expression(**{asked_by(generator): label[None]}))

    def read(self, images: Tensor) -> dict[str, float]:
        """The judge's probabilities of the emotions."""
        return dict(zip(PROTOCOL_EMOTIONS, self._judge.probabilities(Faces(images))[0].tolist(), strict=True))

    def action_units(self, images: Tensor) -> list[float]:
        """The estimated action units (A)."""
        return self._estimator.predict(images)[0].clamp(0, 1).tolist()

    def faces(self, file: bytes) -> list[list[list[float]]]:
        """The eyes (2, 2) of each face in a picture, in its pixels, the largest face first."""
        pixels, tracker = np.asarray(read_picture(file)), driving.tracker()
        return [eyes_of(tracker.landmarks(pixels, face)).tolist() for face in tracker.finder.find(pixels)]

    def drive(self, face: Tensor, video: bytes, name: str, relative: bool) -> tuple[Tensor, float]:
        """The frames (T, 3, H, W) of a face (1, 3, H, W) that is moved by the face in a video, and their rate."""
        generator = self._driven
        portrait = driving.Portrait.of_face(face, generator)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, f"driver{Path(name).suffix}")
            path.write_bytes(video)
            frames = VideoFrames(path)
            driver = driving.by_video(portrait, generator, driving.tracker().seen(iter(frames)), relative=relative)
            moved: list[Tensor] = []
            for _, edits in driving.animate(portrait, driver, generator):
                moved += edits
                if len(moved) >= _LONGEST:
                    break
        return torch.stack(moved[:_LONGEST]), frames.fps

    @functools.cached_property
    def _judge(self) -> EmotionJudge:
        return EmotionJudge.load(JUDGE)

    @functools.cached_property
    def _estimator(self):
        return load_system(ESTIMATOR)

    @functools.cached_property
    def _driven(self) -> Generator:
        return load_system(_DRIVEN)


def movie(frames: Tensor, fps: float, suffix: str, statement: str) -> bytes:
    """Frames (T, 3, H, W) as a video file that states its origin, four times as large."""
    if suffix not in FORMATS:
        raise Refused(f"{suffix} is no format of videos; there are {', '.join(FORMATS)}")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, f"movie{suffix}")
        with VideoWriter(path, fps, statement) as writer:
            for frame in torch.nn.functional.interpolate(frames, scale_factor=4, mode="bicubic"):
                writer.add(driving.pixels_of(frame.clamp(-1, 1)))
        return path.read_bytes()


def application(studio: Studio | None = None) -> Application:
    """The server's application. It answers only requests that name this machine: the page of another host cannot reach
    it, not even by a name that leads here."""
    studio = studio or Studio()
    pool = ThreadPoolExecutor(1)  # a network uses all cores itself
    shared = {"studio": studio, "pool": pool}
    routes = [
        (r"/(|[a-z_]+\.(?:html|js|css))", _File, shared),
        (r"/pictures/([a-z0-9/]+)\.webp", _Picture, shared),
        (r"/(edit|read|units|truth|faces|drive|movie)", _Answer, shared),
    ]
    served = Application([])
    served.add_handlers(r"(localhost|127\.0\.0\.1|\[::1\])", routes)
    return served


class _Handler(RequestHandler):
    def initialize(self, studio: Studio, pool: ThreadPoolExecutor) -> None:
        self.studio, self.pool = studio, pool

    async def computed(self, function: Callable, *arguments):
        return await asyncio.get_running_loop().run_in_executor(self.pool, functools.partial(function, *arguments))


class _File(_Handler):
    async def get(self, name: str) -> None:
        name = name or "index.html"
        if name == "contents.js":
            content = await self.computed(lambda: self.studio.page)
        elif name in FILES:
            content = web_file(_ENGINE.get(name, name))
        else:
            raise HTTPError(404)
        self.set_header("Content-Type", f"{_TYPES[Path(name).suffix]}; charset=utf-8")
        self.finish(content)


class _Picture(_Handler):
    async def get(self, name: str) -> None:
        try:
            content = await self.computed(picture, name)
        except KeyError:
            raise HTTPError(404) from None
        self.set_header("Content-Type", "image/webp")
        self.set_header("Cache-Control", "max-age=3600")
        self.finish(content)


class _Answer(_Handler):
    async def post(self, what: str) -> None:
        try:
            answer = await self.computed(getattr(self, f"_{what}"))
        except (Refused, BadPicture, ValueError) as error:
            self.set_status(400)
            answer = {"error": " ".join(str(error).split())}
        if isinstance(answer, Tensor):
            self.set_header("Content-Type", "application/octet-stream")
            answer = to_uint8(answer).numpy().tobytes()
        self.finish(answer if isinstance(answer, bytes) else json.dumps(answer))

    # Each of these answers a request: a tensor of images, bytes, or a value for JSON.

    def _edit(self) -> Tensor:
        return self.studio.edit(self.get_query_argument("generator"), self._numbers("label"), self._images())

    def _read(self) -> dict[str, float]:
        return self.studio.read(self._images())

    def _units(self) -> list[float]:
        return self.studio.action_units(self._images())

    def _truth(self) -> Tensor:
        units = self._numbers("units")
        if len(units) != len(ACTION_UNIT_COLUMNS):
            raise Refused(f"there are {len(units)} action units, not {len(ACTION_UNIT_COLUMNS)}")
        return ground_truth(int(self.get_query_argument("person")), units)

    def _faces(self) -> list:
        return self.studio.faces(self.request.body)

    def _drive(self) -> Tensor:
        sent = self.request.files
        if not {"video", "face"} <= sent.keys():
            raise Refused("the form has no video, or no face")
        video, face = sent["video"][0], sent["face"][0]
        relative = self.get_body_argument("relative", "1") == "1"
        moved, fps = self.studio.drive(_images(face["body"]), video["body"], video["filename"], relative)
        self.set_header("X-Frames-A-Second", f"{fps:.3f}")
        return moved

    def _movie(self) -> bytes:
        size, fps = int(self.get_query_argument("size")), float(self.get_query_argument("fps"))
        statement = self.get_query_argument("statement")
        frames = _images(self.request.body, size)
        return movie(frames, fps, self.get_query_argument("suffix"), statement)

    def _numbers(self, name: str) -> Tensor:
        return torch.tensor([float(number) for number in self.get_query_argument(name).split(",")])

    def _images(self) -> Tensor:
        return _images(self.request.body)


def _images(body: bytes, size: int | None = None) -> Tensor:
    """Images (N, 3, size, size) in [-1, 1] from bytes; one image, where the size is not given."""
    values = np.frombuffer(body, np.uint8)
    size = size or round((len(values) / 3) ** 0.5)
    if not size or len(values) % (3 * size * size):
        raise Refused(f"{len(values)} bytes are no images of {size} pixels")
    return from_uint8(torch.from_numpy(values.copy()).view(-1, 3, size, size))
