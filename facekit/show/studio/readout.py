"""The judges' predictions for an edit, as HTML."""

from __future__ import annotations

import torch
from torch import Tensor

from facekit.evaluation.judges import EmotionJudge, IdentityJudge
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.faces import Faces
from facekit.show.studio.edit_job import RenderedEdit
from facekit.show.style import emotion_color


class Readout:
    """The judges of the studio. Each is loaded when it is first needed."""

    def __init__(self) -> None:
        self._judges: dict[str, EmotionJudge | IdentityJudge] = {}

    def emotion_judge(self, drawn: bool) -> EmotionJudge:
        """E2, trained on drawn faces or on photographs (FER-2013)."""
        return self._load(EmotionJudge, f"emotion_resnet-{'synthetic' if drawn else 'fer2013'}")

    def html(self, edit: RenderedEdit) -> str:
        """Predicted emotions, identity similarity and the time of the edit."""
        drawn, after = edit.job.subject.drawn, Faces(edit.after)
        judge = self.emotion_judge(drawn)
        similarity = self._identity_similarity(edit) if drawn else "not available for photographs"
        return "<br>".join(
            [
                _bars(judge.probabilities(after)[0], judge.name),
                f"identity similarity: {similarity}",
                f"<small>edited and displayed in {1000 * edit.seconds:.0f} ms</small>",
            ]
        )

    def _identity_similarity(self, edit: RenderedEdit) -> str:
        # The suite's identity network is trained on drawn faces, and does not tell photographed people apart.
        judge = self._load(IdentityJudge, "identity-synthetic")
        before, after = judge.embed(Faces(torch.cat([edit.job.faces.images, edit.after])))
        return f"{before @ after:.2f} ({judge.name})"

    def _load(self, kind: type, name: str):
        if name not in self._judges:
            self._judges[name] = kind.load(name)
        return self._judges[name]


def _bars(probabilities: Tensor, judge: str) -> str:
    """Probabilities of the emotions as a bar chart in HTML."""
    rows = [
        f'<div style="display:flex;align-items:center;line-height:1.3"><span style="width:5em">{name}</span>'
        f'<span style="width:{160 * share:.0f}px;height:0.8em;background:{emotion_color(name)}"></span>'
        f'<span style="margin-left:0.5em">{share:.0%}</span></div>'
        for name, share in zip(PROTOCOL_EMOTIONS, probabilities.tolist(), strict=True)
    ]
    return f"<small>emotion predicted by {judge}</small>{''.join(rows)}"
