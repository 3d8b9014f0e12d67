import io

import pytest
import torch
from PIL import Image

from facekit.show import animate

SEQUENCE = torch.linspace(-1, 1, 5).view(1, 5, 1, 1, 1).expand(2, 5, 3, 8, 8)


@pytest.mark.parametrize("kind", ["png", "gif", "webp"])
def test_every_frame_is_played_in_order(kind):
    animation = Image.open(io.BytesIO(animate(SEQUENCE, size=16, fps=10).encode(kind)))
    assert animation.n_frames == 5
    greys = []
    for i in range(5):
        animation.seek(i)
        greys.append(animation.convert("RGB").getpixel((8, 8))[0])
    assert greys == pytest.approx([0, 64, 128, 191, 255], abs=6)


def test_the_suffix_decides_the_format(tmp_path):
    animate(SEQUENCE, size=16).save(tmp_path / "smile.gif")
    assert Image.open(tmp_path / "smile.gif").format == "GIF"
    assert [path.name for path in tmp_path.iterdir()] == ["smile.gif"]


def test_images_without_a_time_axis_are_refused():
    with pytest.raises(ValueError, match="N, T, C, H, W"):
        animate(torch.zeros(2, 3, 8, 8))
