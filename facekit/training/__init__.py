"""Training: profiles, the training loop, checkpoints and logs.

>>> from facekit.training import fit, train
"""

from facekit.training.load_or_train import trained_weights
from facekit.training.loop import fit
from facekit.training.profiles import PROFILES, Profile
from facekit.training.records import NotFinite, Record
from facekit.training.run import train

__all__ = ["PROFILES", "NotFinite", "Profile", "Record", "fit", "train", "trained_weights"]
