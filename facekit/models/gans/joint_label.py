"""The label of networks that learn from several domains at once: c̃ = [c_1, ..., c_n, m] (Choi 2018, eq. 7; P0 eq. 5).

Photographs and cartoons may be labelled with different emotions. A label has a part for each domain, of which the one
that the mask m points at counts, and the others are 0. With one domain there is no mask, and c̃ is its part.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.faces.parts import DOMAINS
from facekit.models.label import NOTHING, drawn_levels, face_labels, label_weights, leveled


class JointLabels:
    """Labels of faces of one domain or of both.

    Inside, a label is a row of weights over all emotions that any domain has, `emotions`, and the index of a domain.

    by_domain  the emotions that each of `DOMAINS` is labelled with; with one domain alone, faces' domains count not
    """

    def __init__(self, by_domain: Sequence[Sequence[str]]) -> None:
        self.by_domain = [tuple(emotions) for emotions in by_domain]
        self.emotions = tuple(dict.fromkeys(name for emotions in self.by_domain for name in emotions))
        self.columns = [[self.emotions.index(name) for name in emotions] for emotions in self.by_domain]
        self.domains = len(self.by_domain)

    @property
    def width(self) -> int:
        """Numbers of a label as a network is told it."""
        return sum(map(len, self.by_domain)) + (self.domains if self.domains > 1 else 0)

    def vector(self, weights: Tensor, domain: Tensor) -> Tensor:
        """Labels as a network is told them, c̃ (N, width), of weights (N, emotions) and domains (N,)."""
        if self.domains == 1:
            return weights
        mask = F.one_hot(domain, self.domains).to(weights)
        parts = [weights[:, columns] * mask[:, [i]] for i, columns in enumerate(self.columns)]
        return torch.cat([*parts, mask], dim=1)

    def known(self, device: torch.device | str = "cpu") -> Tensor:
        """Which emotions each domain is labelled with: (domains, emotions) bool."""
        table = torch.zeros(self.domains, len(self.emotions), dtype=torch.bool, device=device)
        for row, columns in zip(table, self.columns, strict=True):
            row[columns] = True
        return table

    # ------------------------------------------------------------------------------------ faces and expressions

    def of_faces(self, faces: Faces) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (N, emotions) and domains (N,) of faces, and which have a label that their domain knows (N,)."""
        weights, labelled = face_labels(faces, self.emotions)
        domain = self._domain_of(faces)
        strange = (weights > NOTHING) & ~self.known(weights.device)[domain]
        return weights, domain, labelled & ~strange.any(1)

    def of_expression(self, expression: Expression, faces: Faces, who: str) -> tuple[Tensor, Tensor]:
        """Weights (N, emotions) and domains (N,) that an expression asks of faces.

        Where it names no domain, a face's own is meant, or, where that has not learned the emotion, one that has.
        Raises `UnsupportedExpression`, in the name of `who`, for an emotion that the domain has not learned.
        """
        weights = label_weights(expression, self.emotions, who)
        asked, known = weights > NOTHING, self.known(weights.device)
        possible = (~asked[:, None] | known).all(2)  # (N, domains)
        if expression.domain is not None and self.domains > 1:
            domain = expression.domain.to(weights.device)
        else:
            own = self._domain_of(faces)
            domain = torch.where(possible.gather(1, own[:, None])[:, 0], own, possible.int().argmax(1))
        answered = possible.gather(1, domain[:, None])[:, 0]
        if not answered.all():
            row = int((~answered).nonzero()[0])
            name = DOMAINS[int(domain[row])]
            raise UnsupportedExpression(
                f"{who} has learned {', '.join(self.by_domain[int(domain[row])])} of {name} faces, and face {row} is "
                f"asked for {', '.join(e for e, a in zip(self.emotions, asked[row].tolist(), strict=True) if a)}"
            )
        return weights, domain

    def _domain_of(self, faces: Faces) -> Tensor:
        if faces.domain is None or self.domains == 1:
            return torch.zeros(len(faces), dtype=torch.long, device=faces.images.device)
        return faces.domain

    # ------------------------------------------------------------------------------------------------- training

    def permuted(self, weights: Tensor, domain: Tensor, cross: bool = False) -> tuple[Tensor, Tensor]:
        """The labels of other faces of the batch, as targets: StarGAN's way. Of the same domain, unless `cross`."""
        if cross:
            order = torch.randperm(len(weights), device=weights.device)
            return weights[order], domain[order]
        target = weights.clone()
        for i in range(self.domains):
            rows = (domain == i).nonzero()[:, 0]
            target[rows] = weights[rows[torch.randperm(len(rows), device=rows.device)]]
        return target, domain

    def drawn(
        self, domain: Tensor, partial: float, cross: bool = False, neutral: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Any emotion of the domain, each as likely as the others, as targets for faces of domains (N,).

        partial  share of the targets at an intensity of 0.2 to 1, the rest being neutral; the others are full.
                 Domains without neutral have no intensities
        cross    any domain, instead of each face's own
        neutral  share of the targets that are neutral; None: as large as any other's
        """
        device, n = domain.device, len(domain)
        if cross:
            domain = torch.randint(self.domains, (n,), device=device)
        chances = self.known(device)[domain].float()
        if "neutral" not in self.emotions:
            return F.one_hot(torch.multinomial(chances, 1)[:, 0], len(self.emotions)).float(), domain
        rest = self.emotions.index("neutral")
        if neutral is not None:
            others = chances.sum(1) - chances[:, rest]
            chances[:, rest] *= others * neutral / (1 - neutral)
        kind = torch.multinomial(chances, 1)[:, 0]
        level = drawn_levels(n, 1 - partial, device)
        return leveled(kind, torch.where(self.known(device)[domain, rest], level, 1.0), self.emotions), domain

    def loss(self, logits: Tensor, weights: Tensor, domain: Tensor) -> Tensor:
        """Cross-entropy of logits (N, emotions) against labels (N,): only emotions of the face's domain compete.

        Blended labels are met by probabilities in the same proportion; of their cross-entropy, the part that no
        network could do without is taken off, so that 0 is the best that there is.
        """
        log_chance = logits.float().masked_fill(~self.known(logits.device)[domain], -1e4).log_softmax(1)
        return F.kl_div(log_chance, weights, reduction="batchmean")
