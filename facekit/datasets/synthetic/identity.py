"""`Identity`: the appearance of a person, independent of expression and view.

Lengths are in units of the interocular distance (between the centres of the eyes, about 63 mm). Mean values follow the
landmarks of several hundred photographs of neutral faces.
"""

from __future__ import annotations

from collections.abc import Callable
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
"""The six characters of the cartoon domain."""

# Hair styles of people with soft features (0) and with strong features (1), ten equally frequent entries each.
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
    """N identities. Integers index the names above. Fields have shape (N,), colours (N, 3) in sRGB, [0, 1].

    y points down; a factor is relative to the average face. `_proportions` gives means and standard deviations.
    """

    person: Tensor  # number of the person, and seed of the textures of skin and hair
    skin_tone: Tensor  # 0 to 9, from light to dark on the Monk scale
    hair_style: Tensor
    age: Tensor
    beard: Tensor
    glasses: Tensor
    strong: Tensor  # 0 soft, 1 strong features: jaw, brow ridge, brows, nose
    freckles: Tensor  # 0 or 1
    character: Tensor  # index into CHARACTERS, -1 in the photo domain

    skin: Tensor  # (N, 3)
    hair: Tensor  # (N, 3)
    iris: Tensor  # (N, 3)
    lips: Tensor  # (N, 3)
    cloth: Tensor  # (N, 3)

    width: Tensor  # half width of the head at the cheekbones
    length: Tensor  # from the eyes to the chin
    jaw: Tensor  # prominence of the angles of the jaw: 0 an ellipse, 0.2 a square jaw
    chin: Tensor  # narrowing of the lower face towards the chin, 0 to 0.3
    eye_gap: Tensor  # x of the centre of the eye
    eye_width: Tensor  # half width of the opening
    eye_open: Tensor  # factor on the opening at rest
    eye_tilt: Tensor  # slope, positive if the outer corner is higher
    lid_fold: Tensor  # depth of the fold of the upper lid, 0 to 1
    iris_size: Tensor  # radius
    brow_height: Tensor  # shift of y
    brow_arch: Tensor
    brow_slope: Tensor  # y of the outer end relative to the inner end
    brow_thick: Tensor
    brow_dark: Tensor  # opacity
    brow_inner: Tensor  # x of the inner end
    brow_outer: Tensor  # x of the outer end
    nose_width: Tensor  # factor
    nose_length: Tensor  # y of the base of the nose
    nose_depth: Tensor  # factor on the height of the bridge
    bridge: Tensor  # factor on the width of the bridge
    tip: Tensor  # factor on the height of the tip
    mouth_width: Tensor  # half width
    mouth_height: Tensor  # y of the line between the lips
    mouth_curve: Tensor  # y of the corners at rest, relative to the middle
    lip_upper: Tensor  # thickness
    lip_lower: Tensor
    cupid: Tensor  # depth of the Cupid's bow
    cheeks: Tensor  # factor on the height of the cheekbones
    fullness: Tensor  # fullness of the cheeks, -1 to 1
    sockets: Tensor  # factor on the depth of the eye sockets
    boss: Tensor  # factor on the height of the chin
    skew_brow: Tensor  # asymmetry: y of the left brow minus y of the right brow
    skew_eye: Tensor  # the same for the eyes
    skew_mouth: Tensor  # the same for the corners of the mouth
    bend: Tensor  # x of the tip of the nose, positive to the left of the person
    hairline: Tensor  # y of its middle
    hair_volume: Tensor  # factor on the thickness of the hair
    parting: Tensor  # side of the parting, -1 or 1
    lines: Tensor  # depth of wrinkles at rest
    gray: Tensor  # share of grey hair
    oil: Tensor  # specular reflection of the skin
    mole_x: Tensor
    mole_y: Tensor
    mole: Tensor  # opacity

    @classmethod
    def draw(cls, person: Tensor) -> Identity:
        """Draw identities from person numbers (N,), int64; equal numbers give equal identities.

        Attributes are balanced by construction. Of each 2 consecutive people, one has soft and one strong features.
        Among people of either kind, each 10 contain every skin tone once, and every hair style as often as
        `_HAIR_OF` lists it; each 12 contain every age group 4 times; each 8 contain either form of glasses once; each
        4 with strong features contain every beard once. Attributes are shuffled independently, so that any two are
        independent, with these exceptions: beards and baldness occur with strong features only, the headscarf with soft
        features only, and grey hair depends on age.
        """
        return _draw(torch.as_tensor(person, dtype=torch.long))

    @classmethod
    def characters(cls, person: Tensor) -> Identity:
        """Cartoon identities from person numbers (N,): number modulo 6 is the character; details and clothes vary."""
        return _characters(torch.as_tensor(person, dtype=torch.long))

    def attributes(self) -> dict[str, Tensor]:
        """The categorical attributes by name, each (N,) int64."""
        names = ("skin_tone", "hair_style", "age", "glasses", "beard", "strong", "freckles", "character")
        return {name: getattr(self, name) for name in names}


