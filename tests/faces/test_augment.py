import dataclasses
import math
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.faces.action_units import ACTION_UNIT_COLUMNS, action_unit_columns
from facekit.faces.augment import RECIPES, Recipe, augment, augmentation, mirrored, transformed
from facekit.faces.faces import Faces

SIZE = 48


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def marked(n=4, frames=None) -> Faces:
    """Images of a Gaussian dot at landmark 30, and masks of the same dot."""
    shape = (n,) if frames is None else (n, frames)
    points = torch.rand(*shape, 68, 2, generator=generator(1)) - 0.5
    centres = (2 * torch.arange(SIZE) + 1) / SIZE - 1
    across = (centres - points[..., 30, :1]).square()
    down = (centres - points[..., 30, 1:]).square()
    dot = torch.exp(-(across[..., None, :] + down[..., :, None]) / 0.01)[..., None, :, :]
    units = torch.rand(*shape, len(ACTION_UNIT_COLUMNS), generator=generator(2))
    return Faces(2 * dot - 1, torch.arange(n) % 8, landmarks=points, action_units=units, mask=dot)


def centre(dots):
    """Positions (..., 2) of the dots in images (..., 1, H, W) in [0, 1]."""
    weights = dots[..., 0, :, :] / dots[..., 0, :, :].sum((-1, -2), keepdim=True)
    centres = (2 * torch.arange(SIZE) + 1) / SIZE - 1
    return torch.stack([(weights.sum(-2) * centres).sum(-1), (weights.sum(-1) * centres).sum(-1)], -1)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("frames", [None, 3])
def test_landmarks_and_mask_are_transformed_like_the_image(name, frames):
    if RECIPES[name].erase:
        return  # the dot may be erased
    changed = augmentation(name)(marked(16, frames), generator())
    rendered = (changed.images + 1) / 2
    dark, bright = (rendered.flatten(-2).quantile(q, -1)[..., None, None] for q in (0, 1))
    dot = (rendered - torch.lerp(dark, bright, 0.25)).clamp(min=0)  # without noise
    assert (centre(dot) - changed.landmarks[..., 30, :]).abs().max() < 0.03
    assert (centre(changed.mask) - changed.landmarks[..., 30, :]).abs().max() < 0.02
    assert changed.images.shape == (*((16, 3) if frames else (16,)), 1, SIZE, SIZE)


