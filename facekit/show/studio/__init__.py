"""The studio: edit a face with one or two generators by sliders, and see the judges' predictions.

page      the whole widget
side      one generator with its edit
edit_job  one edit, as images, animation and internal maps
readout   the judges' predictions, as HTML
"""

from facekit.show.studio.page import Studio
from facekit.show.studio.side import GROUND_TRUTH, NO_GENERATOR, Side

__all__ = ["GROUND_TRUTH", "NO_GENERATOR", "Side", "Studio"]
