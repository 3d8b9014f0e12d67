import pytest
import torch
from PIL import Image
from trees import CK_PEOPLE, all_of, open_splits, write_fer

from facekit.datasets import DatasetMissing, open_dataset
from facekit.datasets.alignment import EYE_DISTANCE, EYE_HEIGHT
from facekit.datasets.ckplus import CKPlus
from facekit.datasets.sources import UnusableData
from facekit.faces.action_units import ACTION_UNIT_COLUMNS, action_unit_columns
from facekit.faces.emotions import EMOTIONS


def opened(path, **options):
    return open_splits("ckplus", path, **options).values()


def everything(path, **options):
    return [all_of(dataset) for dataset in opened(path, **options)]


def sequence_of(name):
    """The row of the fixture `moving` for a name such as S010/002/..."""
    person, number = name.split("/")[:2]
    return CK_PEOPLE.index(person) * 2 + int(number) - 1


def test_still_images_are_labelled_peaks_and_neutral_first_frames(ckplus_tree, moving):
    seen = set()
    for faces in everything(ckplus_tree):
        assert faces.frames is None
        for i, name in enumerate(faces.names):
            row, first = sequence_of(name), name.endswith("_00000001.png")
            label = "neutral" if first else EMOTIONS[moving.emotion[row]]
            assert EMOTIONS[faces.emotion[i]] == label
            assert first or name.endswith("_00000005.png")
            seen.add(name)
    assert len(seen) == 20  # ten labelled sequences, two images each


def test_unlabelled_sequences_are_optional(ckplus_tree):
    faces = everything(ckplus_tree, unlabelled=True)
    assert sum(map(len, faces)) == 24
    assert sum(int((f.emotion < 0).sum()) for f in faces) == 2
    assert all(f.action_units is not None for f in faces)


def test_splits_share_no_identity(ckplus_tree):
    people = [set(dataset.persons.tolist()) for dataset in opened(ckplus_tree)]
    assert sum(map(len, people)) == len(set().union(*people)) == 5  # the sixth has no labelled sequence


def test_action_units_are_read_from_facs_files(ckplus_tree, moving):
    checked = 0
    for faces in everything(ckplus_tree):
        for i, name in enumerate(faces.names):
            units, facs = faces.action_units[i], faces.attributes["facs"][i]
            if name.endswith("_00000001.png"):
                assert not units.any()
                assert not facs.any()
                continue
            truth = moving.action_units[sequence_of(name), -1]
            for column in range(len(ACTION_UNIT_COLUMNS)):
                left = action_unit_columns(ACTION_UNIT_COLUMNS[column].rstrip("LR"))[0]
                score = round(5 * truth[left].item())
                if ACTION_UNIT_COLUMNS[column] == "AU25" and score:  # written with score 0: present, not scored
                    assert (facs[column], units[column]) == (-1, 1)
                else:
                    assert facs[column] == score
                    assert units[column].item() == pytest.approx(score / 5)
                checked += score > 0
    assert checked > 20


def test_images_are_aligned_by_their_landmarks(ckplus_tree, moving):
    faces = everything(ckplus_tree, size=96)[0]
    eyes = torch.stack([faces.landmarks[:, 36:42].mean(1), faces.landmarks[:, 42:48].mean(1)], 1)
    assert torch.allclose(eyes[:, 0], torch.tensor([-EYE_DISTANCE, 2 * EYE_HEIGHT - 1]), atol=1e-5)
    assert torch.allclose(eyes[:, 1], torch.tensor([EYE_DISTANCE, 2 * EYE_HEIGHT - 1]), atol=1e-5)
    # The image is transformed alike: what is rendered around each landmark is what was rendered around it before.
    for i, name in enumerate(faces.names[:6]):
        frame = 0 if name.endswith("_00000001.png") else 4
        before = moving[sequence_of(name)]
        patches = [
            _patches(before.images[0, frame], before.landmarks[0, frame]),
            _patches(faces.images[i], faces.landmarks[i]),
        ]
        assert torch.corrcoef(torch.stack(patches))[0, 1] > 0.9