@settings(max_examples=40, deadline=None)
@given(st.floats(-40, 40), st.floats(0.7, 1.4), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
def test_transformed_is_the_documented_similarity(degrees, scale, right, down):
    faces = marked()
    angle, n = math.radians(degrees), len(faces)
    shift = torch.tensor([[right, down]]).expand(n, 2)
    after = transformed(faces, torch.full((n,), angle), torch.full((n,), scale), shift)
    x, y = faces.landmarks.unbind(-1)
    turned_x, turned_y = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    wanted = torch.stack([turned_x * scale + right, turned_y * scale + down], -1)
    assert torch.allclose(after.landmarks, wanted, atol=1e-5)
    inside = after.landmarks[:, 30].abs().amax(-1) < 0.7
    assert ((centre(after.mask) - after.landmarks[:, 30]).abs().amax(-1) < 0.02)[inside].all()


def test_the_identity_transform_changes_nothing():
    faces = marked()
    same = transformed(faces, torch.zeros(4), torch.ones(4), torch.zeros(4, 2))
    assert torch.allclose(same.images, faces.images, atol=1e-5)
    assert torch.allclose(same.landmarks, faces.landmarks)
    assert augmentation("none")(faces, generator()) is faces


def test_mirroring_swaps_the_sides():
    faces = marked(2)
    only_left = torch.zeros(2, len(ACTION_UNIT_COLUMNS))
    only_left[:, action_unit_columns("AU12L")[0]] = 0.7
    attributes = {"facs": only_left * 5, "gaze": torch.tensor([-1.0, 1]), "one_sided": torch.tensor([0, 2])}
    attributes["age"] = torch.tensor([3, 4])
    faces = dataclasses.replace(faces, action_units=only_left, attributes=attributes)
    flipped = mirrored(faces)
    right = action_unit_columns("AU12R")[0]
    assert flipped.action_units[:, right].tolist() == pytest.approx([0.7, 0.7])
    assert flipped.action_units.sum() == pytest.approx(1.4)
    assert flipped.attributes["facs"][:, right].tolist() == pytest.approx([3.5, 3.5])
    assert flipped.attributes["gaze"].tolist() == [1, -1]
    assert flipped.attributes["one_sided"].tolist() == [0, 1]
    assert flipped.attributes["age"].tolist() == [3, 4]
    assert torch.equal(flipped.images, faces.images.flip(-1))
    assert torch.equal(flipped.emotion, faces.emotion)
    assert (flipped.landmarks[:, 36, 0] == -faces.landmarks[:, 45, 0]).all()
    twice = mirrored(flipped)
    for name in ("images", "mask", "landmarks", "action_units"):
        assert torch.equal(getattr(twice, name), getattr(faces, name))


def test_about_half_are_flipped_with_all_annotations():
    faces = marked(400)
    augmented = augmentation("flip")(faces, generator())
    flipped = (augmented.images != faces.images).flatten(1).any(1)
    assert 150 < flipped.sum() < 250
    other = mirrored(faces)
    for name in ("images", "mask", "landmarks", "action_units"):
        wanted = torch.where(
            flipped.view(-1, *(1,) * (getattr(faces, name).ndim - 1)), getattr(other, name), getattr(faces, name)
        )
        assert torch.equal(getattr(augmented, name), wanted)


@pytest.mark.parametrize("name", RECIPES)
def test_augmentation_depends_on_its_generator_alone(name):
    faces = marked(8)
    torch.manual_seed(0)
    first = augmentation(name)(faces, generator(5))
    torch.manual_seed(1)
    assert torch.equal(augmentation(name)(faces, generator(5)).images, first.images)
    other = augmentation(name)(faces, generator(6))
    assert torch.equal(other.images, first.images) == (name == "none")


@pytest.mark.parametrize("name", RECIPES)
def test_each_face_has_its_own_draw_and_keeps_its_label(name):
    one = marked(1)
    many = Faces.cat([one] * 32)
    augmented = augmentation(name)(many, generator())
    kinds = len({tuple(image.flatten().tolist()) for image in augmented.images})
    assert kinds == {"none": 1, "flip": 2}.get(name, 32)
    assert torch.equal(augmented.emotion, many.emotion)
    assert augmented.images.abs().max() <= 1
    assert augmented.mask.min() >= 0
    assert augmented.mask.max() <= 1


def test_changes_fill_the_documented_ranges():
    recipe = Recipe(rotate=10, scale=0.2, shift=0.1)
    eyes = torch.zeros(2000, 68, 2)
    eyes[:, 1, 0] = 1.0  # a unit vector to the right, from the centre
    faces = Faces(torch.zeros(2000, 1, 4, 4), landmarks=eyes)
    augmented = augment(faces, generator(), recipe).landmarks
    shift, arm = augmented[:, 0], augmented[:, 1] - augmented[:, 0]
    angle, scale = torch.rad2deg(torch.atan2(arm[:, 1], arm[:, 0])), arm.norm(dim=1)
    for value, reach in ((angle, 10), (scale - 1, 0.2), (shift[:, 0], 0.2), (shift[:, 1], 0.2)):
        assert value.abs().max() <= reach + 1e-4
        assert value.max() > 0.98 * reach
        assert value.min() < -0.98 * reach
        assert value.mean().abs() < 0.05 * reach


def test_light_changes_brightness_and_contrast():
    faces = Faces(torch.tensor([-0.5, 0.5]).view(1, 1, 1, 2).expand(500, 1, 2, 2).clone())
    augmented = augment(faces, generator(), Recipe(light=0.1)).images[:, 0, 0]
    brightness, contrast = augmented.mean(1), augmented[:, 1] - augmented[:, 0]
    assert 0.19 < brightness.abs().max() <= 0.2001
    assert 0.9 - 1e-4 <= contrast.min() < 0.91
    assert 1.09 < contrast.max() <= 1.1001
    assert torch.corrcoef(torch.stack([brightness, contrast]))[0, 1].abs() < 0.15


def test_the_erased_region_is_a_rectangle():
    faces = Faces(torch.ones(500, 1, 40, 40), mask=torch.ones(500, 1, 40, 40))
    augmented = augment(faces, generator(), Recipe(erase=0.5))
    gone = augmented.images[:, 0] == 0
    share = gone.float().mean((1, 2))
    assert 180 < (share > 0).sum() < 320
    assert share.max() < 0.27
    for hole in gone[share > 0]:
        assert torch.equal(hole, hole.any(1)[:, None] & hole.any(0)[None])
    assert torch.equal(augmented.mask[:, 0] == 0, gone)


def test_a_batch_takes_a_few_milliseconds():
    faces = Faces(torch.rand(64, 1, 48, 48))
    run = augmentation("affine_erase")
    run(faces, generator())
    started = time.process_time()
    for _ in range(10):
        run(faces, generator())
    assert (time.process_time() - started) / 10 < 0.02


def test_an_unknown_name_raises():
    with pytest.raises(ValueError, match="'mixup' is not an augmentation; use one of none, flip"):
        augmentation("mixup")


def test_blur_preserves_brightness_and_has_its_standard_deviation():
    faces = marked(6)
    before = (faces.images + 1) / 2
    after = (augment(faces, generator(), Recipe(blur=4.0)).images + 1) / 2
    centres = (2 * torch.arange(SIZE) + 1) / SIZE - 1

    def spread(dots):
        at = centre(dots)[:, :1]
        weights = dots[:, 0].sum(1) / dots.sum((1, 2, 3))[:, None]
        return (weights * (centres - at).square()).sum(1) * (SIZE / 2) ** 2  # squared pixels

    inside = faces.landmarks[:, 30].abs().amax(1) < 0.4  # so that the blur does not reach the border
    drawn = torch.rand(6, generator=generator()) * 0.04 * SIZE
    assert torch.allclose(after.sum((1, 2, 3))[inside], before.sum((1, 2, 3))[inside], rtol=1e-3)
    assert torch.allclose((spread(after) - spread(before))[inside], drawn.square()[inside], atol=0.1)


def test_shade_is_smooth_and_has_its_strength():
    gray = Faces(torch.zeros(32, 1, SIZE, SIZE))
    shaded = augment(gray, generator(), Recipe(shade=0.4)).images
    assert 0.2 < shaded.abs().amax() < 0.6
    assert (shaded[..., 1:] - shaded[..., :-1]).abs().max() < 0.06
    assert (shaded[0] - shaded[1]).abs().max() > 0.05


def test_noise_differs_between_pixels_and_faces():
    gray = Faces(torch.zeros(64, 1, SIZE, SIZE))
    noisy = augment(gray, generator(), Recipe(noise=0.05)).images
    deviations = noisy.flatten(1).std(1)
    assert deviations.max() < 0.11
    assert deviations.max() > 2 * deviations.min()
    assert (noisy[0] - noisy[1]).std() > 0.01
