"""Images of faces for display: contact sheets, and overlays such as landmarks, masks and heat maps.

An overlay returns a tensor of images, so that it can be passed to `grid`.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence

import matplotlib as mpl
import torch
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from facekit.faces.emotions import COLORS, PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, resize, to_gray, to_rgb, to_uint8
from facekit.show.style import DIVERGING, HEAT, compact

Images = Tensor | Faces | Sequence["Images"]
"""Images in [-1, 1]: a tensor (..., C, H, W), a record of faces, or a sequence of either. Sizes may differ."""

_GAP = 4  # pixels between two images
_INK = "#333333"


def to_image(image: Tensor, size: int | None = None, *, crisp: bool = False) -> Image.Image:
    """One image (C, H, W) in [-1, 1] as an RGB PIL image, `size` pixels high if given.

    crisp  enlarge pixels to squares instead of interpolating (Lanczos)
    """
    picture = Image.fromarray(to_uint8(to_rgb(image)).permute(1, 2, 0).cpu().numpy())
    if size is None or size == picture.height:
        return picture
    width = round(size * picture.width / picture.height)
    return picture.resize((width, size), Image.Resampling.NEAREST if crisp else Image.Resampling.LANCZOS)


def to_png(image: Image.Image, *, fast: bool = False) -> bytes:
    """An image as the bytes of a PNG: optimised for size, or with `fast` for encoding time."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", **{"compress_level": 1} if fast else {"optimize": True})
    return buffer.getvalue()


def grid(
    images: Images,
    *,
    columns: int | Sequence[str] | None = None,
    rows: Sequence[str] | None = None,
    titles: Sequence[str] | None = None,
    size: int = 80,
    crisp: bool = False,
    full_color: bool = False,
) -> Image.Image:
    """A contact sheet, filled row by row.

    columns     number of images per row, or the names above the columns; an emotion's name is underlined in its colour
    rows        names to the left of the rows
    titles      one below each image
    size        height of each image in pixels
    crisp       enlarge pixels to squares
    full_color  keep all colours, for slides and print; otherwise 256 are kept, which makes the file three times smaller

    Raises `ValueError` if the numbers of names and images do not match.
    """
    images = [to_image(image, size, crisp=crisp) for image in listed(images)]
    names = None if columns is None or isinstance(columns, int) else list(columns)
    across = _columns(len(images), columns, rows)
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"there are {len(titles)} titles for {len(images)} images")
    sheet = _sheet(images, across, names, rows, titles)
    return sheet if full_color else compact(sheet)


def stacked(images: Sequence[Image.Image]) -> Image.Image:
    """PIL images one below the other, in one as wide as the widest."""
    whole = Image.new("RGB", (max(image.width for image in images), sum(image.height for image in images)), "white")
    top = 0
    for image in images:
        whole.paste(image, (0, top))
        top += image.height
    return whole


def faces_sheet(
    draw: Callable[[Expression], Tensor | Faces],
    emotions: Sequence[str] = PROTOCOL_EMOTIONS,
    *,
    intensity: float | None = None,
    given: Tensor | Faces | None = None,
    **layout,
) -> Image.Image:
    """People x emotions: one row per person, one column per emotion.

    draw    maps an expression of one row to N faces with it: `partial(model.edit, faces)`, or
            `partial(dataset.counterfactual, indices)`
    given   the N inputs, shown in a first column
    layout  passed to `grid`
    """
    columns = {name: listed(draw(Expression.of(name, intensity))) for name in emotions}
    if given is not None:
        columns = {"input": listed(given)} | columns
    in_rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return grid(in_rows, columns=list(columns), **layout)


def action_unit_sheet(
    draw: Callable[[Expression], Tensor | Faces],
    units: Sequence[str | int],
    levels: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    *,
    rows: Sequence[str] | None = None,
    **layout,
) -> Image.Image:
    """Action units x intensities: one row per unit, with its intensity in [0, 1] increasing from left to right.

    draw    maps an expression to one face per row
    rows    names of the rows, by default those of the units
    layout  passed to `grid`
    """
    expressions = [Expression.from_action_units({unit: level}) for unit in units for level in levels]
    faces = draw(Expression.cat(expressions))
    names = rows or [f"AU{str(unit).upper().removeprefix('AU')}" for unit in units]
    return grid(faces, columns=[f"{level:g}" for level in levels], rows=names, **layout)


# ------------------------------------------------------------------------------------------------- overlays


def with_landmarks(faces: Faces, size: int = 160) -> Tensor:
    """Faces with their landmarks as dots: (N, 3, size, size). Raises `ValueError` for faces without landmarks."""
    if faces.landmarks is None:
        raise ValueError("these faces have no landmarks")
    radius = max(size / 110, 1.2)
    shown = []
    for image, points in zip(faces.images, faces.landmarks, strict=True):
        picture = to_image(image, size)
        pen = ImageDraw.Draw(picture)
        for x, y in ((points.cpu() + 1) * size / 2).tolist():
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill="#FFFFFF", outline="#0072B2")
        shown.append(_to_tensor(picture))
    return torch.stack(shown)


