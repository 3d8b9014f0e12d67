"""The training loop."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
import toys
from torch import nn

from facekit.models.system import Preset
from facekit.training import PROFILES, NotFinite, fit
from facekit.training.loop import learning_rate_factor
from facekit.training.records import read_log

FLOAT32 = replace(PROFILES["smoke"], precision="float32")


def trained(system, dataset=None, **options):
    records = list(fit(system, dataset or toys.Squares(), **{"profile": FLOAT32} | options))
    return records


def test_there_is_one_record_per_step():
    records = trained(toys.build("adversaries", steps=25))
    assert [record.step for record in records] == list(range(1, 26))
    assert [record.epoch for record in records] == [step * 4 // 40 for step in range(25)]
    last = records[-1]
    assert set(last.scalars) == {"loss/critic", "loss/generator", "fake"}
    assert set(last.grad_norms) == set(last.learning_rates) == {"critic", "generator"}
    assert last.total == 25
    assert all(value > 0 for value in (*last.grad_norms.values(), last.seconds))
    assert last.row()["grad_norm/critic"] == last.grad_norms["critic"]


def test_the_loss_decreases():
    records = trained(toys.build("denoiser", steps=100))
    assert records[-1].scalars["loss/network"] < 0.5 * records[0].scalars["loss/network"]


def test_the_seed_determines_the_weights_independently_of_other_random_numbers():
    first, second, third = (toys.build("denoiser") for _ in range(3))
    trained(first)
    for _ in fit(second, toys.Squares(), profile=FLOAT32):
        torch.rand(3)  # as a notebook may that consumes the records
        second.eval()
    trained(third, seed=1)
    assert toys.same(first.state_dict(), second.state_dict())
    assert not toys.same(first.state_dict(), third.state_dict())


def test_steps_equal_a_plain_training_loop():
    system, by_hand = (toys.build("denoiser", "smoke", noise=0.0, clip_norm=None, warmup=0) for _ in range(2))
    data = toys.Squares()
    trained(system, data)
    optimiser = torch.optim.Adam(by_hand.parameters())
    for step in range(24):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 + math.cos(math.pi * step / 24)) / 2
        images = data.faces(data.taken[4 * step : 4 * step + 4]).images
        optimiser.zero_grad()
        (by_hand.network(images) - images.flatten(1)).square().mean().backward()
        optimiser.step()
    for name, value in system.state_dict().items():
        torch.testing.assert_close(value, by_hand.state_dict()[name])


class Watched(toys.Adversaries):
    """Records which networks each optimiser step changed, and checks that no gradients remain."""

    def training_step(self, batch, clock):
        self.changed = []
        before = {name: value.clone() for name, value in self.named_parameters()}
        for name, loss, scalars in super().training_step(batch, clock):
            yield name, loss, scalars
            changed = {key.partition(".")[0] for key, value in self.named_parameters() if not value.equal(before[key])}
            self.changed.append((name, changed))
            assert all(p.grad is None for p in self.parameters())
            before = {key: value.clone() for key, value in self.named_parameters()}


def test_each_loss_updates_only_the_networks_of_its_optimiser():
    system = Watched(toys.ToyPreset(steps=1))
    trained(system)
    assert system.changed == [("critic", {"critic"}), ("critic", {"critic"}), ("generator", {"generator"})]


def test_gradients_are_clipped_and_their_norm_before_clipping_is_reported():
    class Steep(toys.Denoiser):
        def optimisers(self):
            return {"network": torch.optim.SGD(self.parameters(), 1.0)}

        def training_step(self, batch, clock):
            for name, loss, _ in super().training_step(batch, clock):
                yield name, 1e3 * loss, {}

    torch.manual_seed(0)
    system = Steep(toys.ToyPreset(steps=1, clip_norm=0.5))
    before = nn.utils.parameters_to_vector(system.parameters()).clone()
    [record] = trained(system)
    distance = (nn.utils.parameters_to_vector(system.parameters()) - before).norm().item()
    assert distance == pytest.approx(0.5, rel=1e-4)
    assert record.grad_norms["network"] > 1


def test_warm_up_and_schedules():
    cosine = Preset(steps=100, warmup=10, schedule="cosine")
    factors = [learning_rate_factor(cosine, step) for step in range(100)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert all(later < sooner for sooner, later in pairwise(factors[10:]))
    assert factors[55] == pytest.approx(0.5)
    assert factors[-1] < 1e-3
    constant = Preset(steps=100, warmup=10)
    assert {learning_rate_factor(constant, step) for step in range(9, 100)} == {1.0}
    records = trained(toys.build("denoiser", "smoke"))
    assert [r.learning_rates["network"] for r in records[:4]] == pytest.approx([0.0025, 0.005, 0.0075, 0.01])


def test_the_moving_average_equals_its_definition():
    system = toys.build("adversaries", steps=12, ema=0.5)
    raw, average = [], []
    for record in fit(system, toys.Squares(), profile=FLOAT32):
        assert record.system is not system
        assert not record.system.training
        raw.append({name: value.clone() for name, value in system.state_dict().items()})
        average.append({name: value.clone() for name, value in record.system.state_dict().items()})
    expected = raw[0]
    for updates, state in enumerate(raw):
        decay = min(0.5, (1 + updates) / (10 + updates)) if updates else 0
        for name, value in state.items():
            expected[name] = expected[name].lerp(value, 1 - decay) if value.is_floating_point() else value
        for name, value in average[updates].items():
            torch.testing.assert_close(value, expected[name])
    assert toys.same(system.state_dict(), average[-1])
    assert not toys.same(system.state_dict(), raw[-1])


def test_a_loss_that_is_not_finite_raises_with_its_step_and_terms():
    class Breaking(toys.Adversaries):
        def training_step(self, batch, clock):
            for name, loss, scalars in super().training_step(batch, clock):
                broken = clock.step == 3 and name == "generator"
                yield name, loss * float("nan") if broken else loss, {**scalars, "penalty": 0.25}

    system = Breaking(toys.ToyPreset())
    records = fit(system, toys.Squares(), profile=FLOAT32)
    with pytest.raises(NotFinite, match=r"step 4 of adversaries.*'generator' is nan.*penalty 0\.25.*no checkpoint"):
        list(records)
    assert all(value.isfinite().all() for value in system.state_dict().values())


def test_a_gradient_that_is_not_finite_raises():
    class InfiniteGradient(toys.Denoiser):
        def training_step(self, batch, clock):
            yield "network", (self.network(batch.images) * 0).sum().sqrt(), {}

    with pytest.raises(NotFinite, match=r"the loss for optimiser 'network' is 0 and its gradient's norm nan"):
        trained(InfiniteGradient(toys.ToyPreset()))


def test_reduced_precision_applies_to_the_forward_pass_only():
    class Hooked(toys.Adversaries):
        def training_step(self, batch, clock):
            dtypes = []
            handle = self.critic[0].register_forward_hook(lambda *args: dtypes.append(args[2].dtype))
            for name, loss, scalars in super().training_step(batch, clock):
                assert loss.dtype == torch.float32
                yield name, loss, scalars
            handle.remove()
            assert set(dtypes) == {torch.bfloat16}

    torch.manual_seed(0)
    system = Hooked(toys.ToyPreset(learning_rate=1e-3))
    records = trained(system, profile=replace(FLOAT32, precision="bfloat16"))
    assert all(p.dtype == torch.float32 for p in system.parameters())
    assert system.critic(torch.zeros(1, 1, 8, 8)).dtype == torch.float32
    assert "forward" not in vars(system.critic)
    full = trained(toys.build("adversaries", "smoke", learning_rate=1e-3))
    assert records[0].scalars["loss/critic"] == pytest.approx(full[0].scalars["loss/critic"], abs=0.02)


def test_guidance_networks_compute_in_the_precision_of_the_system():
    guidance_network, dtypes = toys.build("adversaries"), set()
    guidance_network.critic[0].register_forward_hook(lambda *args: dtypes.add(args[2].dtype))

    class Guided(toys.Adversaries):
        guidance_networks = (guidance_network,)

        def training_step(self, batch, clock):
            guidance_network.critic(batch.images)
            yield from super().training_step(batch, clock)

    before = [p.clone() for p in guidance_network.parameters()]
    trained(Guided(toys.ToyPreset(steps=2)), profile=replace(FLOAT32, precision="bfloat16"))
    assert dtypes == {torch.bfloat16}
    assert guidance_network.generator[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(a, b) for a, b in zip(before, guidance_network.parameters(), strict=True))


def test_the_memory_layout_does_not_change_the_weights():
    plain, last = toys.build("adversaries"), toys.build("adversaries")
    trained(plain, profile=replace(FLOAT32, channels_last=False))
    trained(last)
    assert last.generator[0].weight.is_contiguous(memory_format=torch.channels_last)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(last.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_systems_that_violate_the_contract_raise():
    class Misnamed(toys.Denoiser):
        def training_step(self, batch, clock):
            yield "decoder", self.network(batch.images).sum(), {}

    class Unconnected(toys.Denoiser):
        def training_step(self, batch, clock):
            yield "network", torch.zeros((), requires_grad=True) * 2, {}

    with pytest.raises(ValueError, match=r"loss for 'decoder'; it has optimisers network"):
        trained(Misnamed(toys.ToyPreset()))
    with pytest.raises(ValueError, match="depends on no parameter"):
        trained(Unconnected(toys.ToyPreset()))


@pytest.mark.parametrize(
    ("field", "value"), [("batch", 0), ("steps", 0), ("schedule", "step"), ("ema", 1.5), ("checkpoint_every", 0)]
)
def test_an_invalid_preset_raises_before_training(field, value):
    with pytest.raises(ValueError, match=f"the preset's {field} is {value!r}"):
        fit(toys.build("denoiser", **{field: value}), toys.Squares())


def test_an_invalid_profile_and_an_empty_dataset_raise_before_training():
    with pytest.raises(ValueError, match="'desktop' is no profile"):
        fit(toys.build("denoiser"), toys.Squares(), profile="desktop")
    with pytest.raises(ValueError, match="precision 'half'"):
        replace(FLOAT32, precision="half")
    with pytest.raises(ValueError, match="no faces"):
        fit(toys.build("denoiser"), toys.Squares(count=0))


def test_logs_contain_the_records(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    records = trained(toys.build("denoiser", steps=10), out=tmp_path, profile=replace(FLOAT32, log_every=4))
    rows = read_log(tmp_path)
    assert [row["step"] for row in rows] == [4, 8, 10]
    assert rows[0] == records[3].row()
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("loss/network")] == [4, 8, 10]
    assert board.Scalars("loss/network")[-1].value == pytest.approx(records[-1].scalars["loss/network"])


def test_worker_processes_do_not_change_the_weights():
    without, with_worker = toys.build("denoiser"), toys.build("denoiser")
    trained(without)
    trained(with_worker, profile=replace(FLOAT32, workers=1))
    assert toys.same(without.state_dict(), with_worker.state_dict())


def test_augmentation_is_reproducible():
    first, second, plain = (toys.build("denoiser", augment=name) for name in ("affine", "affine", "none"))
    for system in (first, second, plain):
        trained(system)
    assert toys.same(first.state_dict(), second.state_dict())
    assert not toys.same(first.state_dict(), plain.state_dict())


def test_a_balanced_preset_takes_all_emotions_equally_often():
    data = toys.Squares()
    data.labels = (torch.arange(40) < 4).long()
    trained(toys.build("denoiser", balanced=True, steps=50), data)
    assert sum(index < 4 for index in data.taken) == len(data.taken) / 2
