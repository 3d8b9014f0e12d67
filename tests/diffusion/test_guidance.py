import pytest
import torch

from facekit.diffusion import Sampler, drop_conditions, guide

LABEL, FACE = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[10.0], [20.0], [30.0]])


class Network:
    """The output is a simple function of all inputs; counts calls and estimates."""

    def __init__(self):
        self.calls, self.estimates = 0, 0

    def __call__(self, noisy, timestep, keep_label, keep_face, label, face):
        assert keep_label.dtype == keep_face.dtype == torch.bool
        assert timestep.shape == keep_label.shape == (len(noisy),)
        self.calls, self.estimates = self.calls + 1, self.estimates + len(noisy)
        label_term = keep_label[:, None] * label * (1 + keep_face[:, None])  # the face changes the effect of the label
        return noisy * timestep[:, None] + label_term + keep_face[:, None] * face * noisy


def guided(label, face, **more):
    network = Network()
    noisy, timestep = torch.tensor([[0.5], [1.0], [2.0]]), torch.tensor([1, 2, 3])
    return network, guide(network, LABEL, FACE, label=label, face=face, **more)(noisy, timestep), noisy, timestep


@pytest.mark.parametrize(
    ("label", "face", "estimates"),
    [(1, 1, 1), (3, 3, 2), (4.0, 1.0, 2), (0, 1, 1), (0, 0, 1), (0, 2.5, 2), (3, 2, 3), (2, 0, 3)],
)
def test_guidance_follows_the_formula_at_the_documented_cost(label, face, estimates):
    network, found, noisy, timestep = guided(label, face)
    none = noisy * timestep[:, None]
    only_face = none + FACE * noisy
    both = only_face + 2 * LABEL
    torch.testing.assert_close(found, none + face * (only_face - none) + label * (both - only_face))
    assert (network.calls, network.estimates) == (1, estimates * 3)


@pytest.mark.parametrize(("label", "face", "estimates"), [(1, 1, 3), (3, 1, 4), (0, 1, 3), (1, 2.5, 4)])
@pytest.mark.parametrize("source", [None, torch.tensor([[0.5], [0.0], [2.0]])])
def test_label_only_guidance_is_added_to_the_rest(label, face, estimates, source):
    network, found, *_ = guided(label, face, label_only=1.5, source_label=source)
    without = guided(label, face)[1]
    torch.testing.assert_close(found, without + 1.5 * (LABEL if source is None else LABEL - source))
    unconditional = source is not None and face != 1  # the estimate without conditions is then needed for the face
    assert (network.calls, network.estimates) == (1, (estimates + unconditional) * 3)


def test_without_label_only_guidance_the_source_label_is_not_evaluated():
    network, found, *_ = guided(1, 1, source_label=LABEL)
    torch.testing.assert_close(found, guided(1, 1)[1])
    assert network.estimates == 3


def test_scales_may_differ_between_faces():
    label = torch.tensor([0.0, 1.0, 2.5])
    _, together, *_ = guided(label, 1.5)
    for row, scale in enumerate(label.tolist()):
        torch.testing.assert_close(together[row], guided(scale, 1.5)[1][row])


def test_guidance_by_a_label_leads_to_its_component(mixture, schedule, normal):
    label = torch.arange(3).repeat_interleave(60)

    def denoise(noisy, timestep, keep_label, keep_face, label):
        return mixture.denoiser(schedule, label.where(keep_label, -1))(noisy, timestep)

    start, sampler = normal(0, 180, 2), Sampler("ddim", steps=20, clip=False)
    reached = {}
    for scale in (0.0, 1.0, 3.0):
        points = sampler.sample(guide(denoise, label, label=scale), start, schedule)
        reached[scale] = mixture.responsibilities(points, 1.0, 0.0)[torch.arange(180), label]
    assert reached[0.0].mean() < 0.5  # as without a label
    assert reached[1.0].mean() > 0.95
    assert reached[3.0].min() > 0.99


def test_conditions_are_dropped_independently():
    keep_label, keep_face = drop_conditions(20000, 0.3, 0.1, torch.Generator().manual_seed(0))
    dropped_label, dropped_face = (~keep_label).float(), (~keep_face).float()
    assert dropped_label.mean().item() == pytest.approx(0.3, abs=0.015)
    assert dropped_face.mean().item() == pytest.approx(0.1, abs=0.01)
    assert (dropped_label * dropped_face).mean().item() == pytest.approx(0.03, abs=0.006)


def test_dropping_is_reproducible_and_may_have_probability_0_or_1():
    same = [torch.stack(drop_conditions(50, 0.5, 0.5, torch.Generator().manual_seed(3))) for _ in range(2)]
    assert torch.equal(*same)
    keep_label, keep_face = drop_conditions(1000, 0.0, 1.0)
    assert keep_label.all()
    assert not keep_face.any()
