"""A trained network as a fixed component of another system."""

from __future__ import annotations

from torch import nn


class Frozen(nn.Module):
    """A frozen network inside a system.

    It follows the system's device and precision and is always in evaluation mode. It is never trained, and neither its
    parameters nor its weights are among the system's.

    network  the trained network, available as `.network`
    method   name of the network's method that a call runs
    """

    def __init__(self, network: nn.Module, method: str = "forward") -> None:
        super().__init__()
        self.method = method
        # Plain assignment would register the network as a child module.
        object.__setattr__(self, "network", network.eval().requires_grad_(False))

    def forward(self, *args, **kwargs):
        return getattr(self.network, self.method)(*args, **kwargs)

    def _apply(self, fn, recurse=True):
        self.network._apply(fn, recurse)
        return super()._apply(fn, recurse)
