"""The face detector of the page that needs no server: a cascade of OpenCV, as values that JSON can hold.

The cascade is the first that `facekit.datasets.detection` uses, so that the page finds the faces that Python finds.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from facekit.datasets.detection import CASCADES, EYES_IN_BOX, cascade_file


def face_cascade() -> dict:
    """The cascade for `detector.js`:

    size      pixels of the side of its window
    features  per feature its rectangles one after the other: x, y, width, height, weight
    stages    per stage the threshold, and the trees: nodes (left, right, feature, threshold) one after the other, where
              a node that is not positive is a leaf, and the values of the leaves
    eyes      the expected eyes in a detected square, as shares of its side

    Raises `ImportError` for a version of OpenCV without cascades.
    """
    root = ElementTree.parse(cascade_file(CASCADES[0][0])).getroot().find("cascade")
    return {
        "size": int(root.findtext("width")),
        "features": [
            [number for rectangle in feature.find("rects") for number in _numbers(rectangle.text)]
            for feature in root.find("features")
        ],
        "stages": [
            {
                "threshold": float(stage.findtext("stageThreshold")),
                "trees": [
                    {"nodes": _numbers(tree.findtext("internalNodes")), "leaves": _numbers(tree.findtext("leafValues"))}
                    for tree in stage.find("weakClassifiers")
                ],
            }
            for stage in root.find("stages")
        ],
        "eyes": EYES_IN_BOX.tolist(),
    }


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split()]
