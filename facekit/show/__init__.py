"""Figures, contact sheets, animations, live plots and slider panels in one style.

Call `use_style()` once. Contact sheets are Pillow images, and charts are matplotlib figures. A notebook shows either if
it is the last line of a cell; `.save` and `.savefig` write it to a file.
"""

from facekit.show.animation import Animation, animate
from facekit.show.charts import (
    action_unit_table,
    agreement,
    class_balance,
    confusion,
    histograms,
    label_bars,
    lines,
    reliability,
    roc,
)
from facekit.show.diagram import diagram
from facekit.show.images import (
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
from facekit.show.panels import ExpressionPanel
from facekit.show.plane import field, points
from facekit.show.progress import History, live
from facekit.show.sliders import ExpressionSliders
from facekit.show.studio import Studio
from facekit.show.style import chart, charts, emotion_color, png, use_style

__all__ = [
    "Animation",
    "ExpressionPanel",
    "ExpressionSliders",
    "History",
    "Studio",
    "action_unit_sheet",
    "action_unit_table",
    "agreement",
    "animate",
    "chart",
    "charts",
    "class_balance",
    "confusion",
    "diagram",
    "difference",
    "emotion_color",
    "faces_sheet",
    "field",
    "grid",
    "histograms",
    "label_bars",
    "lines",
    "live",
    "png",
    "points",
    "reliability",
    "roc",
    "to_image",
    "to_png",
    "use_style",
    "with_heat",
    "with_landmarks",
    "with_mask",
]