def with_mask(images: Tensor, mask: Tensor, color: str = COLORS["happy"], opacity: float = 0.6) -> Tensor:
    """Images (N, C, H, W) tinted where a mask (N, 1, H, W) in [0, 1] is set: (N, 3, H, W)."""
    tint = torch.tensor(mpl.colors.to_rgb(color), device=images.device)[:, None, None] * 2 - 1
    share = opacity * mask
    return to_rgb(images) * (1 - share) + tint * share


def with_heat(images: Tensor, heat: Tensor, opacity: float = 0.65) -> Tensor:
    """Images (N, C, H, W) under a heat map (N, 1, h, w) of attention, saliency or displacement: (N, 3, H, W).

    Values are at least 0, and normalised by the maximum of each image.
    """
    heat = resize(heat, images.shape[-1]).clamp(min=0)
    heat = heat / heat.amax((-2, -1), keepdim=True).clamp(min=1e-8)
    return to_rgb(to_gray(images)) * (1 - opacity) + _colored(heat, HEAT) * opacity


def difference(a: Tensor, b: Tensor, limit: float = 0.5) -> Tensor:
    """The change in brightness from a to b, both (N, C, H, W), as images (N, 3, H, W).

    Violet where b is brighter, orange where it is darker, white where they agree; saturated from a change of `limit`
    on, where black to white is 2.
    """
    change = to_gray(b) - to_gray(a)
    return _colored((change / limit).clamp(-1, 1) / 2 + 0.5, DIVERGING)


def listed(images: Images) -> list[Tensor]:
    """All images (C, H, W) as a flat list, in order."""
    if isinstance(images, Faces):
        return listed(images.images)
    if isinstance(images, Tensor):
        return list(images.detach().reshape(-1, *images.shape[-3:]))
    return [image for part in images for image in listed(part)]


def _colored(values: Tensor, name: str) -> Tensor:
    # (N, 1, H, W) in [0, 1] -> (N, 3, H, W) in [-1, 1] through a colour map with 256 entries.
    table = torch.tensor(mpl.colormaps[name](range(256))[:, :3], dtype=torch.float32, device=values.device)
    return table[(values[:, 0] * 255).round().long()].movedim(-1, 1) * 2 - 1


def _to_tensor(image: Image.Image) -> Tensor:
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return pixels.view(image.height, image.width, 3).permute(2, 0, 1) / 127.5 - 1


# ------------------------------------------------------------------------------------------------ the sheet


def _columns(n: int, columns: int | Sequence[str] | None, rows: Sequence[str] | None) -> int:
    if not n:
        raise ValueError("there is no image to show")
    if columns is None:
        across = -(-n // len(rows)) if rows else min(n, 8)
    else:
        across = columns if isinstance(columns, int) else len(columns)
    down = -(-n // across)
    if rows is not None and len(rows) != down:
        raise ValueError(f"{n} images in {across} columns make {down} rows, but {len(rows)} rows are named")
    return across


def _sheet(images, across: int, names, rows, titles) -> Image.Image:
    wide, high = max(image.width for image in images), max(image.height for image in images)
    down = -(-len(images) // across)
    left = 12 + max(_font().getbbox(name)[2] for name in rows) if rows else 0
    above, below = _text_height(names, wide, 22), _text_height(titles, wide, 16)
    step_x, step_y = wide + _GAP, high + below + _GAP
    sheet = Image.new("RGB", (left + across * step_x - _GAP, above + down * step_y - _GAP), "white")
    pen = ImageDraw.Draw(sheet)

    def corner(i: int) -> tuple[int, int]:
        return left + i % across * step_x, above + i // across * step_y

    for i, image in enumerate(images):
        x, y = corner(i)
        sheet.paste(image, (x + (wide - image.width) // 2, y))
    for i, title in enumerate(titles or ()):
        x, y = corner(i)
        _write(pen, (x + wide / 2, y + high + below / 2 + 1), title, "mm", wide)
    for i, name in enumerate(names or ()):
        x, _ = corner(i)
        _write(pen, (x + wide / 2, above / 2 - 3), name, "mm", wide)
        if name in COLORS:
            pen.rectangle((x, above - 5, x + wide - 1, above - 3), fill=COLORS[name])
    for j, name in enumerate(rows or ()):
        _write(pen, (left - 8, above + j * step_y + high / 2), name, "rm")
    return sheet


_FONT_SIZE = 11
_LINE = 13  # pixels between two lines of text


def _text_height(names: Sequence[str] | None, room: int, one_line: int) -> int:
    """Height in pixels of the highest of these texts, each wrapped to `room` pixels."""
    return one_line + _LINE * (max(len(_wrapped(name, room)) for name in names) - 1) if names else 0


def _wrapped(text: str, room: int) -> list[str]:
    """The lines of a text: words as many as fit into `room` pixels."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or _font().getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _write(pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, anchor: str, room: int | None = None) -> None:
    """Write a text, wrapped to `room` pixels. A word that is longer is set in a smaller font."""
    lines, size = _wrapped(text, room) if room else [text], _FONT_SIZE
    while room and size > 7 and max(_font(size).getlength(line) for line in lines) > room:
        size -= 1
    x, y = at
    for i, line in enumerate(lines):
        pen.text((x, y + _LINE * (i - (len(lines) - 1) / 2)), line, fill=_INK, font=_font(size), anchor=anchor)


@functools.cache
def _font(size: int = _FONT_SIZE) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(findfont("DejaVu Sans"), size)
