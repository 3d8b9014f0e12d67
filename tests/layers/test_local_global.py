import pytest
import torch

from facekit.datasets.synthetic import SyntheticFaces
from facekit.layers.local_global import REGIONS, LocalGlobalTranslator
from facekit.layers.translator import MaskedTranslator

LANDMARKS = {"eyes": [*range(17, 27), *range(36, 48)], "mouth": range(48, 68)}


def network(start=0.5):
    masked = MaskedTranslator(3, 7, width=4, halvings=1, blocks=1, factor=2, condition="adaptive")
    masked.start_at(start)
    return masked


def build(size=64, start=0.5, whole=0.5):
    torch.manual_seed(0)
    return LocalGlobalTranslator({name: network(start) for name in REGIONS}, network(whole), size)


def images(n=2, size=64):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("size", [48, 64, 96, 128])
def test_regions_are_inside_the_image_and_fit_their_networks(size):
    translator = build(size)
    for name in REGIONS:
        top, left, height, width = translator.box(name)
        assert top >= 0
        assert left >= 0
        assert top + height <= size
        assert left + width <= size
        assert height % 4 == width % 4 == 0
        assert translator.crop(images(size=size), name).shape == (2, 3, height, width)


def test_regions_hold_the_landmarks_of_drawn_faces_in_nearly_all_poses():
    dataset = SyntheticFaces("valid", people=60, faces_per_person=2, size=16)
    landmarks, translator = (dataset.faces(range(120)).landmarks + 1) / 2, build(64)
    for name, points in LANDMARKS.items():
        top, left, height, width = (value / 64 for value in translator.box(name))
        x, y = landmarks[:, list(points)].unbind(-1)
        inside = (x > left) & (x < left + width) & (y > top) & (y < top + height)
        assert inside.all(1).float().mean() > 0.95


def test_without_masks_the_face_is_returned():
    stages = build(start=1e-7, whole=1e-7)(images(), torch.zeros(2, 7))
    torch.testing.assert_close(stages.edited, images(), atol=1e-5, rtol=0)


def test_the_first_stage_changes_the_regions_only_and_fades_at_their_borders():
    translator = build(start=0.9)
    torch.nn.init.normal_(translator.regions["mouth"].last.weight)
    change = (translator(images(), torch.zeros(2, 7)).pasted - images()).abs()
    outside = torch.ones(64, 64, dtype=torch.bool)
    for name in REGIONS:
        top, left, height, width = translator.box(name)
        outside[top : top + height, left : left + width] = False
        region = change[:, :, top : top + height, left : left + width]
        assert region[..., height // 2, width // 2].mean() > 3 * region[..., 0, :].mean()
    assert change[..., outside].max() == 0


def test_masks_of_regions_are_placed_in_the_face():
    translator = build(start=0.25)
    with torch.no_grad():
        placed = translator.placed(translator(images(), torch.zeros(2, 7)).masks)
    assert placed.shape == (2, 1, 64, 64)
    top, left, height, width = translator.box("mouth")
    assert placed[0, 0, top + height // 2, left + width // 2] == pytest.approx(0.25, abs=1e-3)
    assert placed[0, 0, 32, 2] == 0
