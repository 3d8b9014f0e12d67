import pytest
import torch
from PIL import Image

from facekit import Expression, Faces
from facekit.faces.emotions import COLORS, PROTOCOL_EMOTIONS
from facekit.show import (
    action_unit_sheet,
    difference,
    faces_sheet,
    grid,
    to_image,
    to_png,
    with_heat,
    with_landmarks,
    with_mask,
)
from facekit.show.images import listed


def plain(*levels: float, size: int = 8) -> torch.Tensor:
    """Images of one grey each: (N, 1, size, size)."""
    return torch.tensor(levels, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, size, size).clone()


def colour(image: Image.Image, x: int, y: int) -> tuple[int, int, int]:
    return image.convert("RGB").getpixel((x, y))


def test_an_image_keeps_its_values():
    image = torch.stack([torch.full((4, 4), v) for v in (-1.0, 0.0, 1.0)])
    assert colour(to_image(image), 2, 2) == (0, 128, 255)
    assert to_image(image, 40).size == (40, 40)


def test_crisp_pixels_stay_squares():
    image = torch.tensor([[[-1.0, 1.0], [1.0, -1.0]]])
    assert set(to_image(image, 32, crisp=True).get_flattened_data()) == {(0, 0, 0), (255, 255, 255)}
    assert len(set(to_image(image, 32).get_flattened_data())) > 2


def test_a_grid_is_filled_row_by_row():
    sheet = grid(plain(-1, -0.5, 0, 0.5, 1, 1), columns=3, size=20)
    assert sheet.size == (3 * 20 + 2 * 4, 2 * 20 + 4)
    greys = [colour(sheet, x, y)[0] for y in (10, 34) for x in (10, 34, 58)]
    assert greys == pytest.approx([0, 64, 128, 191, 255, 255], abs=2)


def test_grey_and_colour_and_sizes_may_be_mixed():
    sheet = grid([plain(0), torch.ones(1, 3, 16, 16)], size=24)
    assert sheet.size == (52, 24)
    assert colour(sheet, 40, 12) == (255, 255, 255)


def test_a_narrow_image_is_centred_in_its_cell():
    sheet = grid([torch.ones(1, 10, 30) * -1, plain(-1)], columns=1, size=20)
    assert sheet.size == (60, 44)
    assert [colour(sheet, x, 34)[0] for x in (10, 30, 50)] == [255, 0, 255]


@pytest.mark.parametrize("faces", [torch.rand(7, 3, 64, 64) * 2 - 1, torch.zeros(7, 3, 8, 8)], ids=["many", "few"])
def test_emotions_above_the_columns_have_their_colour(faces):
    sheet = grid(faces, columns=PROTOCOL_EMOTIONS, size=60).convert("RGB")
    found = [sheet.getpixel((i * 64 + 30, 18)) for i in range(7)]
    assert found == [tuple(bytes.fromhex(COLORS[name][1:])) for name in PROTOCOL_EMOTIONS]


@pytest.mark.parametrize(
    "layout", [{"rows": ["a"], "columns": 2}, {"titles": ["one"]}, {"columns": ["a", "b"], "rows": ["x"]}]
)
def test_names_that_do_not_fit_are_refused(layout):
    with pytest.raises(ValueError, match=r"row|title"):
        grid(plain(0, 0, 0), **layout)


def test_long_names_are_wrapped_and_do_not_reach_their_neighbours():
    room = 60
    short = grid(plain(0, 0, 0), columns=["a", "b", "c"], size=room)
    long = grid(plain(0, 0, 0), columns=["a", "happy, as the ground truth", "happy"], size=room)
    assert long.width == short.width
    assert long.height > short.height
    above = long.height - room
    assert colour(long, 2 * (room + 4) + 5, above - 4) == tuple(bytes.fromhex(COLORS["happy"][1:]))
    ink = [x for x in range(long.width) for y in range(above - 6) if colour(long, x, y) != (255, 255, 255)]
    gaps = set(range(room, room + 4)) | set(range(2 * room + 4, 2 * room + 8))
    assert ink
    assert not gaps & set(ink)


