import asyncio
import dataclasses
import io
import json
from datetime import UTC, datetime

import pytest
from PIL import Image

from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.faces import Faces
from facekit.models.load import load_system
from facekit.show.studio import NO_GENERATOR, TRUTH, Studio
from facekit.show.subjects import drawn_person
from facekit.weights.store import save_weights

EDITOR = "diffusion_editor-synthetic"
EMOTIONAL = "conditional_vae-synthetic"  # which knows no action units


@pytest.fixture
def studio(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEKIT_RUNS", str(tmp_path / "runs"))
    return Studio(EDITOR, units=(4, 12), folder=tmp_path / "kept")


def photograph(studio):
    """Take a drawn face for a photograph."""
    studio.faces.subject = dataclasses.replace(drawn_person(0), drawn=False, truth=None, shown=None)
    studio.refresh()


def test_it_starts_with_a_picture_and_what_judges_say(studio):
    side = studio.sides[0]
    assert Image.open(io.BytesIO(side.picture.value)).width > 3 * 160
    assert "neutral" in side.said.value
    assert "same person" in side.said.value


def test_the_picture_follows_a_slider_and_the_judge_reads_it(studio):
    side = studio.sides[0]
    before = side.picture.value
    studio.set(happy=1.0)
    assert side.picture.value != before
    assert repr(side.answer.request.expression) == "Expression(1 face: happy)"
    read = studio._judges["emotion_resnet-synthetic"].probabilities(Faces(side.answer.after))
    assert read.argmax().item() == PROTOCOL_EMOTIONS.index("happy")


def test_two_generators_answer_the_same_sliders(studio):
    studio.set(second=TRUTH, happy=1.0, person=2)
    ours, truth = (side.answer for side in studio.sides)
    error = (ours.after - truth.after).square().mean() / (truth.request.faces.images - truth.after).square().mean()
    assert error < 1
    studio.set(second=NO_GENERATOR)
    assert studio.sides[1].answer is None
    assert studio.sides[1].picture.layout.display == "none"


def test_sliders_count_where_one_side_understands_them_and_the_other_says_that_it_does_not(studio):
    studio.set(generator=EMOTIONAL)
    assert studio.sliders.units["AU12"].disabled
    assert EMOTIONAL in " ".join(reason.value for reason in studio.sliders._reasons.values())
    studio.set(second=TRUTH, AU12=0.7)
    assert not studio.sliders.units["AU12"].disabled
    assert "not asked for AU12" in studio.sides[0].note.value
    assert studio.sides[0].answer.request.expression.action_units is None
    assert studio.sides[1].answer.request.expression.action_units is not None


def test_a_photograph_is_told_of_weights_that_know_drawn_faces_only(studio, tmp_path):
    photograph(studio)
    assert "has seen drawn faces only" in studio.sides[0].note.value
    assert "--data fer2013" in studio.sides[0].note.value
    assert "is not asked" in studio.sides[0].said.value
    studio.set(generator=TRUTH)
    assert "Nobody knows the true answer" in studio.sides[0].said.value


def test_weights_of_photographs_that_the_reader_trained_are_found_and_offered(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEKIT_RUNS", str(tmp_path))
    system = load_system(EDITOR)
    card = dataclasses.replace(system.card, data={"name": "fer2013"})
    (tmp_path / "mine").mkdir()
    save_weights(tmp_path / "mine" / "weights.safetensors", system.weights(), card)
    studio = Studio(EDITOR, units=(12,))
    photograph(studio)
    assert studio.sides[0].other.description == "take runs/mine"
    studio.sides[0].other.click()
    assert studio.sides[0].menu.value == "runs/mine"
    assert studio.sides[0].note.value == ""


def test_weights_that_cannot_be_used_are_told_in_place_of_a_picture(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEKIT_RUNS", str(tmp_path))
    system = load_system(EMOTIONAL)
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "weights.safetensors"
    save_weights(path, system.weights(), system.card)
    studio = Studio(EDITOR, units=())
    path.write_bytes(path.read_bytes()[:-1])
    studio.set(generator="runs/mine")
    assert "is not the file that its card describes" in studio.sides[0].said.value
    studio.set(generator=EDITOR)
    assert "same person" in studio.sides[0].said.value


def test_at_rest_again(studio):
    studio.set(happy=1.0, AU4=0.5, intensity=0.5)
    studio.reset()
    assert repr(studio.sliders.expression) == "Expression(1 face: neutral)"
    assert repr(studio.sides[0].answer.request.expression) == "Expression(1 face: neutral)"


def test_an_upload_that_is_no_picture_is_a_sentence_and_the_face_before_stays(studio):
    before = studio.faces.subject
    studio.faces.way.value = "upload"
    file = {"name": "notes.png", "content": memoryview(b"text"), "type": "image/png", "size": 4}
    studio.faces.upload.value = (file | {"last_modified": datetime.now(UTC)},)
    assert "not a picture" in studio.faces.note.value
    assert studio.faces.subject is before


def test_the_way_from_rest_is_played_and_saved_with_settings_that_say_how(studio, tmp_path):
    studio.set(happy=0.8)
    studio.play()
    film = Image.open(io.BytesIO(studio.sides[0].film.value))
    assert film.n_frames == 16
    (path,) = studio.save()
    with Image.open(path) as saved:
        assert "Generated by facekit" in saved.text["Comment"]
        assert "trainedAlgorithmicMedia" in saved.text["XML:com.adobe.xmp"]
    with Image.open(path.with_suffix(".gif")) as gif:
        assert b"Generated by facekit" in gif.info["comment"]
    settings = json.loads(path.with_suffix(".json").read_text())
    assert settings["sliders"]["happy"] == 0.8
    assert settings["generator"] == EDITOR
    assert studio.save()[0].name == "edit-002.png"  # nothing is overwritten


def test_a_move_in_a_notebook_is_drawn_beside_the_loop(studio):
    async def drag():
        side = studio.sides[0]
        before = side.picture.value
        for level in range(1, 11):
            studio.sliders.emotions["happy"].value = level / 10
        assert side.picture.value == before  # the loop was not held up
        for _ in range(500):
            await asyncio.sleep(0.02)
            if side.answer.request.expression.emotion[0, 3] == 1:
                return side.picture.value != before
        return False

    assert asyncio.run(drag())


def test_an_unknown_control_is_refused(studio):
    with pytest.raises(ValueError, match="no hapy"):
        studio.set(hapy=1)
