import csv
import io
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from trees import image

from facekit.datasets.alignment import EYE_DISTANCE, EYE_HEIGHT
from facekit.datasets.detection import FaceFinder
from facekit.datasets.folder import PictureFolder
from facekit.datasets.pictures import BadPicture
from facekit.datasets.prepare import REPORT, NoFace, SeveralFaces, prepare_folder, prepare_picture
from facekit.datasets.synthetic import SyntheticFaces


@pytest.fixture(scope="module")
def faces():
    """Drawn pictures in which the cascades find a face: eight people."""
    dataset = SyntheticFaces("train", people=16, faces_per_person=1, size=128, emotions=["neutral"])
    finder, rendered = FaceFinder(), dataset.faces(range(16))
    pictures = [image(picture) for picture in rendered.images]
    return [picture for picture in pictures if len(finder.find(np.asarray(picture))) == 1][:8]


def portrait(face, size=(400, 300), corner=(120, 60), side=160):
    scene = Image.new("RGB", size, (128, 120, 110))
    scene.paste(face.resize((side, side), Image.Resampling.BICUBIC), corner)
    return scene


# ------------------------------------------------------------------------------------------ one picture


def test_a_portrait_is_cropped_to_its_face(faces):
    done = prepare_picture(portrait(faces[0]), 64)
    assert done.image.size == (64, 64)
    assert done.image.mode == "RGB"
    assert (done.count, done.landmarks) == (1, None)
    assert done.scale == pytest.approx(64 * EYE_DISTANCE / (160 * 0.32), rel=0.3)
    again = FaceFinder().find(np.asarray(prepare_picture(portrait(faces[0]), 256).image))
    assert np.abs(again[0].eyes.mean(0) / 256 - [0.5, EYE_HEIGHT]).max() < 0.05
    assert done.faces.images.shape == (1, 3, 64, 64)
    gray = prepare_picture(portrait(faces[0]), 48, channels=1)
    assert gray.faces.images.shape == (1, 1, 48, 48)


def test_paths_bytes_and_open_images_are_equivalent(faces, tmp_path):
    scene = portrait(faces[1])
    scene.save(tmp_path / "a.png")
    wanted = prepare_picture(scene).image
    assert prepare_picture(tmp_path / "a.png").image == wanted
    assert prepare_picture((tmp_path / "a.png").read_bytes()).image == wanted


def test_the_exif_orientation_is_applied(faces):
    scene = portrait(faces[0])
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    scene.transpose(Image.Transpose.ROTATE_90).save(stream, "PNG", exif=exif)
    assert prepare_picture(stream.getvalue()).image == prepare_picture(scene).image


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P", "CMYK"])
def test_greyscale_alpha_and_palettes_are_accepted(faces, mode):
    done = prepare_picture(portrait(faces[0]).convert(mode))
    plain = np.asarray(prepare_picture(portrait(faces[0])).image.convert("L"), int)
    assert np.abs(np.asarray(done.image.convert("L"), int) - plain).mean() < 14


def test_the_largest_face_is_used_or_several_are_refused(faces):
    scene = portrait(faces[0], size=(800, 400), corner=(40, 100), side=140)
    scene.paste(faces[1].resize((240, 240)), (400, 80))
    done = prepare_picture(scene)
    assert done.count == 2
    alone = prepare_picture(portrait(faces[1], size=(800, 400), corner=(400, 80), side=240))
    assert np.abs(np.asarray(done.image, int) - np.asarray(alone.image, int)).mean() < 12
    with pytest.raises(SeveralFaces, match="there are 2 faces in the picture"):
        prepare_picture(scene, several="refuse")
    with pytest.raises(ValueError, match="several is 'all'"):
        prepare_picture(scene, several="all")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest undoes the filter of `pictures`
