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
from facekit.show.studio import GROUND_TRUTH, NO_GENERATOR, Studio
from facekit.show.subjects import drawn_person
from facekit.weights.store import save_weights

EDITOR = "diffusion_editor-synthetic"
EMOTIONAL = "conditional_vae-synthetic"  # which is not conditioned on action units


@pytest.fixture
def studio(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEKIT_RUNS", str(tmp_path / "runs"))
    return Studio(EDITOR, units=(4, 12), folder=tmp_path / "saved")


def photograph(studio):
    """Use a drawn face as a photograph."""
    studio.faces.subject = dataclasses.replace(drawn_person(0), drawn=False, ground_truth=None, shown=None)
    studio.update()


def test_it_starts_with_an_edit_and_the_judges_predictions(studio):
    side = studio.sides[0]
    assert Image.open(io.BytesIO(side.picture.value)).width > 3 * 160
    assert "neutral" in side.judgement.value
    assert "identity similarity" in side.judgement.value


def test_the_edit_follows_a_slider_and_the_judge_predicts_it(studio):
    side = studio.sides[0]
    before = side.picture.value
    studio.set(happy=1.0)
    assert side.picture.value != before
    assert repr(side.edit.job.expression) == "Expression(1 face: happy)"
    predicted = studio.readout.emotion_judge(drawn=True).probabilities(Faces(side.edit.after))
    assert predicted.argmax().item() == PROTOCOL_EMOTIONS.index("happy")


def test_a_driver_takes_the_place_of_the_sliders(studio):
    assert studio.driver.layout.display == "none"
    studio.set(generator="landmark_transfer-synthetic_transfers", driver=3, driver_shows="surprise")
    side = studio.sides[0]
    assert studio.driver.layout.display == ""
    assert all(slider.disabled for slider in studio.sliders.units.values())
    first = side.edit.after
    driver = studio.driver.subject.at(64, 3)
    assert (side.edit.job.expression.landmarks == driver.landmarks).all()
    studio.set(driver_shows="sad")
    assert not (side.edit.after == first).all()
    assert Image.open(io.BytesIO(side.maps.value)).width > 2 * 160  # its landmarks, and the wanted ones
    side.play()
    (path,) = studio.save()
    assert json.loads(path.with_suffix(".json").read_text())["driver"] == "drawn person 3, sad"


def test_two_generators_follow_the_same_sliders(studio):
    studio.set(second=GROUND_TRUTH, happy=1.0, person=2)
    ours, true = (side.edit for side in studio.sides)
    assert true.after.shape[-1] == 128
    truth = Faces(true.after).resized(ours.after.shape[-1]).images
    assert (ours.after - truth).square().mean() < (ours.job.faces.images - truth).square().mean()
    studio.set(second=NO_GENERATOR)
    assert studio.sides[1].edit is None
    assert studio.sides[1].picture.layout.display == "none"


def test_sliders_are_enabled_if_one_side_understands_them_and_the_other_says_that_it_ignores_them(studio):
    studio.set(generator=EMOTIONAL)
    assert studio.sliders.units["AU12"].disabled
    assert EMOTIONAL in " ".join(reason.value for reason in studio.sliders._reasons.values())
    studio.set(second=GROUND_TRUTH, AU12=0.7)
    assert not studio.sliders.units["AU12"].disabled
    assert "ignores AU12" in studio.sides[0].note.value
    assert studio.sides[0].edit.job.expression.action_units is None
    assert studio.sides[1].edit.job.expression.action_units is not None


def test_action_units_that_no_face_of_the_training_moved_are_named(studio, monkeypatch):
    card = load_system(EDITOR).card
    data = card.data | {"action_units": ["AU4L", "AU4R"]}
    monkeypatch.setattr(studio.sides[0].generator, "card", dataclasses.replace(card, data=data))
    studio.set(AU4=0.5, AU12=0.5)
    assert "No face in its training moved AU12:" in studio.sides[0].note.value
    studio.set(AU12=0.0)
    assert "No face in its training" not in studio.sides[0].note.value


def test_a_photograph_gets_a_warning_of_weights_trained_on_drawn_faces(studio, tmp_path):
    photograph(studio)
    assert "was trained on drawn faces only" in studio.sides[0].note.value
    assert "docs/photographs.md" in studio.sides[0].note.value
    assert "not available for photographs" in studio.sides[0].judgement.value
    studio.set(generator=GROUND_TRUTH)
    assert "There is no ground truth for a photograph" in studio.sides[0].judgement.value


def test_own_weights_trained_on_photographs_are_found_and_suggested(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEKIT_RUNS", str(tmp_path))
    system = load_system(EDITOR)
    card = dataclasses.replace(system.card, data={"name": "fer2013"})
    (tmp_path / "mine").mkdir()
    save_weights(tmp_path / "mine" / "weights.safetensors", system.weights(), card)
    studio = Studio(EDITOR, units=(12,))
    photograph(studio)
    assert studio.sides[0].suggestion.description == "use runs/mine"
    studio.sides[0].suggestion.click()
    assert studio.sides[0].menu.value == "runs/mine"
    assert studio.sides[0].note.value == ""


def test_weights_that_cannot_be_used_give_a_message_in_place_of_an_edit(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEKIT_RUNS", str(tmp_path))
    system = load_system(EMOTIONAL)
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "weights.safetensors"
    save_weights(path, system.weights(), system.card)
    studio = Studio(EDITOR, units=())
    path.write_bytes(path.read_bytes()[:-1])
    studio.set(generator="runs/mine")
    assert "is not the file that its card describes" in studio.sides[0].judgement.value
    studio.set(generator=EDITOR)
    assert "identity similarity" in studio.sides[0].judgement.value


def test_reset(studio):
    studio.set(happy=1.0, AU4=0.5, intensity=0.5)
    studio.reset()
    assert repr(studio.sliders.expression) == "Expression(1 face: neutral)"
    assert repr(studio.sides[0].edit.job.expression) == "Expression(1 face: neutral)"


def test_an_upload_that_is_no_image_gives_a_message_and_keeps_the_previous_face(studio):
    before = studio.faces.subject
    studio.faces.source.value = "upload"
    file = {"name": "notes.png", "content": memoryview(b"text"), "type": "image/png", "size": 4}
    studio.faces.upload.value = (file | {"last_modified": datetime.now(UTC)},)
    assert "not a picture" in studio.faces.note.value
    assert studio.faces.subject is before


def test_the_animation_is_played_and_saved_with_the_settings(studio, tmp_path):
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
    assert studio.save()[0].name == "edit-002.png"  # the first file is not overwritten


def test_a_move_in_a_notebook_is_drawn_without_blocking_the_event_loop(studio):
    async def drag():
        side = studio.sides[0]
        before = side.picture.value
        for level in range(1, 11):
            studio.sliders.emotions["happy"].value = level / 10
        assert side.picture.value == before  # the loop was not blocked
        for _ in range(500):
            await asyncio.sleep(0.02)
            if side.edit.job.expression.emotion[0, 3] == 1:
                return side.picture.value != before
        return False

    assert asyncio.run(drag())


def test_an_unknown_control_is_refused(studio):
    with pytest.raises(ValueError, match="no hapy"):
        studio.set(hapy=1)
