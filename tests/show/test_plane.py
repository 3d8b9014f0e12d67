import pytest
import torch
from matplotlib.colors import to_hex

from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.show import emotion_color, field, points

POINTS = torch.tensor([[0.5, -0.25], [-1.0, 1.0], [0.0, 0.75]])


def test_points_have_their_positions_and_the_colours_of_their_labels():
    axes = points(POINTS, torch.tensor([3, 0, 7]), limit=2, title="here").axes[0]
    dots = axes.collections[0]
    assert dots.get_offsets().tolist() == POINTS.tolist()
    colours = [to_hex(colour).upper() for colour in dots.get_facecolors()]
    assert colours == [emotion_color(PROTOCOL_EMOTIONS[i]) for i in (3, 0, 0)]
    assert (axes.get_xlim(), axes.get_ylim(), axes.get_title()) == ((-2, 2), (-2, 2), "here")


def test_a_trajectory_goes_through_all_its_points_and_ends_in_a_dot():
    trajectories = torch.stack([POINTS, POINTS / 2, POINTS / 4], 1)
    lines, dots = points(trajectories).axes[0].collections
    for i, segment in enumerate(lines.get_segments()):
        assert segment.tolist() == trajectories[i].tolist()
    assert dots.get_offsets().tolist() == (POINTS / 4).tolist()


def arrows_of(axes):
    quiver = axes.collections[0]
    return torch.tensor(quiver.XY).float(), torch.stack([torch.tensor(quiver.U), torch.tensor(quiver.V)], 1).float()


def test_arrows_point_along_the_field_and_do_not_overlap():
    positions, drawn = arrows_of(field(lambda x: -5 * x, limit=1, arrows=5).axes[0])
    assert len(positions) == 25
    gap = 0.5
    lengths, far = drawn.norm(dim=1), positions.norm(dim=1)
    assert lengths.max().item() == pytest.approx(0.9 * gap, rel=1e-4)
    moved = far > 0
    assert torch.allclose(drawn[moved] / lengths[moved, None], -positions[moved] / far[moved, None], atol=1e-5)
    inner = (far > 0) & (far < 1)
    assert torch.allclose((lengths / far)[inner], (lengths / far)[inner][0].expand(inner.sum()), rtol=1e-4)


def test_a_zero_field_has_arrows_of_length_zero():
    _, drawn = arrows_of(field(torch.zeros_like).axes[0])
    assert drawn.abs().max() == 0


def test_the_density_is_darkest_at_its_maximum():
    figure = field(torch.zeros_like, lambda x: -(x - torch.tensor([1.0, -1.0])).square().sum(1), limit=1.5)
    shade = torch.as_tensor(figure.axes[0].images[0].get_array().data)
    row, column = divmod(shade.argmax().item(), shade.shape[1])
    x, y = (place / 119 * 3 - 1.5 for place in (column, row))
    assert (x, y) == pytest.approx((1, -1), abs=0.03)
