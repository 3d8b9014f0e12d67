import pytest
import torch
import torch.nn.functional as F

from facekit.datasets.synthetic import SyntheticFaces
from facekit.evaluation import realism
from facekit.faces.augment import transformed
from facekit.faces.emotions import EMOTIONS, PROTOCOL_EMOTIONS
from facekit.faces.faces import Faces
from facekit.faces.landmarks import PARTS

HAPPY, NEUTRAL = EMOTIONS.index("happy"), EMOTIONS.index("neutral")


class Predicts:
    """An emotion judge whose predictions are a function of the faces, (N,)."""

    name, sha256 = "predicts", ""

    def __init__(self, function):
        self.function = function

    def probabilities(self, faces):
        return F.one_hot(self.function(faces), len(PROTOCOL_EMOTIONS)).float()


PERFECT = Predicts(lambda faces: faces.emotion)
ALWAYS_HAPPY = Predicts(lambda faces: torch.full_like(faces.emotion, HAPPY))


class Detects:
    """A landmark judge with a constant offset from the true landmarks, in interocular distances."""

    name = "detects"

    def __init__(self, right=0.0, down=0.0, only=slice(None)):
        self.offset, self.only = torch.tensor([right, down]), only

    def landmarks(self, faces):
        true = faces.landmarks
        between = (true[:, 36:42].mean(1) - true[:, 42:48].mean(1)).norm(dim=-1)[:, None, None]
        detected = true.clone()
        detected[:, self.only] += self.offset * between
        return detected


@pytest.fixture(scope="module")
def faces():
    dataset = SyntheticFaces("valid", people=40, faces_per_person=7, intensity=(0.8, 1.0), size=32, channels=1)
    return dataset.faces(range(len(dataset)))


def dot(x, y, size=33):
    """One white pixel on black."""
    images = torch.full((1, 1, size, size), -1.0)
    images[0, 0, y, x] = 1
    return Faces(images, emotion=torch.tensor([0]))


def position(faces):
    """The mean position (x, y) of the white pixels."""
    light = faces.images[0, 0] + 1
    line = torch.arange(light.shape[0]).float()
    return ((light.sum(0) @ line) / light.sum()).item(), ((light.sum(1) @ line) / light.sum()).item()


# ------------------------------------------------------------------------------------------------------- emotion


def test_classification_by_a_perfect_and_a_constant_judge(faces):
    perfect, constant = realism.classification(PERFECT, faces), realism.classification(ALWAYS_HAPPY, faces)
    assert perfect["accuracy"] == perfect["low"] == perfect["high"] == 1
    assert set(perfect["recall"].values()) == {1.0}
    assert constant["accuracy"] == pytest.approx(1 / 7)
    assert constant["recall"] == {name: float(name == "happy") for name in PROTOCOL_EMOTIONS}
    assert [row[HAPPY] for row in constant["confusion"]] == [40] * 7
    assert sum(map(sum, constant["confusion"])) == constant["faces"] == 280


def test_recall_ratios_are_synthetic_over_real():
    assert realism.recall_ratios({"sad": 0.3, "fear": 0.2}, {"sad": 0.6, "fear": 0.0}) == {"sad": 0.5, "fear": None}


def test_happy_or_neutral_ignores_other_emotions():
    faces = Faces(torch.zeros(4, 1, 8, 8), emotion=torch.tensor([HAPPY, NEUTRAL, HAPPY, NEUTRAL]))

    class Sad:
        def probabilities(self, faces):  # sad for all, and happy as second choice for the first three
            values = torch.tensor([0.0, 0.0, 0.0, 0.2, 0.7, 0.0, 0.1]).repeat(4, 1)
            values[3, [HAPPY, NEUTRAL]] = values[3, [NEUTRAL, HAPPY]]
            return values

    assert realism.happy_or_neutral(Sad(), faces)["accuracy"] == 0.75


# ---------------------------------------------------------------------------------------------------- robustness


def test_shift_and_scale():
    assert position(realism.shifted(dot(16, 16), 3, -2)) == pytest.approx((19, 14), abs=1e-3)
    assert position(realism.scaled(dot(26, 16), 1.1)) == pytest.approx((27, 16), abs=0.15)
    assert position(realism.scaled(dot(26, 6), 0.9)) == pytest.approx((25, 7), abs=0.15)


