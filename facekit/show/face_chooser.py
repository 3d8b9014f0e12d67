"""A widget to choose a face: a drawn person, a face of a dataset or an upload."""

from __future__ import annotations

import html
from collections.abc import Callable

import ipywidgets as widgets

from facekit.datasets.base import DATASETS
from facekit.datasets.synthetic.options import PEOPLE
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.show.subjects import Subject, dataset_face, drawn_person, uploaded
from facekit.workspace.folders import data_home

SOURCES = ("drawn person", "dataset", "upload")


class FaceChooser(widgets.VBox):
    """A choice of face. `subject` is the last face that could be loaded: after an error the widget shows a message and
    keeps the previous face.

    changed  called without arguments after `subject` has changed
    name     shown beside it
    emotion  that the drawn person shows at first
    """

    def __init__(self, changed: Callable[[], None], name: str = "face", emotion: str = "neutral") -> None:
        self.source = widgets.ToggleButtons(options=SOURCES, description=name, style={"button_width": "110px"})
        self.person = widgets.IntSlider(0, 0, PEOPLE["test"] - 1, description="person", continuous_update=False)
        self.shows = widgets.Dropdown(options=PROTOCOL_EMOTIONS, value=emotion, description="emotion")
        self.dataset = widgets.Dropdown(options=_datasets(), description="dataset")
        self.index = widgets.BoundedIntText(0, 0, 10**6, description="index")
        self.upload = widgets.FileUpload(accept="image/*", multiple=False, description="choose an image")
        self.note = widgets.HTML()
        self.subject: Subject = drawn_person(self.person.value, emotion)
        self._changed = changed
        boxes = [
            widgets.HBox([self.person, self.shows]),
            widgets.HBox([self.dataset, self.index]),
            widgets.VBox([self.upload, widgets.HTML("<small>It stays on this machine and is not stored.</small>")]),
        ]
        stack = widgets.Stack(boxes, selected_index=0)
        super().__init__([self.source, stack, self.note])
        self.source.observe(lambda _: setattr(stack, "selected_index", self.source.index), "value")
        for control in (self.source, self.person, self.shows, self.dataset, self.index, self.upload):
            control.observe(lambda _: self._choose(), "value")

    def _choose(self) -> None:
        if self.source.value == "upload" and not self.upload.value:
            self._notify("Choose an image file that shows a face from the front.")
            return
        try:
            self.subject = self._chosen()
        except (ValueError, OSError, IndexError) as error:
            self._notify(f"{_sentence(error)} The previous face is kept.")
            return
        self._notify(self.subject.note)
        self._changed()

    def _chosen(self) -> Subject:
        if self.source.value == "upload":
            (file,) = self.upload.value
            return uploaded(bytes(file["content"]), file["name"])
        if self.source.value == "dataset":
            if self.dataset.value is None:
                raise ValueError(f"there is no dataset in {data_home()}: data/README.md lists those supported")
            return dataset_face(self.dataset.value, self.index.value)
        return drawn_person(self.person.value, self.shows.value)

    def _notify(self, sentence: str) -> None:
        self.note.value = html.escape(sentence)


def _datasets() -> list[str]:
    """The names of the datasets in the data folder."""
    return [name for name in DATASETS if (data_home() / name).exists()]


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
