"""SyntheticFaces: the embedded dataset, rendered from parameters, with the ground truth of every edit.

dataset    `SyntheticFaces`: annotations, images, counterfactuals, cache
options    its options, with defaults and checks
labels     balanced or imbalanced emotions, label noise
units      action units of each face: prototypes with variation, or random units
pairs      `SyntheticPairs` and `SyntheticTransfers`: each face with a counterfactual
motions    `SyntheticMotions`: sequences from neutral to the apex
split      rendering of a whole split into files

render     the renderer: identities, action units and views to images
identity   `Identity`: appearance of a person
view       `View`: pose, illumination, background and camera; the projection
motion     timing, head movement and blinks of sequences
muscles    action units to displacements of the parts of the face
shape      the curves of a face with these displacements
curves     curve functions of brows, lids, lips and jaw
landmarks  68 landmarks on these curves
relief     the height field of the face, with folds and wrinkles
paint      skin, brows, eyes and mouth
hair       hair, headscarves and beards
scene      background, body, ears and glasses
cartoon    the cartoon domain
canvas     pixel coordinates, masks and compositing
noise      smooth noise for textures
draws      counter-based random numbers
rows       base class of records with one row per face
"""

from facekit.datasets.synthetic.dataset import SyntheticFaces
from facekit.datasets.synthetic.identity import AGE_GROUPS, BEARDS, CHARACTERS, GLASSES, HAIR_STYLES, Identity
from facekit.datasets.synthetic.render import RENDERER_VERSION, render
from facekit.datasets.synthetic.view import View

__all__ = [
    "AGE_GROUPS",
    "BEARDS",
    "CHARACTERS",
    "GLASSES",
    "HAIR_STYLES",
    "RENDERER_VERSION",
    "Identity",
    "SyntheticFaces",
    "View",
    "render",
]