def test_blur_has_its_standard_deviation():
    light = realism.blurred(dot(16, 16), 0.7).images[0, 0] + 1
    across = torch.arange(33) - 16.0
    assert ((light.sum(0) @ across**2) / light.sum()).sqrt() == pytest.approx(0.7, rel=0.03)
    assert light.sum() == pytest.approx(2, rel=1e-3)


def test_landmarks_are_shifted_with_the_image(faces):
    moved = realism.shifted(faces, 3, 0).landmarks - faces.landmarks
    torch.testing.assert_close(moved, torch.tensor([2 * 3 / 32, 0.0]).expand_as(moved))


def test_accuracy_loss_of_a_judge_that_depends_on_the_position():
    """It detects a white column in the middle, which a horizontal shift moves away."""
    images = torch.full((4, 1, 33, 33), -1.0)
    images[..., 16] = 1
    faces = Faces(images, emotion=torch.full((4,), HAPPY))
    judge = Predicts(lambda faces: torch.where(faces.images[:, 0, 16, 16] > -0.5, HAPPY, NEUTRAL))
    loss = realism.accuracy_loss(judge, faces)
    each = loss["shift"]["each"]
    assert len(each) == 8
    assert {name: value for name, value in each.items() if name.startswith("+0")} == {
        "+0, -3 pixels": 0,
        "+0, +3 pixels": 0,
    }
    assert sorted(each.values()) == [0, 0, 100, 100, 100, 100, 100, 100]
    assert loss["shift"]["mean"] == 75
    assert loss["shift"]["worst"] == 100
    assert loss["scale"]["worst"] == loss["blur"]["worst"] == 0


# ----------------------------------------------------------------------------------------------------- landmarks


def test_a_constant_offset_is_the_error_and_the_bias(faces):
    measured = realism.landmark_accuracy(Detects(0.03, -0.04), faces)
    assert measured["nme"] == pytest.approx(0.05, abs=1e-5)
    for part in measured["parts"].values():
        assert part["nme"] == pytest.approx(0.05, abs=1e-5)
        assert part["bias"] == pytest.approx([0.03, -0.04], abs=1e-5)


def test_an_offset_of_the_mouth_affects_the_mouth_alone(faces):
    measured = realism.landmark_accuracy(Detects(0, 0.17, only=PARTS["mouth"]), faces)
    errors = {name: part["nme"] for name, part in measured["parts"].items()}
    assert errors == pytest.approx({"outline": 0, "brows": 0, "nose": 0, "eyes": 0, "mouth": 0.17}, abs=1e-5)
    assert measured["nme"] == pytest.approx(0.17 * 20 / 68, abs=1e-5)


# ----------------------------------------------------------------------------------------------------- detection


def test_no_face_is_detected_in_noise_or_an_empty_image():
    pictures = torch.stack([torch.zeros(1, 64, 64), torch.rand(1, 64, 64) * 2 - 1])
    assert realism.detected(Faces(pictures)).tolist() == [0, 0]


def test_most_synthetic_faces_are_detected_but_few_upside_down():
    """This cascade detects a face in one of five photographs that are upside down."""
    dataset = SyntheticFaces("valid", people=40, faces_per_person=1, emotions=["neutral"], size=64, channels=1)
    faces = dataset.faces(range(40))
    assert realism.detected(faces).mean() >= 0.85
    assert realism.detected(Faces(faces.images.flip(-2))).mean() <= 0.45


# ------------------------------------------------------------------------------------------------------ identity


class Embeds:
    """A recogniser whose embedding is a random direction for each value of a function of the faces, (N,)."""

    def __init__(self, function):
        self.function = function

    def embed(self, faces):
        directions = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
        return F.normalize(directions[self.function(faces)], dim=1)


def test_verification_does_not_depend_on_the_expression(faces):
    by_person = realism.identity_verification(Embeds(lambda faces: faces.person - faces.person.min()), faces)
    measured = realism.identity_verification(Embeds(lambda faces: faces.emotion), faces)
    assert by_person["auc"] == pytest.approx(1)
    assert measured["auc"] == pytest.approx(0.5)
    assert measured["genuine"] == 40 * 21  # seven emotions, two by two
    assert measured["impostor"] == 40 * 39 // 2 * 42


