"""The served studio: each answer equals the library's, wrong requests get a sentence, other hosts get nothing."""

import asyncio
import io
import json
import urllib.parse

import pytest
import torch
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from facekit import Expression, Faces
from facekit.datasets.videos import VideoFrames
from facekit.evaluation.judges import EmotionJudge
from facekit.faces import ACTION_UNIT_COLUMNS, EMOTIONS, from_uint8, to_uint8
from facekit.models.load import load_system
from facekit.models.video.driving import pixels_of
from facekit.show.catalogue import Entry
from facekit.show.images import to_png
from facekit.show.subjects import drawn_person
from facekit.show.videos import VideoWriter
from facekit.studio import server as module
from facekit.studio.server import Studio, application


@pytest.fixture(scope="module")
def studio():
    """With two generators only."""
    entries = [Entry(name, name, "A line.") for name in ("stargan-synthetic", "adversarial_editor-synthetic")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "available", lambda: iter(entries))
        made = Studio()
        assert len(made.entries) == 2
        yield made


@pytest.fixture
def ask(studio):
    """`ask(path, body, **headers)`: the status, headers and body of an answer."""

    def request(path, body=None, headers=None):
        async def exchange():
            socket, port = bind_unused_port()
            server = HTTPServer(application(studio))
            server.add_sockets([socket])
            method = "GET" if body is None else "POST"
            try:
                return await AsyncHTTPClient().fetch(
                    f"http://127.0.0.1:{port}/{path}", method=method, body=body, headers=headers, raise_error=False
                )
            finally:
                server.stop()

        answer = asyncio.run(exchange())
        return answer.code, answer.headers, answer.body

    return request


FACE = drawn_person(5).at(64, 3).images


def sent(images):
    return to_uint8(images).numpy().tobytes()


def received(body, size=64):
    return from_uint8(torch.frombuffer(bytearray(body), dtype=torch.uint8).view(-1, 3, size, size))


def label(values):
    return ",".join(map(str, values))


def test_the_page_and_its_parts(ask):
    status, headers, body = ask("")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"studio.js" in body
    assert b"the server that the page comes from" in ask("engine.js")[2]
    shown = json.loads(ask("contents.js")[2].decode().removeprefix("const CONTENTS = ").rstrip(";\n"))
    assert [each["part"] for each in shown["generators"]] == ["emotion", "action_units"]
    assert ask(shown["people"][3]["images"]["64"])[2][:4] == b"RIFF"
    assert ask("pictures/person/7/elated.webp")[0] == ask("texts.json")[0] == ask("server.py")[0] == 404


def test_only_this_machine_is_answered(ask):
    assert ask("", headers={"Host": "example.org"})[0] == 404
    assert ask("read", sent(FACE), {"Host": "example.org"})[0] == 404
    assert ask("read", sent(FACE), {"Host": "localhost"})[0] == 200


def test_edits_are_those_of_the_library(ask):
    face = from_uint8(to_uint8(FACE))
    weights = Expression.of("happy", 0.6).intensity_to_weights().emotion[0]
    status, _, body = ask(f"edit?generator=stargan-synthetic&label={label(weights.tolist())}", sent(FACE))
    expected = load_system("stargan-synthetic").edit(Faces(face), Expression.of("happy", 0.6))
    assert status == 200
    assert (received(body) - expected).abs().max() <= 1 / 127.5
    units = Expression.from_action_units({"AU12L": 0.8}).action_units
    _, _, body = ask(f"edit?generator=adversarial_editor-synthetic&label={label(units[0].tolist())}", sent(FACE))
    expected = load_system("adversarial_editor-synthetic").edit(Faces(face), Expression(action_units=units))
    assert (received(body) - expected).abs().max() <= 1 / 127.5