@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"hello", BadPicture, "not a picture"),
        (b"", BadPicture, "not a picture"),
        ("blank", NoFace, "no face was found"),
        ("huge", BadPicture, "10000 x 10000 pixels"),
        ("cut", BadPicture, "truncated"),
    ],
)
def test_unusable_input_raises_with_one_sentence(faces, content, kind, message):
    if isinstance(content, str):
        stream = io.BytesIO()
        pictures = {"huge": Image.new("1", (10_000, 10_000)), "cut": portrait(faces[0])}
        pictures.get(content, Image.new("RGB", (200, 200), "gray")).save(stream, "PNG")
        content = stream.getvalue()[: len(stream.getvalue()) // (2 if content == "cut" else 1)]
    with pytest.raises(kind, match=message) as raised:
        prepare_picture(content)
    assert "\n" not in str(raised.value)


def test_landmarks_by_a_network(outside, faces):
    finder = FaceFinder(outside("judges/faceapi_landmark68.onnx"))
    done = prepare_picture(portrait(faces[0]), finder=finder)
    assert done.by == "landmarks"
    eyes = done.faces.landmarks[0, 36:48].mean(0)
    assert eyes.tolist() == pytest.approx([0, 2 * EYE_HEIGHT - 1], abs=1e-5)


# ------------------------------------------------------------------------------------------ whole folders


@pytest.fixture
def source(faces, tmp_path):
    """Eight portraits by emotion, a text file, a blank picture, two files of one name, and a hidden file."""
    root = tmp_path / "photos"
    for i, face in enumerate(faces):
        file = root / ("happy" if i % 2 else "sad") / f"{i}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        portrait(face).save(file)
    (root / "sad" / "text.png").write_text("hello")
    Image.new("RGB", (200, 200), "gray").save(root / "sad" / "blank.png")
    portrait(faces[0]).save(root / "sad" / "0.png")
    (root / ".thumbnails").mkdir()
    (root / ".thumbnails" / "x.png").write_text("hidden")
    return root


def contents(folder):
    return {file.relative_to(folder).as_posix(): file.stat().st_mtime_ns for file in folder.rglob("*.png")}


def rows(out):
    with (out / REPORT).open(newline="") as stream:
        return {row["picture"]: row for row in csv.DictReader(stream)}


def test_a_folder_is_prepared_with_a_report(source, tmp_path):
    out = tmp_path / "out"
    report = prepare_folder(source, out, 48, channels=1, workers=1)
    assert set(contents(out)) == {f"{'happy' if i % 2 else 'sad'}/{i}.png" for i in range(8)}
    problems = {outcome.picture: outcome.problem for outcome in report.unusable}
    assert set(problems) == {"sad/text.png", "sad/blank.png", "sad/0.png"}
    assert "not a picture" in problems["sad/text.png"]
    assert "no face" in problems["sad/blank.png"]
    assert "0.jpg has the same name" in problems["sad/0.png"]
    assert len(report.outcomes) == 11
    table = rows(out)
    assert {name for name, row in table.items() if row["problem"]} == set(problems)
    assert all(row["by"] in ("eyes", "box") for row in table.values() if not row["problem"])
    assert "8 of 11 pictures prepared" in str(report)
    assert "sad/blank.png: no face" in str(report)
    prepared = PictureFolder("train", path=out, size=48, channels=1)
    assert not prepared.problems
    assert Image.open(out / "happy" / "1.png").mode == "L"


def test_a_second_run_skips_everything(source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    first = prepare_folder(source, out, workers=1)
    before = contents(out)
    with monkeypatch.context() as patch:
        patch.setattr("facekit.datasets.prepare.prepare_picture", lambda *_, **__: pytest.fail("processed again"))
        second = prepare_folder(source, out, workers=1)
    assert second.processed == 0
    assert second.outcomes == first.outcomes
    assert contents(out) == before


def test_only_changed_or_missing_results_are_processed_again(source, faces, tmp_path):
    out = tmp_path / "out"
    prepare_folder(source, out, workers=1)
    before = contents(out)
    (out / "happy" / "1.png").unlink()  # a result was removed
    portrait(faces[4], corner=(60, 30)).save(source / "happy" / "3.jpg")  # another picture
    (source / "sad" / "2.jpg").write_text("no longer a picture")
    portrait(faces[5]).save(source / "sad" / "blank.png")  # one that could not be used was replaced
    portrait(faces[6]).save(source / "happy" / "new.jpg")
    (source / "sad" / "6.jpg").unlink()
    report = prepare_folder(source, out, workers=1)
    assert report.processed == 5
    after = contents(out)
    touched = {name for name in after if after[name] != before.get(name)}
    assert touched == {"happy/1.png", "happy/3.png", "sad/blank.png", "happy/new.png"}
    assert "sad/2.png" not in after  # not left over from the picture that was there before
    assert "sad/2.jpg" in {outcome.picture for outcome in report.unusable}
    assert "sad/6.jpg" not in rows(out)


def test_another_setting_processes_everything_again(source, tmp_path):
    out = tmp_path / "out"
    prepare_folder(source, out, 48, workers=1)
    assert prepare_folder(source, out, 64, workers=1).processed == 10
    assert Image.open(out / "happy" / "1.png").size == (64, 64)


def test_several_processes_return_the_same_as_one(source, tmp_path):
    one = prepare_folder(source, tmp_path / "one", workers=1)
    two = prepare_folder(source, tmp_path / "two", workers=2)
    assert two.outcomes == one.outcomes
    for name in contents(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_incomplete_row_is_processed_again(source, tmp_path):
    out = tmp_path / "out"
    prepare_folder(source, out, workers=1)
    whole = (out / REPORT).read_text()
    for kept in (len(whole) - 5, len(whole) - 30, len(whole) // 2):
        (out / REPORT).write_text(whole[:kept])
        report = prepare_folder(source, out, workers=1)
        assert 1 <= report.processed < 10
        assert len(report.outcomes) == 11
        assert rows(out) == {row["picture"]: row for row in csv.DictReader(whole.splitlines())}


def test_an_interrupted_run_can_be_continued(source, tmp_path):
    out = tmp_path / "out"
    code = (
        "import sys, time; from facekit.datasets import prepare as p; whole = p.prepare_picture\n"
        "def slow(*a, **k): time.sleep(0.3); return whole(*a, **k)\n"
        "p.prepare_picture = slow; p.prepare_folder(sys.argv[1], sys.argv[2], workers=1)"
    )
    run = subprocess.Popen([sys.executable, "-c", code, str(source), str(out)], env=os.environ)
    try:
        deadline = time.monotonic() + 120
        while len(contents(out)) < 3:
            assert time.monotonic() < deadline
            assert run.poll() is None
            time.sleep(0.05)
    finally:
        run.kill()
        run.wait()
    done = contents(out)
    report = prepare_folder(source, out, workers=1)
    assert report.processed <= 10 - 2
    after = contents(out)
    assert len([name for name in done if not name.startswith(".") and after.get(name) == done[name]]) >= 2
    assert sum(not outcome.problem for outcome in report.outcomes) == 8
    fresh = prepare_folder(source, tmp_path / "fresh", workers=1)
    assert report.outcomes == fresh.outcomes
    for name in contents(tmp_path / "fresh"):
        assert (out / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()


def test_invalid_folders_raise(source, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        prepare_folder(tmp_path / "none", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="contains no picture"):
        prepare_folder(tmp_path / "empty", tmp_path / "out")
    for out in (source, source / "out"):
        with pytest.raises(ValueError, match="prepared pictures would be prepared again"):
            prepare_folder(source, out)