def test_an_empty_grid_is_refused():
    with pytest.raises(ValueError, match="no image"):
        grid(torch.zeros(0, 3, 8, 8))


def test_a_sheet_of_noise_stays_small():
    faces = torch.rand(12, 3, 64, 64) * 2 - 1
    small, full = grid(faces, size=64), grid(faces, size=64, full_color=True)
    assert len(to_png(small)) < len(to_png(full)) / 2
    assert len(set(full.get_flattened_data())) > 256


def test_a_small_area_keeps_its_colour():
    faces = torch.rand(8, 1, 64, 64).expand(-1, 3, -1, -1) * 2 - 1
    faces = faces.clone()
    faces[0, :, 30:34, 28:36] = torch.tensor([1.0, -1.0, -1.0])[:, None, None]  # red lips among greys
    red, green, blue = colour(grid(faces, size=64), 32, 32)
    assert (red, green, blue) == pytest.approx((255, 0, 0), abs=12)


def test_faces_sheet_draws_each_emotion_in_order():
    expressions = []

    def draw(expression: Expression) -> torch.Tensor:
        expressions.append(expression)
        return plain(-1, 1)

    sheet = faces_sheet(draw, ("sad", "happy"), intensity=0.5, given=Faces(plain(0, 0)), rows=["a", "b"], size=20)
    assert [repr(e) for e in expressions] == ["Expression(1 face: sad at 0.50)", "Expression(1 face: happy at 0.50)"]
    left = sheet.width - (3 * 20 + 2 * 4)
    assert [colour(sheet, left + x, 22 + y)[0] for y in (10, 34) for x in (10, 34, 58)] == [128, 0, 0, 128, 255, 255]


def test_intensities_of_action_unit_sheet_increase_from_left_to_right():
    def draw(expression: Expression) -> torch.Tensor:
        return plain(*(expression.action_units.amax(1) * 2 - 1).tolist())

    sheet = action_unit_sheet(draw, (4, "AU12L"), (0, 0.5, 1), size=20)
    left = sheet.width - (3 * 20 + 2 * 4)
    assert [colour(sheet, left + x, 34)[0] for x in (10, 34, 58)] == [0, 128, 255]


def test_landmarks_are_drawn_at_their_positions():
    points = torch.zeros(1, 68, 2)
    points[0, 0] = torch.tensor([0.5, -0.5])
    shown = with_landmarks(Faces(plain(-1), landmarks=points), size=100)
    assert shown.shape == (1, 3, 100, 100)
    bright = (shown[0].mean(0) > 0).nonzero().tolist()
    assert [25, 75] in bright
    assert [50, 50] in bright
    assert [75, 25] not in bright


def test_faces_without_landmarks_are_refused():
    with pytest.raises(ValueError, match="landmarks"):
        with_landmarks(Faces(plain(0)))


def test_a_mask_tints_only_what_it_covers():
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    shown = with_mask(plain(0), mask)
    assert torch.equal(shown[..., 4:], torch.zeros(1, 3, 8, 4))
    assert (shown[..., :4] != 0).all()


def test_heat_is_brightest_at_its_maximum():
    heat = torch.zeros(1, 1, 8, 8)
    heat[..., 2, 5] = 3
    shown = with_heat(plain(0), heat)
    assert shown.mean(1)[0].flatten().argmax() == 2 * 8 + 5


def test_difference_is_white_without_change_and_coloured_by_its_sign():
    a, b = plain(0, 0, 0), plain(0, 0.5, -0.5)
    same, brighter, darker = difference(a, b)[:, :, 0, 0]
    assert (same > 0.9).all()
    assert brighter[2] > brighter[0]  # violet: more blue than red
    assert darker[0] > darker[2]  # orange
    assert torch.equal(difference(a, b), difference(a, b.clone()))


def test_listed_flattens_everything_in_order():
    nested = [plain(0.1, 0.2), [Faces(plain(0.3)), plain(0.4)[None]]]
    assert [p[0, 0, 0].item() for p in listed(nested)] == pytest.approx([0.1, 0.2, 0.3, 0.4])
