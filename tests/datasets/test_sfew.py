import pytest
from trees import all_of, save

from facekit.datasets.sfew import SFEW
from facekit.faces.emotions import EMOTIONS


@pytest.mark.parametrize(
    ("train", "val", "clip"),
    [("Train", "Val", ""), ("Train_Aligned_Faces", "Val_Aligned_Faces", ""), ("Train_AFEW", "Val_AFEW", "000046280/")],
)
def test_the_owners_folders(tmp_path, rendered, train, val, clip):
    for i in range(len(rendered)):
        name = EMOTIONS[rendered.emotion[i]]
        if name != "contempt":
            save(rendered.images[i], tmp_path / (train if i < 48 else val) / name.capitalize() / f"{clip}{i}.png")
    assert len(SFEW("train", path=tmp_path)) == 42
    faces = all_of(SFEW("valid", path=tmp_path))
    assert len(faces) == 14
    assert faces.emotion.tolist() == [rendered.emotion[int(name.split("/")[-1][:-4])] for name in faces.names]
    assert len(SFEW("test", path=tmp_path)) == 14  # the labels of Test are not public
