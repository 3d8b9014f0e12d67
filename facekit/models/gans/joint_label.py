"""Labels of networks that are trained on several domains: c̃ = [c_1, ..., c_n, m] (Choi 2018, eq. 7; P0 eq. 5).

Photographs and cartoons may have different sets of emotion labels. The label c̃ has one part per domain, and the mask m
selects the part that applies; the other parts are 0. With a single domain there is no mask, and c̃ is c_1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.expression import DOMAINS, Expression, UnsupportedExpression
from facekit.faces.faces import Faces
from facekit.models.label import NEGLIGIBLE, face_labels, label_weights, random_intensities, soft_labels


class JointLabels:
    """Converts labels of faces and expressions to the vectors that networks receive, and draws target labels.

    Internally a label is a pair: weights over all emotions of any domain (`emotions`), and the index of a domain.

    by_domain  the emotions that each of `DOMAINS` is labelled with. With one domain only, faces' domains are ignored
    """

    def __init__(self, by_domain: Sequence[Sequence[str]]) -> None:
        self.by_domain = [tuple(emotions) for emotions in by_domain]
        self.emotions = tuple(dict.fromkeys(name for emotions in self.by_domain for name in emotions))
        self.columns = [[self.emotions.index(name) for name in emotions] for emotions in self.by_domain]
        self.domains = len(self.by_domain)

    @property
    def width(self) -> int:
        """Length of the vector c̃."""
        return sum(map(len, self.by_domain)) + (self.domains if self.domains > 1 else 0)

    def vector(self, weights: Tensor, domain: Tensor) -> Tensor:
        """The vectors c̃ (N, width) of weights (N, emotions) and domains (N,)."""
        if self.domains == 1:
            return weights
        mask = F.one_hot(domain, self.domains).to(weights)
        parts = [weights[:, columns] * mask[:, [i]] for i, columns in enumerate(self.columns)]
        return torch.cat([*parts, mask], dim=1)

    def emotion_mask(self, device: torch.device | str = "cpu") -> Tensor:
        """The emotions that each domain is labelled with: (domains, emotions) bool."""
        table = torch.zeros(self.domains, len(self.emotions), dtype=torch.bool, device=device)
        for row, columns in zip(table, self.columns, strict=True):
            row[columns] = True
        return table

    # ------------------------------------------------------------------------------------ faces and expressions

    def from_faces(self, faces: Faces) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (N, emotions), domains (N,), and which faces have a label of their own domain, (N,) bool."""
        weights, labelled = face_labels(faces, self.emotions)
        domain = self._domain_of(faces)
        foreign = (weights > NEGLIGIBLE) & ~self.emotion_mask(weights.device)[domain]
        return weights, domain, labelled & ~foreign.any(1)

    def from_expression(self, expression: Expression, faces: Faces, name: str) -> tuple[Tensor, Tensor]:
        """Weights (N, emotions) and domains (N,) of the expressions to which faces are edited.

        An expression without a domain means the face's own domain or, if that has no such label, the one that has.
        Raises `UnsupportedExpression`, naming the system `name`, for an emotion that the domain has no label for.
        """
        weights = label_weights(expression, self.emotions, name)
        present, mask = weights > NEGLIGIBLE, self.emotion_mask(weights.device)
        possible = (~present[:, None] | mask).all(2)  # (N, domains)
        if expression.domain is not None and self.domains > 1:
            domain = expression.domain.to(weights.device)
        else:
            own = self._domain_of(faces)
            domain = torch.where(possible.gather(1, own[:, None])[:, 0], own, possible.int().argmax(1))
        self._check_possible(possible, present, domain, name)
        return weights, domain

    def _check_possible(self, possible: Tensor, present: Tensor, domain: Tensor, name: str) -> None:
        impossible = ~possible.gather(1, domain[:, None])[:, 0]
        if impossible.any():
            row = int(impossible.nonzero()[0])
            requested = (emotion for emotion, p in zip(self.emotions, present[row].tolist(), strict=True) if p)
            raise UnsupportedExpression(
                f"{name} was trained on {', '.join(self.by_domain[int(domain[row])])} for {DOMAINS[int(domain[row])]} "
                f"faces, but the target of face {row} is {', '.join(requested)}"
            )

    def _domain_of(self, faces: Faces) -> Tensor:
        if faces.domain is None or self.domains == 1:
            return torch.zeros(len(faces), dtype=torch.long, device=faces.images.device)
        return faces.domain

    # ------------------------------------------------------------------------------------------------- training

    def permuted_targets(self, weights: Tensor, domain: Tensor, cross_domain: bool = False) -> tuple[Tensor, Tensor]:
        """Labels of other faces of the batch as targets, as in StarGAN: of the same domain, unless `cross_domain`."""
        if cross_domain:
            order = torch.randperm(len(weights), device=weights.device)
            return weights[order], domain[order]
        target = weights.clone()
        for i in range(self.domains):
            rows = (domain == i).nonzero()[:, 0]
            target[rows] = weights[rows[torch.randperm(len(rows), device=rows.device)]]
        return target, domain

    def random_targets(
        self, domain: Tensor, partial: float, cross_domain: bool = False, neutral: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Random emotions of the domain, all equally likely, as targets for faces of domains (N,).

        partial       fraction of the targets with an intensity of 0.2 to 1 (blends with neutral); the others have
                      intensity 1. Domains without neutral have no partial intensities
        cross_domain  draw the domain too, instead of keeping each face's own
        neutral       fraction of the targets that are neutral; None: as likely as any other emotion
        """
        device, n = domain.device, len(domain)
        if cross_domain:
            domain = torch.randint(self.domains, (n,), device=device)
        probabilities = self.emotion_mask(device)[domain].float()
        if "neutral" not in self.emotions:
            kinds = torch.multinomial(probabilities, 1)[:, 0]
            return F.one_hot(kinds, len(self.emotions)).float(), domain
        neutral_index = self.emotions.index("neutral")
        if neutral is not None:
            others = probabilities.sum(1) - probabilities[:, neutral_index]
            probabilities[:, neutral_index] *= others * neutral / (1 - neutral)
        kinds = torch.multinomial(probabilities, 1)[:, 0]
        levels = random_intensities(n, 1 - partial, device)
        return soft_labels(
            kinds, torch.where(self.emotion_mask(device)[domain, neutral_index], levels, 1.0), self.emotions
        ), domain

    def loss(self, logits: Tensor, weights: Tensor, domain: Tensor) -> Tensor:
        """Kullback-Leibler divergence between labels (N,) and the softmax of logits (N, emotions), averaged over faces.

        The softmax is over the emotions of the face's domain only. For unblended labels the divergence is the
        cross-entropy. For blends, whose entropy is not 0, it differs from it by that entropy, so that the optimum is 0.
        """
        masked = logits.float().masked_fill(~self.emotion_mask(logits.device)[domain], -1e4)
        return F.kl_div(masked.log_softmax(1), weights, reduction="batchmean")
