"""Rendered faces pasted into larger images, with known positions of the eyes."""

import numpy as np
import pytest
from PIL import Image
from trees import image

from facekit.datasets.alignment import eyes_of
from facekit.datasets.detection import FaceFinder
from facekit.datasets.synthetic import SyntheticFaces


@pytest.fixture(scope="module")
def finder():
    return FaceFinder()


@pytest.fixture(scope="module")
def people():
    """Twelve neutral people."""
    dataset = SyntheticFaces("train", people=12, faces_per_person=1, size=160, emotions=["neutral"])
    return dataset.faces(range(12))


def pasted(faces, i, corner=(300, 120), side=200, canvas=(800, 600), turn=0.0):
    """A face in a large grey image, and the positions of its eyes."""
    scene = Image.new("RGB", canvas, (128, 120, 110))
    scene.paste(image(faces.images[i]).resize((side, side), Image.Resampling.BICUBIC), corner)
    eyes = (eyes_of(faces.landmarks[i].numpy()) + 1) / 2 * side + corner
    if turn:
        centre = np.array(canvas) / 2
        scene = scene.rotate(turn, Image.Resampling.BICUBIC, fillcolor=(128, 120, 110))
        angle = -np.radians(turn)  # Pillow rotates counterclockwise; y points down
        eyes = (eyes - centre) @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + centre
    return np.asarray(scene), eyes


def error(found, eyes):
    """Mean distance of the detected from the true eyes, relative to the interocular distance."""
    return np.linalg.norm(found.eyes - eyes, axis=1).mean() / np.linalg.norm(eyes[1] - eyes[0])


@pytest.mark.parametrize("turn", [0, 25, -25])
def test_rendered_faces_and_their_eyes_are_detected(finder, people, turn):
    errors = []
    for i in range(len(people)):
        scene, eyes = pasted(people, i, turn=turn)
        if found := finder.find(scene):
            errors.append(error(found[0], eyes))
    assert len(errors) >= 8
    assert np.median(errors) < 0.15


def test_opencv_without_cascades_raises(monkeypatch):
    monkeypatch.delattr("cv2.CascadeClassifier")
    with pytest.raises(ImportError, match="pip install 'opencv-python-headless<5'"):
        FaceFinder()


def test_detection_is_independent_of_the_image_size(finder, people):
    scene, eyes = pasted(people, findable(finder, people))
    for factor in (0.5, 3):
        size = (round(800 * factor), round(600 * factor))
        found = finder.find(np.asarray(Image.fromarray(scene).resize(size, Image.Resampling.LANCZOS)))
        assert error(found[0], eyes * factor) < 0.2
        assert found[0].side == pytest.approx(170 * factor, rel=0.35)


def test_a_face_that_fills_the_image_is_detected(finder, people):
    which = findable(finder, people)
    tight = image(people.images[which]).resize((48, 48), Image.Resampling.LANCZOS)
    assert finder.find(np.asarray(tight))


def test_images_without_a_face_have_no_detection(finder):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    assert finder.find(noise) == []
    assert finder.find(np.full((300, 400, 3), 90, np.uint8)) == []
    assert finder.find(np.zeros((1, 1, 3), np.uint8)) == []


def test_several_faces_are_sorted_by_size_and_small_ones_ignored(finder, people):
    which = findable(finder, people)
    face = image(people.images[which])
    scene = Image.new("RGB", (900, 600), (128, 120, 110))
    for corner, side in (((40, 60), 160), ((300, 60), 300), ((700, 100), 60)):
        scene.paste(face.resize((side, side), Image.Resampling.LANCZOS), corner)
    found = finder.find(np.asarray(scene))
    assert len(found) == 2
    assert found[0].side > found[1].side
    assert 300 < found[0].eyes[:, 0].mean() < 600


def findable(finder, people):
    return next(i for i in range(len(people)) if len(finder.find(pasted(people, i)[0])) == 1)


def test_landmarks_by_a_network(outside, people):
    finder = FaceFinder(outside("judges/faceapi_landmark68.onnx"))
    errors = []
    for i in range(len(people)):
        scene, eyes = pasted(people, i, turn=15 * (i % 3 - 1))
        if found := finder.find(scene):
            assert found[0].by == "landmarks"
            assert np.allclose(eyes_of(found[0].landmarks), found[0].eyes)
            errors.append(error(found[0], eyes))
    assert len(errors) >= 8
    assert np.median(errors) < 0.12


def test_a_network_with_another_output_raises(outside):
    with pytest.raises(ValueError, match="a network of 68 landmarks has input"):
        FaceFinder(outside("judges/fer_mini_xception.onnx"))


def test_photographs(outside, finder):
    import io
    import zipfile

    with zipfile.ZipFile(outside("data/muxspace_pairs/muxspace_pairs.zip")) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")][::30]
        found = [finder.find(np.asarray(Image.open(io.BytesIO(archive.read(n))).convert("RGB"))) for n in names]
    assert sum(map(bool, found)) >= 0.97 * len(names)
    assert sum(f[0].by == "eyes" for f in found if f) >= 0.75 * len(names)
    eyes = np.array([f[0].eyes for f in found if f]) / 64
    assert np.abs(np.median(eyes, 0) - [[0.316, 0.387], [0.673, 0.387]]).max() < 0.03  # by a network, over all
