import math
from pathlib import Path

import pytest
import torch
from torchvision.models import SqueezeNet1_1_Weights, squeezenet1_1

from facekit.evaluation.metrics.reference import judge_distance, lpips, psnr, ssim
from facekit.models.judges.emotion_resnet import EmotionResNet


@pytest.fixture
def images():
    coarse = torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    return torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear")  # (4, 3, 48, 48)


def test_an_image_against_itself(images):
    assert all(math.isinf(value) for value in psnr(images, images).tolist())
    assert ssim(images, images).tolist() == pytest.approx([1] * 4)


def test_psnr_of_a_known_difference(images):
    step = torch.tensor([0.02, 0.02, 0.2, 0.2]).view(4, 1, 1, 1)
    assert psnr(images, images + step).tolist() == pytest.approx([40, 40, 20, 20], abs=1e-3)  # 20 log10(2 / step)


def test_each_image_has_its_own_value(images):
    worse = images.clone()
    worse[2] += 0.3 * torch.randn(3, 48, 48, generator=torch.Generator().manual_seed(1))
    assert ssim(worse, images).argmin() == 2
    assert ssim(worse, images)[[0, 1, 3]].tolist() == pytest.approx([1] * 3)
    together = ssim(worse, images)
    apart = torch.cat([ssim(worse[i : i + 1], images[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, apart)


def test_ssim_of_flat_images_is_wangs_luminance_term():
    a, b = torch.full((1, 1, 16, 16), 0.5), torch.zeros(1, 1, 16, 16)
    c1 = (0.01 * 2) ** 2
    assert ssim(a, b).item() == pytest.approx(c1 / (0.25 + c1), rel=1e-2)


def test_lpips_weights_are_never_downloaded(images, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"alexnet.*judge_distance"):
        lpips(images, images)


def test_lpips_loads_a_backbone_on_disk(images, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    path = tmp_path / "checkpoints" / Path(SqueezeNet1_1_Weights.DEFAULT.url).name
    path.parent.mkdir()
    torch.save(squeezenet1_1().state_dict(), path)  # random weights in the format of the real file
    assert lpips(images, images, "squeeze").tolist() == pytest.approx([0] * len(images), abs=1e-6)
    assert (lpips(images, -images, "squeeze") > 0).all()


def test_judge_distance_grows_with_the_difference(images):
    torch.manual_seed(0)
    predictor = EmotionResNet(EmotionResNet.presets["smoke"])
    noise = torch.randn(4, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    near, far = (judge_distance(images, images + level * noise, predictor) for level in (0.05, 0.5))
    assert judge_distance(images, images, predictor).tolist() == pytest.approx([0] * 4, abs=1e-6)
    assert (near > 0).all()
    assert (near < far).all()