def _patches(image, points):
    inner = points[17:]  # without the outline, where the canvas begins
    return torch.nn.functional.grid_sample(image[None], inner[None, None], align_corners=False).flatten()


def test_landmarks_are_transformed_like_the_image(ckplus_tree):
    for file in (ckplus_tree / "cohn-kanade-images").rglob("*.png"):
        lines = (ckplus_tree / "Landmarks" / file.relative_to(ckplus_tree / "cohn-kanade-images")).with_name(
            f"{file.stem}_landmarks.txt"
        )
        x, y = (float(word) for word in lines.read_text().splitlines()[30].split())
        canvas = Image.new("L", (640, 490))
        canvas.paste(255, (round(x) - 4, round(y) - 4, round(x) + 4, round(y) + 4))
        canvas.save(file)
    for faces in everything(ckplus_tree, size=64):
        for image, points in zip(faces.images[:, 0] + 1, faces.landmarks, strict=True):
            weights = image / image.sum()
            centres = (2 * torch.arange(64) + 1) / 64 - 1
            centre = torch.stack([(weights.sum(0) * centres).sum(), (weights.sum(1) * centres).sum()])
            assert (centre - points[30]).abs().max() < 1.2 / 64  # a little over half a pixel


@pytest.mark.parametrize("frames", [2, 3, 5, 8])
def test_sequences_go_from_neutral_to_the_peak(ckplus_tree, moving, frames):
    for faces in everything(ckplus_tree, frames=frames, channels=3):
        assert faces.images.shape[1:] == (frames, 3, 64, 64)
        assert faces.landmarks.shape[1:] == (frames, 68, 2)
        assert torch.allclose(faces.intensity, torch.linspace(0, 1, frames).expand(len(faces), -1))
        assert not faces.action_units[:, 0].any()
        assert faces.expression.frames == frames
        for i, name in enumerate(faces.names):
            assert faces.emotion[i] == moving.emotion[sequence_of(name)]
            moved, truly = (p[-1] - p[0] for p in (faces.landmarks[i], moving.landmarks[sequence_of(name)]))
            if truly.norm() > 0.1:  # otherwise the peak is neutral too
                assert torch.cosine_similarity(moved.flatten(), truly.flatten(), 0) > 0.97
    assert torch.equal(faces.images[:, 0], everything(ckplus_tree, frames=2, channels=3)[-1].images[:, 0])


def test_a_sequence_is_aligned_by_its_first_frame(ckplus_tree):
    """The eyes of the other frames keep their motion relative to the first frame."""
    faces = everything(ckplus_tree, frames=5)[0]
    eyes = faces.landmarks[:, :, 36:48].mean(2)
    assert torch.allclose(eyes[:, 0], torch.tensor([0, 2 * EYE_HEIGHT - 1.0]), atol=1e-5)
    assert (eyes[:, -1] - eyes[:, 0]).abs().max() > 1e-4


def test_missing_annotations_are_unknown(ckplus_tree):
    import shutil

    for part in ("FACS", "Landmarks"):
        shutil.rmtree(ckplus_tree / part)
    faces = everything(ckplus_tree)[0]
    assert faces.action_units is None
    assert faces.landmarks is None
    assert "facs" not in faces.attributes
    shutil.rmtree(ckplus_tree / "Emotion")
    with pytest.raises(DatasetMissing):
        CKPlus(path=ckplus_tree)
    assert sum(map(len, everything(ckplus_tree, unlabelled=True))) == 24


def test_the_folders_of_the_official_archives_are_found(ckplus_tree):
    for part, archive in (("Emotion", "Emotion_labels"), ("FACS", "FACS_labels")):
        (ckplus_tree / archive).mkdir()
        (ckplus_tree / part).rename(ckplus_tree / archive / part)
    faces = everything(ckplus_tree)[0]
    assert faces.action_units is not None


