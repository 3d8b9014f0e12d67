"""The vocabulary of faces: emotions, action units, landmarks, `Expression`, `Faces` and their augmentation."""

from facekit.faces.action_units import (
    ACTION_UNIT_COLUMNS,
    ACTION_UNITS,
    LETTERS,
    ActionUnit,
    action_unit_columns,
    action_unit_vector,
    mirrored_columns,
    parse_facs,
)
from facekit.faces.augment import RECIPES, Recipe, augment, augmentation, mirrored, moved
from facekit.faces.emotions import (
    COLORS,
    COMPOUND_EMOTIONS,
    DATASET_LABELS,
    EMOTIONS,
    NEUTRAL,
    PROTOCOL_EMOTIONS,
    dataset_code_to_index,
    emotion_index,
    emotion_name,
)
from facekit.faces.expression import DOMAINS, Expression, UnsupportedExpression, smoothstep
from facekit.faces.faces import Faces, from_uint8, resize, to_gray, to_rgb, to_uint8
from facekit.faces.landmarks import LEFT_EYE, OUTER_CORNERS, PARTS, RIGHT_EYE, eye_middles, mirror_landmarks
from facekit.faces.prototypes import PROTOTYPES, prototype_matrix

__all__ = [
    "ACTION_UNITS",
    "ACTION_UNIT_COLUMNS",
    "COLORS",
    "COMPOUND_EMOTIONS",
    "DATASET_LABELS",
    "DOMAINS",
    "EMOTIONS",
    "LEFT_EYE",
    "LETTERS",
    "NEUTRAL",
    "OUTER_CORNERS",
    "PARTS",
    "PROTOCOL_EMOTIONS",
    "PROTOTYPES",
    "RECIPES",
    "RIGHT_EYE",
    "ActionUnit",
    "Expression",
    "Faces",
    "Recipe",
    "UnsupportedExpression",
    "action_unit_columns",
    "action_unit_vector",
    "augment",
    "augmentation",
    "dataset_code_to_index",
    "emotion_index",
    "emotion_name",
    "eye_middles",
    "from_uint8",
    "mirror_landmarks",
    "mirrored",
    "mirrored_columns",
    "moved",
    "parse_facs",
    "prototype_matrix",
    "resize",
    "smoothstep",
    "to_gray",
    "to_rgb",
    "to_uint8",
]
