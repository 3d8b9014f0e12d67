"""Who a face belongs to: everything about a person that no expression and no view changes.

Lengths are in units of the distance between the centres of the eyes, about 63 mm. Averages follow the landmarks
of a few hundred photographs at rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facekit.datasets.synthetic.draws import chance, normal, shuffled, uniform
from facekit.datasets.synthetic.rows import Rows

# The Monk Skin Tone scale (Monk 2019, skintone.google), 1 to 10 as sRGB.
MONK_SCALE = (
    "#f6ede4", "#f3e7db", "#f7ead0", "#eadaba", "#d7bd96", "#a07e56", "#825c43", "#604134", "#3a312a", "#292420",
)  # fmt: skip

HAIR_STYLES = ("bald", "short", "side part", "receding", "fringe", "long", "curly", "afro", "bun", "headscarf")
AGE_GROUPS = ("young", "middle", "old")
BEARDS = ("none", "stubble", "moustache", "full")
GLASSES = ("none", "round", "square")
CHARACTERS = ("Ada", "Bruno", "Chidi", "Dalia", "Emi", "Finn")
"""The six people of the cartoon domain."""

# What people of soft and of strong features wear, in tenths; both sum up to every style.
_HAIR_OF = {
    0: ("short", "side part", "fringe", "fringe", "long", "long", "curly", "afro", "bun", "headscarf"),
    1: ("short", "short", "side part", "side part", "receding", "bald", "curly", "afro", "long", "fringe"),
}
_HAIR_COLORS = ("#17120f", "#241a14", "#3a271b", "#5b3a22", "#8a5c34", "#b98d55", "#8c3f22", "#d9bd86")
_BLOOD = torch.tensor([0.3, -1.0, -1.0])
_IRIS_COLORS = ("#3a2415", "#4b2f1a", "#6a4524", "#6f6a3a", "#5e7f8f", "#7d97a8")
_CLOTH_COLORS = (
    "#2b3a55", "#6b2737", "#37503b", "#8a7a5c", "#4b4b52", "#a3a6ad", "#b5654a", "#1f1f24", "#7a8fb0", "#d8d2c4",
)  # fmt: skip


def hex_to_rgb(*colors: str) -> Tensor:
    """Colours such as `"#a07e56"` as (len, 3) in [0, 1]."""
    return torch.tensor([[int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for color in colors])


@dataclass(frozen=True, eq=False)
class Identity(Rows):
    """N people. Integers index the names above; colours are sRGB in [0, 1]; shapes are (N,) but for colours (N, 3).

    A length or factor of 0 or 1 (as fits) is the average person; `Identity.draw` says how far people vary.
    """

    person: Tensor  # what all noise of the skin and hair depends on
    skin_tone: Tensor  # 0 to 9, Monk's scale from light to dark
    hair_style: Tensor
    age: Tensor
    beard: Tensor
    glasses: Tensor
    strong: Tensor  # 0 soft, 1 strong features: jaw, brow ridge, brows, nose
    freckles: Tensor  # 0 or 1
    character: Tensor  # index into CHARACTERS, -1 for the people of the photo domain

    skin: Tensor  # (N, 3)
    hair: Tensor  # (N, 3)
    iris: Tensor  # (N, 3)
    lips: Tensor  # (N, 3)
    cloth: Tensor  # (N, 3)

    width: Tensor  # half width of the head at the cheekbones
    length: Tensor  # from the eyes to the chin
    jaw: Tensor  # how far the angles of the jaw stand out: 0 an ellipse, 0.2 a square jaw
    chin: Tensor  # how far the chin narrows the lower face, 0 to 0.3
    eye_gap: Tensor  # x of the eye's centre
    eye_width: Tensor  # half width of the opening
    eye_open: Tensor  # factor on the opening at rest
    eye_tilt: Tensor  # slope, positive where the outer corner is higher
    lid_fold: Tensor  # depth of the upper lid's fold, 0 to 1
    iris_size: Tensor  # radius
    brow_height: Tensor  # y, shift
    brow_arch: Tensor
    brow_slope: Tensor  # how much lower the outer end is
    brow_thick: Tensor
    brow_dark: Tensor  # opacity
    brow_inner: Tensor  # x of its inner end
    brow_outer: Tensor  # and of its outer end
    nose_width: Tensor  # factor
    nose_length: Tensor  # y of the nose's base
    nose_depth: Tensor  # factor on the height of its bridge
    bridge: Tensor  # factor on the width of its bridge
    tip: Tensor  # factor on the height of its tip
    mouth_width: Tensor  # half width
    mouth_height: Tensor  # y of the line between the lips
    mouth_curve: Tensor  # corners at rest, positive where lower
    lip_upper: Tensor  # thickness
    lip_lower: Tensor
    cupid: Tensor  # depth of the bow
    cheeks: Tensor  # factor on cheekbones
    fullness: Tensor  # of the flesh of the cheeks, -1 to 1
    sockets: Tensor  # factor on the depth of the eyes
    boss: Tensor  # factor on the height of the chin
    skew_brow: Tensor  # how much lower the left brow is than the right; no face is symmetrical
    skew_eye: Tensor  # the left eye
    skew_mouth: Tensor  # the left corner of the mouth
    bend: Tensor  # how far the tip of the nose lies to the left
    hairline: Tensor  # y of its middle
    hair_volume: Tensor  # how far it stands off the head
    parting: Tensor  # -1 or 1, the side
    lines: Tensor  # depth of lines at rest, from age
    gray: Tensor  # share of grey hair
    oil: Tensor  # shine of the skin
    mole_x: Tensor
    mole_y: Tensor
    mole: Tensor  # opacity

    @classmethod
    def draw(cls, person: Tensor) -> Identity:
        """People by number (N,), int64: the same number is the same person everywhere.

        Balance: of each 2 successive people one has soft and one strong features; of each 10 such people of one
        kind every skin tone comes once, and every hair style as often as `_HAIR_OF` lists it; of each 12, every age
        group 4 times; of each 8, glasses of either form once; of each 4 of strong features every beard once. All
        are shuffled apart from each other, so that any two are independent, but for beards and baldness (strong
        features only), the headscarf (soft only, and no beard with it), and grey hair (with age).
        """
        person = torch.as_tensor(person, dtype=torch.long)
        return _draw(person)

    @classmethod
    def characters(cls, person: Tensor) -> Identity:
        """Cartoon people (N,), int64: number modulo 6 is the character; clothes and small proportions differ."""
        return _characters(torch.as_tensor(person, dtype=torch.long))

    def attributes(self) -> dict[str, Tensor]:
        """What is worth a column in a data set, as int64 (N,)."""
        names = ("skin_tone", "hair_style", "age", "glasses", "beard", "strong", "freckles", "character")
        return {name: getattr(self, name) for name in names}


def _pick(palette: tuple[str, ...], index: Tensor) -> Tensor:
    return hex_to_rgb(*palette).to(index.device)[index]


def _kinds(p: Tensor) -> dict[str, Tensor]:
    """The attributes that are balanced by construction."""
    strong = shuffled(p, 2, "strong")
    # People of one kind are numbered apart, so that balance holds within each kind.
    q = torch.div(p, 2, rounding_mode="floor")

    def among(block: int, what: str) -> Tensor:
        return torch.where(strong == 1, shuffled(q, block, what + " strong"), shuffled(q, block, what + " soft"))

    styles = torch.tensor([[HAIR_STYLES.index(name) for name in _HAIR_OF[kind]] for kind in (0, 1)], device=p.device)
    glasses = among(8, "glasses")
    beard = torch.where(strong == 1, shuffled(q, 4, "beard"), 0)
    return {
        "strong": strong,
        "skin_tone": among(10, "skin tone"),
        "hair_style": styles[strong, among(10, "hair style")],
        "age": torch.div(among(12, "age"), 4, rounding_mode="floor"),
        "glasses": torch.where(glasses < 2, glasses + 1, 0),
        "beard": beard,
    }


def _draw(p: Tensor) -> Identity:
    kinds = _kinds(p)
    strong, age = kinds["strong"].float(), kinds["age"].float()
    tone = kinds["skin_tone"]

    def n(what: str, mean: float | Tensor = 0.0, sd: float = 1.0) -> Tensor:
        return normal(p, what) * sd + mean

    # Light skins freckle more; dark skins go with dark hair and eyes.
    light = 1 - tone.float() / 9
    freckles = (uniform(p, "freckles") < 0.35 * light * (tone < 6)).long()
    hair_index = (uniform(p, "hair colour") * (1.5 + 6.5 * light.clamp(0.1))).long().clamp(0, 7)
    iris_index = (uniform(p, "iris") * (1 + 5.99 * light)).long().clamp(0, 5)
    gray = (uniform(p, "gray") * (age == 2) * 0.9 + 0.25 * uniform(p, "gray 2") * (age == 1)).clamp(0, 1)
    # The scale's swatches are matt paper; living skin is redder for the blood in it.
    warm = torch.tensor([[1.0, 0.92, 0.88], [1.10, 0.95, 0.87]], device=p.device)
    blood = torch.lerp(warm[:1], warm[1:], (1 - light)[:, None]) + 0.02 * n("blood")[:, None] * _BLOOD.to(p.device)
    skin = (_pick(MONK_SCALE, tone) * blood + 0.012 * n("shade")[:, None]).clamp(0.07, 0.97)
    return Identity(
        person=p,
        **kinds,
        freckles=freckles,
        character=torch.full_like(p, -1),
        skin=skin,
        hair=_pick(_HAIR_COLORS, hair_index),
        iris=_pick(_IRIS_COLORS, iris_index),
        lips=_lip_color(skin, p, strong),
        cloth=_pick(_CLOTH_COLORS, (uniform(p, "cloth") * 10).long()),
        **_proportions(n, strong, age),
        hair_volume=uniform(p, "volume", 0.8, 1.2),
        parting=torch.where(chance(p, "parting", 0.5), 1.0, -1.0),
        lines=n("lines", 0.15 + 0.27 * age, 0.15).clamp(0, 1),
        gray=gray,
        oil=uniform(p, "oil", 0.5, 1.3),
        mole_x=uniform(p, "mole x", -0.8, 0.8),
        mole_y=uniform(p, "mole y", 0.35, 1.35),
        mole=chance(p, "mole", 0.2).float() * 0.8,
    )


def _lip_color(skin: Tensor, p: Tensor, strong: Tensor) -> Tensor:
    """Lips: the skin, redder and darker; on some people of soft features with lipstick."""
    natural = skin * torch.tensor([0.82, 0.60, 0.62], device=p.device)
    stick = _pick(("#9c2f3f", "#b5485a", "#8f3b3b", "#c2606a"), (uniform(p, "stick") * 4).long())
    stick = stick * (0.35 + 0.65 * skin.mean(1, keepdim=True))
    share = (0.65 * chance(p, "lipstick", 0.4) * (1 - strong))[:, None]
    return natural + (stick - natural) * share


def _proportions(n, strong: Tensor, age: Tensor) -> dict[str, Tensor]:
    """Lengths and factors, bell-shaped around the average of each kind."""
    s = strong - 0.5
    return {
        "width": n("width", 1.16 + 0.03 * s, 0.084),
        "length": n("length", 1.65 + 0.06 * s, 0.09),
        "jaw": n("jaw", 0.10 + 0.06 * s, 0.058),
        "chin": n("chin", 0.02 - 0.03 * s, 0.046).clamp(-0.05, 0.3),
        "eye_gap": n("eye gap", 0.5, 0.036),
        "eye_width": n("eye width", 0.203, 0.012),
        "eye_open": n("eye open", 1.05 - 0.06 * age - 0.08 * s, 0.09).clamp(0.7, 1.35),
        "eye_tilt": n("eye tilt", 0.05 - 0.05 * s, 0.104),
        "lid_fold": n("lid fold", 0.6, 0.3).clamp(0, 1),
        "iris_size": n("iris size", 0.094, 0.004),
        "brow_height": n("brow height", 0.02 * s, 0.021),
        "brow_arch": n("brow arch", 0.045 - 0.03 * s, 0.015),
        "brow_slope": n("brow slope", 0.055, 0.042),
        "brow_thick": n("brow thick", 0.083 + 0.026 * s, 0.033).clamp(0.035),
        "brow_dark": n("brow dark", 0.83 + 0.1 * s, 0.10).clamp(0.45, 0.97),
        "brow_inner": n("brow inner", 0.275, 0.052),
        "brow_outer": n("brow outer", 0.935, 0.060),
        "nose_width": n("nose width", 0.98 + 0.08 * s, 0.29).clamp(0.5, 1.65),
        "nose_length": n("nose length", 0.74 + 0.03 * s, 0.092),
        "nose_depth": n("nose depth", 1.0 + 0.1 * s, 0.3).clamp(0.4, 1.5),
        "bridge": n("bridge", 1.0, 0.42).clamp(0.45, 1.8),
        "tip": n("tip", 1.0, 0.49).clamp(0.1, 2.0),
        "mouth_width": n("mouth width", 0.385, 0.026),
        "mouth_height": n("mouth height", 0.345, 0.022) + n("nose length", 0.74 + 0.03 * s, 0.092),
        "mouth_curve": n("mouth curve", 0.006, 0.020),
        "lip_upper": n("lip upper", 0.100 - 0.02 * s - 0.010 * age, 0.029).clamp(0.035),
        "lip_lower": n("lip lower", 0.146 - 0.02 * s - 0.012 * age, 0.035).clamp(0.06),
        "cupid": n("cupid", 0.022, 0.013).clamp(0),
        "cheeks": n("cheeks", 1.0, 0.42).clamp(0.1),
        "fullness": n("fullness", -0.1 * s, 0.6).clamp(-1.5, 1.5),
        "sockets": n("sockets", 1.0, 0.42).clamp(0.2, 1.8),
        "boss": n("boss", 1.0, 0.48).clamp(0.0, 2.0),
        "skew_brow": n("skew brow", 0.0, 0.018),
        "skew_eye": n("skew eye", 0.0, 0.010),
        "skew_mouth": n("skew mouth", 0.0, 0.014),
        "bend": n("bend", 0.0, 0.020),
        "hairline": n("hairline", -1.06, 0.08),
    }


# --------------------------------------------------------------------------------------------- cartoon people

# name: skin tone, hair style, hair colour, age, beard, glasses, strong, width, jaw, cloth
_CAST = {
    "Ada": (2, "long", "#8c3f22", 0, 0, 0, 0, 1.14, 0.09, "#37503b"),
    "Bruno": (4, "short", "#241a14", 1, 3, 0, 1, 1.22, 0.18, "#6b2737"),
    "Chidi": (7, "afro", "#17120f", 0, 0, 2, 1, 1.16, 0.12, "#b5654a"),
    "Dalia": (5, "headscarf", "#241a14", 0, 0, 0, 0, 1.13, 0.09, "#7a8fb0"),
    "Emi": (3, "fringe", "#17120f", 0, 0, 1, 0, 1.18, 0.10, "#2b3a55"),
    "Finn": (1, "receding", "#8a5c34", 2, 2, 0, 1, 1.15, 0.13, "#8a7a5c"),
}


def _characters(p: Tensor) -> Identity:
    character = p % len(CHARACTERS)
    cast = [_CAST[name] for name in CHARACTERS]

    def column(i: int, dtype=torch.long) -> Tensor:
        return torch.tensor([row[i] for row in cast], dtype=dtype, device=p.device)[character]

    # Proportions of the character, and a little of the person's own.
    base, own = _draw(character + 7_000), _draw(p)
    kinds = {"person", "skin_tone", "hair_style", "age", "beard", "glasses", "strong", "freckles", "character"}
    mixed = {
        name: 0.75 * value + 0.25 * getattr(own, name)
        for name, value in vars(base).items()
        if name not in kinds and name != "parting"
    }
    styles = torch.tensor([HAIR_STYLES.index(row[1]) for row in cast], device=p.device)[character]
    skin = hex_to_rgb(*(MONK_SCALE[row[0]] for row in cast)).to(p.device)[character]
    drawn = {
        "person": p,
        "character": character,
        "skin_tone": column(0),
        "hair_style": styles,
        "age": column(3),
        "beard": column(4),
        "glasses": column(5),
        "strong": column(6),
        "freckles": (character == 0).long(),
        "skin": skin * torch.tensor([1.0, 0.92, 0.86], device=p.device),
        "hair": hex_to_rgb(*(row[2] for row in cast)).to(p.device)[character],
        "lips": skin * torch.tensor([0.85, 0.55, 0.52], device=p.device),
        "cloth": (hex_to_rgb(*(row[9] for row in cast)).to(p.device)[character] + 0.25 * (own.cloth - 0.4)).clamp(0, 1),
        "width": column(7, torch.float32) + 0.3 * (own.width - 1.17),
        "jaw": column(8, torch.float32) + own.jaw - 0.10,
        "gray": torch.where(character == 5, 0.5, 0.0),
        "mole": torch.zeros_like(own.mole),
        "parting": base.parting,
    }
    return Identity(**(mixed | drawn))
