"""Few steps against many: what differs is found, what is alike is not, and nothing is drawn twice."""

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


class Painter:
    """Pictures of one shade, lighter with every seed; ancestral sampling paints another shade."""

    def __init__(self):
        self.preset, self.calls = Settings(), []

    def sample(self, asked, *, seed):
        self.calls.append((self.preset.method, self.preset.sample_steps, self.preset.label_guidance))
        shades = torch.tensor(seed) / 1000 + (self.preset.method == "ddpm")
        return shades[:, None, None, None].expand(len(asked), 3, 16, 16)


class Shades:
    def features(self, faces):
        shade = faces.images.flatten(1).mean(1, keepdim=True)
        return torch.cat([shade, shade.square(), shade.sin(), shade.cos()], 1)


@pytest.fixture(scope="module")
def people():
    return SyntheticFaces("test", people=2 * BLOCK, faces_per_person=2, size=16)


def test_the_nearer_to_real_faces_is_found_and_drawing_goes_on_where_it_stopped(people, tmp_path):
    painter = Painter()
    found = compare(painter, people, Shades(), tmp_path, many=Sampler("ddpm", 10))
    assert found.difference.high < 0  # real faces are darker than the other shade
    assert found.few.estimate - found.many.estimate == pytest.approx(found.difference.estimate, abs=1e-6)
    assert abs(found.real.estimate) < found.few.estimate < found.many.estimate
    assert set(painter.calls) == {("dpm++", 20, 1.0), ("ddpm", 10, 1.0)}
    assert painter.preset == Settings()

    done = len(painter.calls)
    last = max((tmp_path / "ddpm-10").iterdir())
    last.unlink()
    assert compare(painter, people, Shades(), tmp_path, many=Sampler("ddpm", 10)) == found
    assert len(painter.calls) == done + 1


def test_two_ways_that_draw_alike_do_not_differ(people, tmp_path):
    found = compare(Painter(), people, Shades(), tmp_path, few=Sampler("dpm++", 5), many=Sampler("dpm++", 20))
    assert (found.difference.low, found.difference.high) == (0, 0)


def test_an_interval_needs_two_blocks(tmp_path):
    few = SyntheticFaces("test", people=BLOCK, faces_per_person=2, size=16)
    with pytest.raises(ValueError, match=f"two blocks of {BLOCK}"):
        compare(Painter(), few, Shades(), tmp_path)