SPOILED = {
    "a label out of range": ("Emotion", "_emotion.txt", "   8.0000000e+00\n", "label 8 is out of range"),
    "a label that is a word": ("Emotion", "_emotion.txt", "happy\n", "contains text that is not a number"),
    "two labels": ("Emotion", "_emotion.txt", "1\n2\n", "holds 2 labels"),
    "no label": ("Emotion", "_emotion.txt", "", "holds 0 labels"),
    "a score of 6": ("FACS", "_facs.txt", "12 6\n", "unit 12 has the score 6"),
    "a unit without score": ("FACS", "_facs.txt", "12\n", "2 numbers in each line"),
    "67 landmarks": ("Landmarks", "_landmarks.txt", "1.0 2.0\n" * 67, "not 68 points"),
    "coinciding landmarks": ("Landmarks", "_landmarks.txt", "1.0 2.0\n" * 68, "not the positions of two eyes"),
    "landmarks that are not finite": ("Landmarks", "_landmarks.txt", "1.0 nan\n" * 68, "not the positions of two eyes"),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_an_invalid_file_is_reported_and_its_sequence_left_out(ckplus_tree, kind):
    part, ending, content, message = SPOILED[kind]
    file = sorted((ckplus_tree / part / "S010" / "001").glob(f"*{ending}"))[0]
    file.write_text(content)
    where = "S010/001"
    datasets = list(opened(ckplus_tree))
    assert all(where not in name for d in datasets for name in d.faces(range(len(d))).names if "00000001" in name)
    problems = {problem for dataset in datasets for problem in dataset.problems}
    assert any(where in problem.where and message in problem.what for problem in problems)
    with pytest.raises(UnusableData, match=where):
        opened(ckplus_tree, strict=True)


def test_a_single_missing_file_is_reported(ckplus_tree):
    next((ckplus_tree / "FACS" / "S005" / "002").glob("*.txt")).unlink()
    problems = {str(p) for dataset in opened(ckplus_tree) for p in dataset.problems}
    assert any("S005/002" in problem and "there is no S005_002_00000005_facs.txt" in problem for problem in problems)


def test_an_invalid_frame_is_reported(ckplus_tree):
    (ckplus_tree / "cohn-kanade-images" / "S010" / "002" / "S010_002_00000003.png").write_text("text")
    assert sum(map(len, everything(ckplus_tree))) == 20  # still images do not use it
    datasets = list(opened(ckplus_tree, frames=5))
    assert sum(map(len, datasets)) == 9
    problems = {str(p) for d in datasets for p in d.problems}
    assert problems == {"S010/002: S010_002_00000003.png: the file is not a picture, or its format is not supported"}


def test_an_empty_sequence_is_reported(ckplus_tree):
    (ckplus_tree / "cohn-kanade-images" / "S026" / "003").mkdir()
    problems = {str(p) for dataset in opened(ckplus_tree) for p in dataset.problems}
    assert problems == {"cohn-kanade-images/S026/003: the folder contains no picture"}


def test_folders_by_emotion(ck48_tree):
    datasets = list(opened(ck48_tree, size=48))
    assert sum(map(len, datasets)) == 56
    people = [set(d.persons.tolist()) for d in datasets]
    assert sum(map(len, people)) == len(set().union(*people)) == 8
    assert {name for d in datasets for name in d.emotions} == set(EMOTIONS) - {"neutral"}
    with pytest.raises(ValueError, match="no sequences; frames must be None"):
        open_dataset("ckplus", path=ck48_tree, frames=4)


def test_options_are_checked(ckplus_tree):
    with pytest.raises(ValueError, match="frames is 1"):
        CKPlus(path=ckplus_tree, frames=1)
    with pytest.raises(DatasetMissing, match="jeffcohn"):
        CKPlus(path=ckplus_tree / "nowhere")


def test_a_table_of_small_images(tmp_path, fer_rows):
    fer_rows[0][0] = "7"  # contempt, which FER-2013 does not have
    write_fer(tmp_path / "ckextended.csv", fer_rows)
    for path in (tmp_path, tmp_path / "ckextended.csv"):
        train, test = (CKPlus(split, path=path) for split in ("train", "test"))
        assert (len(train), len(test)) == (40, 12)
        assert train.labels[0] == EMOTIONS.index("contempt")
        assert not train.problems
    with pytest.raises(ValueError, match="no sequences; frames must be None"):
        CKPlus(path=tmp_path, frames=5)
