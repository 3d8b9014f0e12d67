"""A widget to choose a face: a drawn person, a face of a dataset, an upload."""

from __future__ import annotations

import html
from collections.abc import Callable

import ipywidgets as widgets

from facekit.datasets.base import DATASETS
from facekit.datasets.synthetic.dataset import PEOPLE
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.show.subjects import Subject, dataset_face, drawn_person, uploaded
from facekit.workspace.folders import data_home

WAYS = ("drawn person", "dataset", "upload")


class FaceChooser(widgets.VBox):
    """Where a face comes from. `subject` is the last one that could be had: a picture that cannot be used ends in a
    sentence, and the face before stays.

    changed  is called without arguments when there is another subject
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.way = widgets.ToggleButtons(options=WAYS, description="face", style={"button_width": "110px"})
        self.person = widgets.IntSlider(0, 0, PEOPLE["test"] - 1, description="person", continuous_update=False)
        self.shows = widgets.Dropdown(options=PROTOCOL_EMOTIONS, value="neutral", description="shows")
        self.dataset = widgets.Dropdown(options=_datasets(), description="dataset")
        self.index = widgets.BoundedIntText(0, 0, 10**6, description="number")
        self.upload = widgets.FileUpload(accept="image/*", multiple=False, description="choose a picture")
        self.note = widgets.HTML()
        self.subject: Subject = drawn_person(self.person.value)
        self._changed = changed
        boxes = [
            widgets.HBox([self.person, self.shows]),
            widgets.HBox([self.dataset, self.index]),
            widgets.VBox([self.upload, widgets.HTML("<small>It stays on this machine, and is not stored.</small>")]),
        ]
        stack = widgets.Stack(boxes, selected_index=0)
        super().__init__([self.way, stack, self.note])
        self.way.observe(lambda _: setattr(stack, "selected_index", self.way.index), "value")
        for control in (self.way, self.person, self.shows, self.dataset, self.index, self.upload):
            control.observe(lambda _: self._choose(), "value")

    def _choose(self) -> None:
        if self.way.value == "upload" and not self.upload.value:
            self._say("Choose a picture: a file that shows a face from the front.")
            return
        try:
            self.subject = self._chosen()
        except (ValueError, OSError, IndexError) as error:
            self._say(f"{_sentence(error)} The face before stays.")
            return
        self._say(self.subject.note)
        self._changed()

    def _chosen(self) -> Subject:
        if self.way.value == "upload":
            (file,) = self.upload.value
            return uploaded(bytes(file["content"]), file["name"])
        if self.way.value == "dataset":
            if self.dataset.value is None:
                raise ValueError(f"there is no dataset in {data_home()}: data/README.md says which are read, and how")
            return dataset_face(self.dataset.value, self.index.value)
        return drawn_person(self.person.value, self.shows.value)

    def _say(self, sentence: str) -> None:
        self.note.value = html.escape(sentence)


def _datasets() -> list[str]:
    """The names of the datasets that lie where they are looked for."""
    return [name for name in DATASETS if (data_home() / name).exists()]


def _sentence(error: Exception) -> str:
    said = " ".join(str(error).split()).rstrip(".")
    return f"{said[:1].upper()}{said[1:]}."
