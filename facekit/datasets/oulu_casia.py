"""Oulu-CASIA: 480 clips of 80 people in three kinds of light, each from neutral to the peak of one of six emotions.

Source  Zhao, Huang, Taini, Li & Pietikäinen, *Facial expression recognition from near-infrared videos*, Image and
        Vision Computing 29(9), 2011.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facekit.datasets.clips import Clip, ClipFaces, read_clip
from facekit.datasets.sources import Problems, Source

SOURCE = Source(
    name="oulu_casia",
    title="Oulu-CASIA",
    address="http://www.cse.oulu.fi/CMV/Downloads/Oulu-CASIA",
    terms="for research by members of a university, by a signed agreement",
    layout="oulu_casia/OriginalImg/VL/Strong/P001/Anger/000.jpeg ... (or PreProcessImg; NI; Dark, Weak)",
)

_CAMERAS, _LIGHTS = ("VL", "NI"), ("Strong", "Weak", "Dark")


class OuluCASIA(ClipFaces):
    """Oulu-CASIA. Clips end at the peak.

    camera   "VL", visible light, or "NI", near infrared
    light    "Strong", "Weak" or "Dark"
    options  the others are those of `ClipFaces`

    Raises `ValueError` for another camera or light.
    """

    name = "oulu_casia"
    source = SOURCE

    def __init__(self, split: str = "train", *, camera: str = "VL", light: str = "Strong", **options) -> None:
        if camera not in _CAMERAS or light not in _LIGHTS:
            raise ValueError(
                f"camera is {camera!r} and light {light!r}; need {' or '.join(_CAMERAS)}, and {', '.join(_LIGHTS)}"
            )
        self._condition = f"{camera}/{light}"
        super().__init__(split, **options)

    def _clips(self, root: Path, problems: Problems) -> Iterator[Clip]:
        for folder in sorted(path for path in root.glob(f"**/{self._condition}/*/*") if path.is_dir()):
            try:
                yield read_clip(root, folder, folder.parent.name, folder.name)
            except ValueError as error:
                problems.add(folder.relative_to(root).as_posix(), error)