def test_judges_and_estimates(ask):
    found = json.loads(ask("read", sent(drawn_person(5, "happy").at(64, 3).images))[2])
    assert max(found, key=found.get) == "happy"
    expected = EmotionJudge.load("emotion_resnet-synthetic").probabilities(drawn_person(5, "happy").at(64, 3))
    assert found["happy"] == pytest.approx(expected[0, EMOTIONS.index("happy")].item(), abs=0.02)
    units = json.loads(ask("units", sent(drawn_person(5, "happy").at(64, 3).images))[2])
    assert len(units) == len(ACTION_UNIT_COLUMNS)
    assert units[ACTION_UNIT_COLUMNS.index("AU12L")] > 0.4


def test_the_ground_truth_is_drawn_for_any_expression(ask):
    units = Expression.from_action_units({"AU43R": 1.0}).action_units
    body = ask(f"truth?person=5&units={label(units[0].tolist())}", b"")[2]
    truth = (
        drawn_person(5).ground_truth(128, 3).edit(Faces(torch.zeros(1, 3, 128, 128)), Expression(action_units=units))
    )
    assert (received(body, 128) - truth).abs().max() <= 1 / 127.5


def test_all_faces_of_a_picture_are_found(ask):
    from PIL import Image

    picture = Image.new("RGB", (700, 360), (120, 130, 140))
    for person, place in ((20, (40, 60)), (31, (400, 90))):
        face = drawn_person(person).at(256, 3).images[0]
        picture.paste(Image.open(io.BytesIO(to_png_of(face))), place)
    eyes = json.loads(ask("faces", to_png(picture))[2])
    assert sorted(round(pair[0][0] > 350) for pair in eyes) == [0, 1]
    assert all(left[0] < right[0] for left, right in eyes)
    assert json.loads(ask("faces", to_png(Image.new("RGB", (200, 200))))[2]) == []


def to_png_of(image):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels_of(image)).save(file, "PNG")
    return file.getvalue()


def test_a_video_moves_a_face_and_the_result_is_a_file(ask, tmp_path):
    path = tmp_path / "smile.mp4"
    surprised = drawn_person(33).ground_truth(256, 3)
    blank = Faces(torch.zeros(1, 3, 256, 256))
    with VideoWriter(path, 10, "test") as writer:
        for level in (0.0, 0.3, 0.6, 1.0, 1.0):
            writer.add(pixels_of(surprised.edit(blank, Expression.of("surprise", level))[0]))
    boundary = "x" * 20
    parts = [
        ('name="face"; filename="face"', sent(FACE)),
        (f'name="video"; filename="{path.name}"', path.read_bytes()),
    ]
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
        for head, content in parts
    )
    body += f"--{boundary}--\r\n".encode()
    status, headers, moved = ask("drive", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    assert status == 200, moved
    frames = received(moved)
    assert (len(frames), float(headers["X-Frames-A-Second"])) == (5, 10.0)
    assert (frames[-1] - frames[0]).abs().mean() > 0.02
    query = urllib.parse.urlencode({"size": 64, "fps": 10, "suffix": ".mp4", "statement": "Not a recording."})
    status, _, file = ask(f"movie?{query}", moved)
    (tmp_path / "out.mp4").write_bytes(file)
    assert next(iter(VideoFrames(tmp_path / "out.mp4"))).shape == (256, 256, 3)
    assert b"Not a recording." in file


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("edit?generator=nothing&label=1", sent(FACE), "there is no generator nothing"),
        ("edit?generator=stargan-synthetic&label=1,0,0,0,0,0,0,0", sent(FACE)[:-3], "are no images of 64 pixels"),
        ("edit?generator=stargan-synthetic&label=1,0,0,0,0,0,0,0", sent(FACE)[: 3 * 32 * 32], "64 x 64 pixels"),
        ("truth?person=5&units=1,0", b"", "there are 2 action units, not 33"),
        ("faces", b"Dear Sir or Madam", "not a picture"),
        ("drive", b"", "no video, or no face"),
        ("movie?size=64&fps=10&suffix=.exe&statement=x", sent(FACE), ".exe is no format of videos"),
    ],
)
def test_wrong_requests_get_a_sentence(ask, path, body, says):
    status, _, answer = ask(path, body)
    assert status == 400
    assert says in json.loads(answer)["error"]
