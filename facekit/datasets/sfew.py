"""SFEW and AFEW: faces from films, by emotion, as stills or as the frames of clips.

Source  Dhall, Goecke, Lucey & Gedeon, *Static facial expression analysis in tough conditions*, ICCV Workshops 2011.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facekit.datasets.folder import by_emotion
from facekit.datasets.records import Record, RecordedFaces
from facekit.datasets.sources import Problems, Source

SOURCE = Source(
    name="sfew",
    title="SFEW",
    address="https://users.cecs.anu.edu.au/~few_group/AFEW.html",
    terms="for research, by a signed agreement of a member of a faculty; the films belong to their makers",
    layout="sfew/{Train,Val,Test}/{Angry,Disgust,Fear,Happy,Neutral,Sad,Surprise}/*.png\n"
    "sfew/{Train,Val}_Aligned_Faces/Angry/*.png\n"
    "sfew/{Train,Val}_AFEW/Angry/000046280/*.png (the frames of AFEW's clips)",
)


class SFEW(RecordedFaces):
    """SFEW's stills, or the frames of AFEW's clips, in folders by split and emotion.

    split       the owners'; the labels of Test are not public, and without them test is Val

    Other arguments are those of `RecordedFaces`.
    """

    name = "sfew"
    source = SOURCE

    def _records(self, root: Path, problems: Problems) -> Iterator[Record]:
        yield from by_emotion(root, problems)
