"""A trained network inside another one that stands on it."""

from __future__ import annotations

from torch import nn


class Frozen(nn.Module):
    """A trained network as a part of a system: it moves with the system from device to device and computes in its
    precision, but is never trained, always in evaluation mode, and not among the system's parameters or weights.

    network  the trained network; `.network` gives it back
    method   that calling the part calls
    """

    def __init__(self, network: nn.Module, method: str = "forward") -> None:
        super().__init__()
        self.method = method
        # Past nn.Module's own bookkeeping, which would make it a child.
        object.__setattr__(self, "network", network.eval().requires_grad_(False))

    def forward(self, *args, **kwargs):
        return getattr(self.network, self.method)(*args, **kwargs)

    def _apply(self, fn, recurse=True):
        self.network._apply(fn, recurse)
        return super()._apply(fn, recurse)
