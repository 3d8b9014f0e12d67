"""Few steps against many: differences are found, equal samplers do not differ, and images are reused."""

from dataclasses import dataclass

import pytest
import torch

from facekit.datasets.synthetic import SyntheticFaces
from facekit.diffusion.sampler import Sampler
from facekit.evaluation.few_steps import BLOCK, compare


@dataclass(frozen=True)
class Settings:
    method: str = "dpm++"
    sample_steps: int = 4
    label_guidance: float = 3.0


class ShadeGenerator:
    """Generates images of one shade, lighter with every seed; ancestral sampling gives another shade."""

    def __init__(self):
        self.preset, self.calls = Settings(), []

    def sample(self, expression, *, seed):
        self.calls.append((self.preset.method, self.preset.sample_steps, self.preset.label_guidance))
        shades = torch.tensor(seed) / 1000 + (self.preset.method == "ddpm")
        return shades[:, None, None, None].expand(len(expression), 3, 16, 16)


class Shades:
    def features(self, faces):
        shade = faces.images.flatten(1).mean(1, keepdim=True)
        return torch.cat([shade, shade.square(), shade.sin(), shade.cos()], 1)


@pytest.fixture(scope="module")
def people():
    return SyntheticFaces("test", people=2 * BLOCK, faces_per_person=2, size=16)


def test_the_better_sampler_is_found_and_sampling_continues_where_it_stopped(people, tmp_path):
    generator = ShadeGenerator()
    found = compare(generator, people, Shades(), tmp_path, many=Sampler("ddpm", 10))
    assert found.difference.high < 0  # real faces are darker than the other shade
    assert found.few.estimate - found.many.estimate == pytest.approx(found.difference.estimate, abs=1e-6)
    assert abs(found.real.estimate) < found.few.estimate < found.many.estimate
    assert set(generator.calls) == {("dpm++", 20, 1.0), ("ddpm", 10, 1.0)}
    assert generator.preset == Settings()

    done = len(generator.calls)
    last = max((tmp_path / "ddpm-10").iterdir())
    last.unlink()
    assert compare(generator, people, Shades(), tmp_path, many=Sampler("ddpm", 10)) == found
    assert len(generator.calls) == done + 1


def test_equal_samplers_do_not_differ(people, tmp_path):
    found = compare(ShadeGenerator(), people, Shades(), tmp_path, few=Sampler("dpm++", 5), many=Sampler("dpm++", 20))
    assert (found.difference.low, found.difference.high) == (0, 0)


def test_an_interval_needs_two_blocks(tmp_path):
    few = SyntheticFaces("test", people=BLOCK, faces_per_person=2, size=16)
    with pytest.raises(ValueError, match=f"two blocks of {BLOCK}"):
        compare(ShadeGenerator(), few, Shades(), tmp_path)
