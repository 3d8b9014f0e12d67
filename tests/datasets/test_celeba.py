import numpy as np
import pytest
from trees import all_of, image, open_splits

from facekit.datasets import DatasetMissing
from facekit.datasets.alignment import alignment, eyes_of, warp
from facekit.datasets.celeba import CelebA
from facekit.datasets.sources import UnusableData


def number(name):
    return int(name.removesuffix(".jpg")) - 1


def test_splits_identities_and_attributes_are_the_owners(celeba_tree, rendered):
    splits = open_splits("celeba", celeba_tree)
    assert {split: len(dataset) for split, dataset in splits.items()} == {"train": 48, "valid": 8, "test": 8}
    for dataset in splits.values():
        faces = all_of(dataset)
        rows = [number(name) for name in faces.names]
        assert faces.emotion.unique().tolist() == [-1]
        assert faces.person.tolist() == [row // 8 for row in rows]
        assert faces.attributes["smiling"].tolist() == [row % 2 for row in rows]
        assert not faces.attributes["5_o_clock_shadow"].any()


def test_photographs_are_aligned_by_the_eyes(celeba_tree, rendered):
    faces = all_of(CelebA(path=celeba_tree, size=96))
    for picture, name in zip(faces.images, faces.names, strict=True):
        original = rendered[number(name)]
        eyes = eyes_of((original.landmarks[0].numpy() + 1) * 48)
        aligned = warp(np.asarray(image(original.images[0])), alignment(eyes, 96), 96)
        inside = slice(20, 76)  # the surroundings differ
        assert np.abs(np.asarray(image(picture)).astype(int) - aligned)[inside, inside].mean() < 4


def test_the_tables_are_optional_and_may_be_csv(celeba_tree):
    for table in [*(celeba_tree / "Anno").iterdir(), *(celeba_tree / "Eval").iterdir()]:
        if table.stem != "list_attr_celeba":
            table.unlink()
            continue
        lines = table.read_text().splitlines()[1:]
        csv = ["image_id," + ",".join(lines[0].split()), *(",".join(line.split()) for line in lines[1:])]
        (celeba_tree / "list_attr_celeba.csv").write_text("\n".join(csv))
        table.unlink()
    splits = open_splits("celeba", celeba_tree)
    assert sum(map(len, splits.values())) == 64
    for dataset in splits.values():
        faces = all_of(dataset)
        assert faces.person is None
        assert faces.attributes["smiling"].tolist() == [number(name) % 2 for name in faces.names]


def test_a_part_of_the_photographs_is_enough(celeba_tree):
    for file in sorted((celeba_tree / "Img" / "img_align_celeba").iterdir())[:40]:
        file.unlink()
    dataset = CelebA(path=celeba_tree)
    assert len(dataset) == 8
    assert not dataset.problems


BAD = {
    "a partition that does not exist": ("Eval/list_eval_partition", "000003.jpg  0", "000003.jpg 7", "partition is 7"),
    "a photograph without a row": ("Anno/identity_CelebA", "000003.jpg  1000\n", "", "no row in identity_CelebA.txt"),
    "a row that is too short": ("Anno/list_attr_celeba", "000003.jpg  -1  -1", "000003.jpg -1", "1 values; it must"),
    "a word": ("Anno/identity_CelebA", "000003.jpg  1000", "000003.jpg Ann", "not a number"),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_invalid_row_is_reported(celeba_tree, kind):
    name, before, after, message = BAD[kind]
    table = (celeba_tree / name).with_suffix(".txt")
    assert before in table.read_text()
    table.write_text(table.read_text().replace(before, after))
    dataset = CelebA(path=celeba_tree)
    assert len(dataset) == 47
    assert any(message in problem.what for problem in dataset.problems)
    with pytest.raises(UnusableData):
        CelebA(path=celeba_tree, strict=True)


def test_a_missing_dataset_raises_with_its_source(tmp_path):
    with pytest.raises(DatasetMissing, match=r"no folder img_align_celeba(?s:.*)mmlab\.ie\.cuhk"):
        CelebA(path=tmp_path)
    (tmp_path / "img_align_celeba").mkdir()
    with pytest.raises(DatasetMissing, match="contains no picture"):
        CelebA(path=tmp_path)
