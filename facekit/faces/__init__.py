"""The vocabulary of faces, which every other package uses.

emotions         emotion categories, synonyms, label orders of datasets, compound emotions
action_units     FACS action units, action-unit vectors, FACS codes
prototypes       the action units of each emotion (EMFACS)
landmarks        the 68 iBUG landmarks
expression       `Expression`: the target expression that every generator takes
parts            the parts of an expression, with their shapes and ranges
conversions      emotion weights, intensities and action units: from one to another
timeline         keyframes and easing of sequences
trajectories     landmark sequences as points on a hypersphere
expression_text  the printed form of an expression
expression_file  the file of an expression that the studio saves
faces            `Faces`: a batch of images with their annotations
augment          augmentation of `Faces`
"""

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
from facekit.faces.augment import RECIPES, Recipe, augment, augmentation, mirrored, transformed
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
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.expression_file import read_expression
from facekit.faces.faces import Faces, from_uint8, resize, to_gray, to_rgb, to_uint8
from facekit.faces.landmarks import LEFT_EYE, OUTER_CORNERS, PARTS, RIGHT_EYE, eye_centres, mirror_landmarks
from facekit.faces.parts import DOMAINS
from facekit.faces.prototypes import PROTOTYPES, prototype_matrix
from facekit.faces.timeline import smoothstep

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
    "eye_centres",
    "from_uint8",
    "mirror_landmarks",
    "mirrored",
    "mirrored_columns",
    "parse_facs",
    "prototype_matrix",
    "read_expression",
    "resize",
    "smoothstep",
    "to_gray",
    "to_rgb",
    "to_uint8",
    "transformed",
]
