"""Systems that learn from other, frozen networks: a teacher, a classifier, an estimator of action units."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from facekit.models.load import load_system
from facekit.models.system import System


class Guided(System):
    """A system whose preset names the weights of frozen networks, which are no child modules of it."""

    @cached_property
    def _guidance(self) -> dict[str, System]:
        """Those that are loaded, by field; in a dictionary, which keeps them from becoming child modules."""
        return {}

    def guidance_network(self, field: str) -> System:
        """The frozen system whose weights a field of the preset names, such as "teacher".

        It is loaded when it is first needed. Raises `WeightsError` as `load_system` does.
        """
        if field not in self._guidance:
            self._guidance[field] = load_system(self.requires[field]).requires_grad_(False)
        return self._guidance[field]

    @property
    def guidance_networks(self) -> Sequence[System]:
        """Those that training uses."""
        return [self.guidance_network(field) for field in self.requires if field in self.guided_by]

    @property
    def editing_systems(self) -> Sequence[System]:
        """Itself, and those that are not used in training only."""
        return (self, *(self.guidance_network(field) for field in self.requires if field not in self.guided_by))