def test_aligned_eyes_are_at_their_positions(faces):
    shift = torch.tensor([0.1, -0.1]).expand(280, 2)
    tilted = transformed(faces, torch.full((280,), 0.2), torch.full((280,), 0.8), shift)
    aligned = realism.aligned(tilted)
    left, right = aligned.landmarks[:, 36:42].mean(1), aligned.landmarks[:, 42:48].mean(1)
    torch.testing.assert_close(left, torch.tensor([-0.31, -0.08]).expand(280, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(right, torch.tensor([0.31, -0.08]).expand(280, 2), atol=1e-5, rtol=0)
    assert aligned.images.shape == (280, 1, 112, 112)
    assert aligned.mask is None


def test_images_are_aligned_with_their_landmarks():
    """White points at three landmarks are still there after alignment; the border is replicated."""
    at = torch.tensor([[10, 30], [30, 34], [22, 60]])
    landmarks = torch.zeros(1, 68, 2)
    landmarks[:, 36:42], landmarks[:, 42:48], landmarks[:, 8] = (at * 2 + 1) / 96 - 1
    images = torch.full((1, 1, 96, 96), -1.0)
    for x, y in at:
        images[..., y, x] = 1
    images[..., 0] = 0.5
    aligned = realism.aligned(Faces(images, landmarks=landmarks))
    for point in (36, 42, 8):
        x, y = ((aligned.landmarks[0, point] + 1) * 56 - 0.5).round().long().tolist()
        around = aligned.images[0, 0, y - 4 : y + 5, x - 4 : x + 5] + 1
        line = torch.arange(-4.0, 5)
        assert around.sum() > 0.5
        assert abs((around.sum(0) @ line) / around.sum()) < 0.6
        assert abs((around.sum(1) @ line) / around.sum()) < 0.6
    assert aligned.images[0, 0, 56, 0] == pytest.approx(0.5)
    with pytest.raises(ValueError, match="these have none"):
        realism.aligned(Faces(images))


def test_impostors_with_equal_skin_tone_defeat_a_judge_of_skin_tone(faces):
    by_skin = Embeds(lambda faces: faces.attributes["skin_tone"])
    unrestricted = realism.identity_verification(by_skin, faces)
    restricted = realism.identity_verification(by_skin, faces, ("skin_tone",))
    assert unrestricted["auc"] > 0.9
    assert restricted["auc"] == pytest.approx(0.5)
    assert restricted["impostor"] < unrestricted["impostor"]
    assert restricted["genuine"] == unrestricted["genuine"] == 40 * 21
    with pytest.raises(ValueError, match="give more people"):
        realism.identity_verification(by_skin, faces[:7])


# ------------------------------------------------------------------------------------------------------ fairness


def test_a_judge_that_fails_for_one_group_has_a_large_gap(faces):
    unfair = Predicts(lambda f: torch.where(f.attributes["skin_tone"] == 9, (f.emotion + 1) % 7, f.emotion))
    measured = realism.by_group(realism.correct(unfair, faces), faces)
    darkest = measured["groups"]["skin tone"]["10"]
    assert darkest["mean"] == 0
    assert darkest["gap"] == pytest.approx(-measured["overall"])
    assert darkest["people"] == 4
    assert measured["largest_gap"] == pytest.approx(measured["overall"])
    assert measured["overall"] == pytest.approx(0.9)


def test_both_kinds_of_glasses_count_and_hair_is_not_compared(faces):
    worn = (faces.attributes["glasses"] > 0).float()
    measured = realism.by_group(worn, faces)
    assert measured["groups"]["glasses"]["yes"]["mean"] == 1
    assert measured["groups"]["glasses"]["no"]["mean"] == 0
    unequal = dict(measured["groups"]["glasses"])
    assert measured["largest_gap"] == pytest.approx(max(abs(group["gap"]) for group in unequal.values()))
    curly = (faces.attributes["hair_style"] == 6).float()
    by_hair = realism.by_group(curly, faces)
    assert max(abs(group["gap"]) for group in by_hair["groups"]["hair"].values()) > by_hair["largest_gap"]
