import io

import pytest
import torch
from PIL import Image

from facekit import Expression
from facekit.datasets.pictures import BadPicture
from facekit.show import to_image
from facekit.show.subjects import dataset_face, drawn_person, uploaded


def picture(subject, size=256, kind="PNG", **options) -> bytes:
    buffer = io.BytesIO()
    to_image(subject.at(size, 3).images[0]).save(buffer, kind, **options)
    return buffer.getvalue()


def test_a_drawn_person_comes_in_any_size_with_ground_truth():
    subject = drawn_person(3)
    assert subject.at(64, 3).images.shape == (1, 3, 64, 64)
    assert subject.at(48, 1).images.shape == (1, 1, 48, 48)
    faces, renderer = subject.at(64, 3), subject.ground_truth(64, 3)
    torch.testing.assert_close(renderer.edit(faces, Expression.neutral()), faces.images)
    assert (renderer.edit(faces, Expression.of("happy")) - faces.images).abs().max() > 0.2
    path = Expression.path([Expression.neutral(), Expression.of("happy")], 3)
    assert renderer.edit(faces, path).shape == (1, 3, 3, 64, 64)


def test_drawn_people_differ_and_show_the_chosen_emotion():
    assert not torch.equal(drawn_person(0).at(48, 3).images, drawn_person(1).at(48, 3).images)
    assert not torch.equal(drawn_person(0).at(48, 3).images, drawn_person(0, "happy").at(48, 3).images)
    assert repr(drawn_person(0, "happy").shown) == "Expression(1 face: happy)"


def test_a_person_is_drawn_once_and_cached():
    person = drawn_person(0)
    assert person.at(48, 3) is person.at(48, 3)
    assert person.at(48, 3) is not person.at(64, 3)


def test_an_upload_becomes_the_face_in_it():
    subject = uploaded(picture(drawn_person(0)), "me.png")
    assert (subject.name, subject.drawn, subject.shown, subject.ground_truth) == ("me.png", False, None, None)
    assert subject.at(48, 1).images.shape == (1, 1, 48, 48)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"this is no image", "not a picture"),
        (picture(drawn_person(0))[:3000], "truncated"),
        (picture(drawn_person(0), kind="JPEG"), None),
    ],
)
def test_a_file_that_is_no_image_is_refused_with_a_message(content, message):
    if message is None:
        assert uploaded(content).at(64, 3).images.shape == (1, 3, 64, 64)
        return
    with pytest.raises(BadPicture, match=message):
        uploaded(content)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_without_a_face_or_with_too_many_pixels_is_refused():
    for size, message in (((200, 200), "no face"), ((10_000, 10_000), "10000 x 10000")):
        buffer = io.BytesIO()
        Image.new("L", size, 128).save(buffer, "PNG")
        with pytest.raises(BadPicture, match=message):
            uploaded(buffer.getvalue())


def test_the_largest_of_several_faces_is_taken_with_a_note():
    both = Image.new("RGB", (520, 300), "#888888")
    for number, size, left in ((0, 256, 0), (1, 200, 280)):
        both.paste(to_image(drawn_person(number).at(size, 3).images[0]), (left, 20))
    buffer = io.BytesIO()
    both.save(buffer, "PNG")
    subject = uploaded(buffer.getvalue())
    assert "2 faces" in subject.note


def test_a_rotated_image_is_turned_and_a_transparent_one_is_read():
    upright = to_image(drawn_person(0).at(256, 3).images[0])
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it
    buffer = io.BytesIO()
    upright.rotate(90, expand=True).save(buffer, "JPEG", exif=exif, quality=95)
    turned = uploaded(buffer.getvalue()).at(64, 3).images
    buffer = io.BytesIO()
    upright.convert("RGBA").save(buffer, "PNG")
    clear = uploaded(buffer.getvalue()).at(64, 3).images
    assert (turned - clear).abs().mean() < 0.1


def test_an_index_beyond_a_dataset_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path))
    assert dataset_face("synthetic", 5).at(48, 3).images.shape == (1, 3, 48, 48)
    with pytest.raises(IndexError, match="there is no 999999"):
        dataset_face("synthetic", 999_999)
