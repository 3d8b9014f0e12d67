import pytest
import torch
from PIL import Image

from facekit import cli
from facekit.datasets.lfw import VerificationPairs, verification_pairs
from facekit.datasets.synthetic import SyntheticFaces
from facekit.evaluation.judges import IdentityJudge
from facekit.evaluation.verification import best_threshold, verify
from facekit.faces.faces import Faces
from facekit.show import to_image


class Given:
    """A recogniser whose embeddings are given: angles in the plane."""

    name, sha256 = "given", ""

    def __init__(self, angles):
        self.angles = torch.tensor(angles)

    def embed(self, faces):
        return torch.stack([self.angles.cos(), self.angles.sin()], 1)


def pairs_of(same, folds):
    n = len(same)
    faces = Faces(torch.zeros(2 * n, 1, 8, 8))
    return VerificationPairs(faces, torch.arange(n), torch.arange(n, 2 * n), torch.tensor(same), torch.tensor(folds))


def test_the_best_threshold_separates_the_pairs():
    similarities, same = torch.tensor([0.9, 0.2, 0.7, 0.4, 0.1]), torch.tensor([True, False, True, False, False])
    assert 0.4 <= best_threshold(similarities, same) < 0.7
    assert best_threshold(similarities, torch.ones(5, dtype=torch.bool)) < 0.1
    assert best_threshold(similarities, torch.zeros(5, dtype=torch.bool)) > 0.89


def test_the_threshold_of_a_fold_is_chosen_on_the_others():
    # Similarities (cosines of angles) that are separated in each fold, but at another place in the second.
    angles = [0.0] * 8 + [0.1, 0.2, 1.0, 1.1, 1.0, 1.1, 1.5, 1.6]
    same = [True, True, False, False, True, True, False, False]
    found = verify(Given(angles), pairs_of(same, [0, 0, 0, 0, 1, 1, 1, 1]))
    assert found.accuracy == 0.5  # each threshold is wrong for half of the other fold
    assert found.standard_error == 0
    assert found.auc == pytest.approx(14 / 16)
    assert verify(Given(angles), pairs_of(same, [0, 1] * 4)).accuracy == pytest.approx(0.75)


@pytest.fixture
def lfw(tmp_path):
    """Eight drawn people with four photographs each in the layout of LFW, and two folds."""
    dataset = SyntheticFaces("test", people=8, faces_per_person=4, size=96)
    faces = dataset.faces(range(32))
    for i in range(32):
        canvas = Image.new("RGB", (250, 250), "grey")
        canvas.paste(to_image(faces.images[i]).resize((125, 125)), (62, 70))
        file = tmp_path / "lfw" / "lfw_funneled" / f"P_{i // 4}" / f"P_{i // 4}_{i % 4 + 1:04d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        canvas.save(file)
    rows = ["2 8"]
    for fold in (0, 4):
        rows += [f"P_{fold + i % 4} {1 + i // 4} {3 + i // 4}" for i in range(8)]
        rows += [f"P_{fold + i % 4} 1 P_{fold + (i + 1 + i // 4) % 4} 2" for i in range(8)]
    (tmp_path / "lfw" / "pairs.txt").write_text("\n".join(rows))
    return tmp_path


def test_the_identity_network_verifies_drawn_people(lfw):
    found = verify(IdentityJudge.load("identity-synthetic"), verification_pairs(lfw / "lfw", size=64))
    assert found.accuracy > 0.8
    assert found.auc > 0.9


def test_the_command_reports_all_recognisers(lfw, monkeypatch, capsys):
    monkeypatch.setenv("FACEKIT_DATA", str(lfw))
    assert cli.main(["evaluate", "--data", "lfw", "--out", str(lfw / "out")]) == 0
    said = capsys.readouterr().out
    assert all(part in said for part in ("32 pairs of LFW", "identity-synthetic", "accuracy", "standard_error", "auc"))
    assert "identity-synthetic" in (lfw / "out" / "lfw" / "verification.csv").read_text()
    assert cli.main(["evaluate", "stargan-synthetic", "--data", "lfw"]) == 2
    assert "name the weights of identity networks" in capsys.readouterr().err