# Draws a normal random variable (N,) by its name, mean and standard deviation.
_Normal = Callable[..., Tensor]


def _pick(palette: tuple[str, ...], index: Tensor) -> Tensor:
    return hex_to_rgb(*palette).to(index.device)[index]


def _kinds(p: Tensor) -> dict[str, Tensor]:
    """The categorical attributes that are balanced by construction."""
    strong = shuffled(p, 2, "strong")
    # People with soft and with strong features are numbered separately, so that balance holds within each kind.
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

    # Light skin has more freckles; dark skin is combined with dark hair and eyes.
    light = 1 - tone.float() / 9
    freckles = (uniform(p, "freckles") < 0.35 * light * (tone < 6)).long()
    hair_index = (uniform(p, "hair colour") * (1.5 + 6.5 * light.clamp(0.1))).long().clamp(0, 7)
    iris_index = (uniform(p, "iris") * (1 + 5.99 * light)).long().clamp(0, 5)
    gray = (uniform(p, "gray") * (age == 2) * 0.9 + 0.25 * uniform(p, "gray 2") * (age == 1)).clamp(0, 1)
    # The swatches of the scale are matt paper; living skin is redder because of its blood.
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
    """Colour of the lips: redder and darker than the skin; some people with soft features wear lipstick."""
    natural = skin * torch.tensor([0.82, 0.60, 0.62], device=p.device)
    stick = _pick(("#9c2f3f", "#b5485a", "#8f3b3b", "#c2606a"), (uniform(p, "stick") * 4).long())
    stick = stick * (0.35 + 0.65 * skin.mean(1, keepdim=True))
    share = (0.65 * chance(p, "lipstick", 0.4) * (1 - strong))[:, None]
    return natural + (stick - natural) * share


def _proportions(n: _Normal, strong: Tensor, age: Tensor) -> dict[str, Tensor]:
    """Lengths and factors, normally distributed around a mean that depends on `strong` and `age`."""
    s = strong - 0.5
    return _head(n, s) | _eyes_and_brows(n, s, age) | _nose_and_mouth(n, s, age)


def _head(n: _Normal, s: Tensor) -> dict[str, Tensor]:
    return {
        "width": n("width", 1.16 + 0.03 * s, 0.084),
        "length": n("length", 1.65 + 0.06 * s, 0.09),
        "jaw": n("jaw", 0.10 + 0.06 * s, 0.058),
        "chin": n("chin", 0.02 - 0.03 * s, 0.046).clamp(-0.05, 0.3),
        "cheeks": n("cheeks", 1.0, 0.42).clamp(0.1),
        "fullness": n("fullness", -0.1 * s, 0.6).clamp(-1.5, 1.5),
        "boss": n("boss", 1.0, 0.48).clamp(0.0, 2.0),
        "hairline": n("hairline", -1.06, 0.08),
    }


def _eyes_and_brows(n: _Normal, s: Tensor, age: Tensor) -> dict[str, Tensor]:
    return {
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
        "sockets": n("sockets", 1.0, 0.42).clamp(0.2, 1.8),
        "skew_brow": n("skew brow", 0.0, 0.018),
        "skew_eye": n("skew eye", 0.0, 0.010),
    }


def _nose_and_mouth(n: _Normal, s: Tensor, age: Tensor) -> dict[str, Tensor]:
    return {
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
        "skew_mouth": n("skew mouth", 0.0, 0.014),
        "bend": n("bend", 0.0, 0.020),
    }


# ----------------------------------------------------------------------------------------- cartoon characters

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

    # Proportions: 75 % of the character, 25 % of the person.
    base, own = _draw(character + 7_000), _draw(p)
    kinds = {"person", "skin_tone", "hair_style", "age", "beard", "glasses", "strong", "freckles", "character"}
    mixed = {
        name: 0.75 * value + 0.25 * getattr(own, name)
        for name, value in vars(base).items()
        if name not in kinds and name != "parting"
    }
    styles = torch.tensor([HAIR_STYLES.index(row[1]) for row in cast], device=p.device)[character]
    skin = hex_to_rgb(*(MONK_SCALE[row[0]] for row in cast)).to(p.device)[character]
    fixed = {
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
    return Identity(**(mixed | fixed))
