"""The training loop: `for record in fit(system, dataset): ...`, for any system with the contract of `models.system`."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import torch
from accelerate.utils import broadcast_object_list, send_to_device
from torch import Tensor, nn

from facekit.datasets.base import FaceDataset, loader
from facekit.faces.augment import augmentation
from facekit.faces.faces import Faces
from facekit.models.averages import MovingAverage
from facekit.models.precision import ForwardPrecision
from facekit.models.system import Clock, Preset, System
from facekit.training import checkpoint
from facekit.training.accelerator import accelerator, average_gradients
from facekit.training.checkpoint import Snapshot
from facekit.training.config import claim, config_of
from facekit.training.order import FaceOrder, generator_for, seed_global_generators
from facekit.training.profiles import Profile, profile_named
from facekit.training.records import NotFinite, ProgressBar, Record, RunLog
from facekit.training.resident import ResidentFaces, fits
from facekit.training.watch import Watch
from facekit.workspace.files import remove, remove_drafts
from facekit.workspace.hardware import dtype_named

Key = tuple[str, str]


def fit(
    system: System,
    dataset: FaceDataset,
    *,
    out: str | os.PathLike | None = None,
    profile: str | Profile = "laptop",
    seed: int = 0,
    resume: bool = True,
    minutes: float | None = None,
    progress: bool = False,
) -> Iterator[Record]:
    """Train a system on a dataset according to its preset, yielding one `Record` per step.

    out       folder of the run: configuration, log, TensorBoard's files, checkpoints; None writes nothing
    profile   precision, memory layout, interval of the log
    seed      of the order of faces, of augmentation, and of the random numbers of the system's training step
    resume    resume from the newest checkpoint in `out`; False removes the run in `out`
    minutes   stop, with a checkpoint, at the first step that ends later; the same call resumes the run
    progress  show a progress bar

    After the last step the system holds the final weights (the moving average, if the preset has one) and is in
    evaluation mode, on the device of the training. Stopped earlier, it holds the weights of the last step.

    All random numbers depend on (seed, step, process): the global generators of PyTorch, NumPy and Python are seeded at
    the start of each step. On the CPU, and with the same number of threads, a resumed run is bitwise identical to an
    uninterrupted one.

    Under `torchrun` each process takes `preset.batch` faces per step, gradients are averaged over the processes, and
    the first process writes. Batch normalisation uses the statistics of each process's own faces.

    Raises `ValueError` for an invalid preset or profile, `ConfigDiffers` where `out` contains a run with another
    configuration, `CannotTrain` for faces that the system cannot be trained on, `NotFinite` at the first loss or
    gradient that is infinite or NaN, and `Diverged` where a loss has grown without bound.
    """
    run = _Run(system, dataset, profile_named(profile) if isinstance(profile, str) else profile, seed)
    if out is not None:
        run.open(Path(out), resume)
    run.share()
    return run.records(minutes, progress)


class _Run:
    """The state of a training run, and its training step."""

    def __init__(self, system: System, dataset: FaceDataset, profile: Profile, seed: int) -> None:
        if not len(dataset):
            raise ValueError(f"the {dataset.split} split of {dataset.name} contains no faces to train on")
        self.system, self.preset, self.dataset, self.profile, self.seed = system, system.preset, dataset, profile, seed
        self.augment = augmentation(self.preset.augment)
        self.accelerator = accelerator()
        self.device = self.accelerator.device
        systems = (system, *system.guidance_networks)
        for each in systems:
            each.to(self.device)
            if profile.channels_last:
                each.to(memory_format=torch.channels_last)
        self.optimisers = system.optimisers()
        self.rates = {name: [g["lr"] for g in opt.param_groups] for name, opt in self.optimisers.items()}
        self.average = MovingAverage(system, self.preset.ema) if self.preset.ema is not None else None
        self.precision = ForwardPrecision(systems, self.device, dtype_named(profile.precision, self.device))
        self.folder: Path | None = None  # of the run; set in the process that writes
        self.step = 0  # number of completed steps
        self.saved = 0  # the step of the newest checkpoint
        self.seconds = 0.0  # duration of the completed steps
        self.watch = Watch()

    def open(self, folder: Path, resume: bool) -> None:
        """Use a folder for the run, and resume from its newest checkpoint."""
        if not self.accelerator.is_main_process:
            return
        if not resume:
            for name in ("config.json", "log.jsonl", "tensorboard", "checkpoints"):
                remove(folder / name)
        remove_drafts(folder)
        processes = self.accelerator.num_processes
        claim(folder, config_of(self.system, self.dataset, self.profile, self.seed, processes))
        if snapshot := checkpoint.load_latest(folder / "checkpoints"):
            self.restore(snapshot)
        self.folder, self.saved = folder, self.step

    def share(self) -> None:
        """Copy the state of the first process, which alone may have loaded a checkpoint, to all others."""
        if self.accelerator.num_processes > 1:
            [snapshot] = broadcast_object_list([self.snapshot() if self.accelerator.is_main_process else None])
            self.restore(snapshot)

    def snapshot(self) -> Snapshot:
        return Snapshot(
            step=self.step,
            seconds=self.seconds,
            model=checkpoint.tensors_of(self.system),
            optimisers={name: send_to_device(opt.state_dict(), "cpu") for name, opt in self.optimisers.items()},
            average=None if self.average is None else checkpoint.tensors_of(self.average),
        )

    def restore(self, snapshot: Snapshot) -> None:
        self.step, self.seconds = snapshot.step, snapshot.seconds
        self.system.load_state_dict(snapshot.model)
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(snapshot.optimisers[name])
        if self.average is not None:
            self.average.load_state_dict(snapshot.average)

    def save(self) -> None:
        if self.folder is not None and self.saved != self.step:
            checkpoint.save(self.folder / "checkpoints", self.snapshot(), self.preset.checkpoints_kept)
            self.saved = self.step

    def records(self, minutes: float | None, progress: bool) -> Iterator[Record]:
        """The remaining steps of the run, until the time limit."""
        if self.step < self.preset.steps:
            deadline = None if minutes is None else time.monotonic() + 60 * minutes
            with ExitStack() as stack:
                sinks = [stack.enter_context(closing(sink)) for sink in self._sinks(progress)]
                yield from self._steps(sinks, deadline)
        if self.step == self.preset.steps:
            self._finish()

    def _sinks(self, progress: bool) -> Iterator[RunLog | ProgressBar]:
        if self.folder is not None:
            yield RunLog(self.folder, self.step, self.profile.log_every)
        if progress and self.accelerator.is_main_process:
            yield ProgressBar(self.system.name, self.step, self.preset.steps)

    def _steps(self, sinks: list[RunLog | ProgressBar], deadline: float | None) -> Iterator[Record]:
        batches = self._batches()
        while self.step < self.preset.steps:
            record = self._train(batches)
            self.watch.observe(record, self.system.name)
            for sink in sinks:
                sink.write(record)
            late = deadline is not None and self._agreed(time.monotonic() > deadline)
            if late or self.step % self.preset.checkpoint_every == 0 or self.step == self.preset.steps:
                self.save()
            yield record
            if late:
                return

    def _train(self, batches: Iterator[Faces]) -> Record:
        """One training step of the system, with any number of optimiser steps."""
        began = time.perf_counter()
        clock = self._clock()
        faces = self._prepared(next(batches))
        self._set_learning_rates()
        if not self.system.training:  # the consumer of the records may have evaluated it
            self.system.train()
        values = defaultdict(list)
        with self.precision:
            for name, loss, scalars in self.system.training_step(faces, clock):
                norm = self._update(name, loss, scalars)
                for key, value in {("norm", name): norm, ("scalar", f"loss/{name}"): loss.detach()}.items():
                    values[key].append(value)
                for key, value in scalars.items():
                    values["scalar", key].append(value)
        if self.average is not None:
            self.average.update_parameters(self.system)
        means = _means(values)
        seconds = time.perf_counter() - began
        self.step += 1
        self.seconds += seconds
        return Record(
            step=self.step,
            total=clock.total,
            epoch=clock.epoch,
            scalars={key: value for (kind, key), value in means.items() if kind == "scalar"},
            learning_rates={name: optimiser.param_groups[0]["lr"] for name, optimiser in self.optimisers.items()},
            grad_norms={key: value for (kind, key), value in means.items() if kind == "norm"},
            seconds=seconds,
            system=self.system if self.average is None else self.average.module,
        )

    def _prepared(self, faces: Faces) -> Faces:
        """A batch on the device, augmented and in the memory layout of the run. Seeds the global generators."""
        rank = self.accelerator.process_index
        seed_global_generators(self.seed, "step", self.step, rank)
        faces = faces.to(self.device, non_blocking=True)
        faces = self.augment(faces, generator_for(self.seed, "augment", self.step, rank))
        if not self.profile.channels_last or faces.frames is not None:
            return faces
        return dataclasses.replace(faces, images=faces.images.contiguous(memory_format=torch.channels_last))

    def _update(self, name: str, loss: Tensor, scalars: Mapping[str, Tensor | float]) -> Tensor:
        """Gradients, clipping and step of one optimiser. Returns the norm of the gradients before clipping."""
        if name not in self.optimisers:
            raise ValueError(f"the system yields a loss for {name!r}; it has optimisers {', '.join(self.optimisers)}")
        optimiser = self.optimisers[name]
        parameters = [p for group in optimiser.param_groups for p in group["params"] if p.requires_grad]
        # `inputs` restricts the backward pass: the other networks get no gradients and are frozen.
        self.accelerator.backward(loss, inputs=parameters)
        updated = [p for p in parameters if p.grad is not None]
        if not updated:
            raise ValueError(f"the loss for {name!r} depends on no parameter of that optimiser")
        if self.accelerator.num_processes > 1:
            average_gradients([p.grad for p in updated], self.accelerator)
        norm = nn.utils.get_total_norm([p.grad for p in updated])
        if not torch.isfinite(loss.detach() + norm):
            raise NotFinite(self._not_finite_message(name, loss, scalars, norm))
        if self.preset.clip_norm is not None:
            nn.utils.clip_grads_with_norm_(updated, self.preset.clip_norm, norm)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return norm

    def _not_finite_message(self, name: str, loss: Tensor, scalars: Mapping[str, Tensor | float], norm: Tensor) -> str:
        terms = ", ".join(f"{key} {float(value):.4g}" for key, value in scalars.items()) or "none given"
        rate = self.optimisers[name].param_groups[0]["lr"]
        kept = f"the newest checkpoint is of step {self.saved}" if self.saved else "there is no checkpoint"
        return (
            f"step {self.step + 1} of {self.system.name}: the loss for optimiser {name!r} is {loss.item():.4g} and its "
            f"gradient's norm {norm.item():.4g} (terms: {terms}; learning rate {rate:.3g}). The weights are those "
            f"before this update; {kept}. Lower the learning rate, warm up longer, or clip gradients (clip_norm)"
        )

    def _clock(self) -> Clock:
        taken = self.preset.batch * self.accelerator.num_processes
        return Clock(
            step=self.step,
            total=self.preset.steps,
            epoch=self.step * taken // len(self.dataset),
            steps_per_epoch=max(1, len(self.dataset) // taken),
        )

    def _set_learning_rates(self) -> None:
        factor = learning_rate_factor(self.preset, self.step)
        for name, optimiser in self.optimisers.items():
            for group, rate in zip(optimiser.param_groups, self.rates[name], strict=True):
                group["lr"] = rate * factor

    def _batches(self) -> Iterator[Faces]:
        """The batches of the remaining steps."""
        order = FaceOrder(
            len(self.dataset),
            self.preset.batch,
            self.preset.steps,
            seed=self.seed,
            start=self.step,
            rank=self.accelerator.process_index,
            processes=self.accelerator.num_processes,
            balance=self.dataset.labels if self.preset.balanced else None,
        )
        workers = min(self.profile.workers, os.cpu_count() or 1)
        if fits(self.dataset, self.device, self.profile.resident):
            return ResidentFaces(self.dataset, self.device, workers).batches(order, self.preset.batch)
        return iter(loader(self.dataset, self.preset.batch, sampler=order, workers=workers))

    def _agreed(self, flag: bool) -> bool:
        """The flag of the first process."""
        return broadcast_object_list([flag])[0] if self.accelerator.num_processes > 1 else flag

    def _finish(self) -> None:
        """Put the final weights into the system."""
        if self.average is not None:
            self.system.load_state_dict(self.average.module.state_dict())
        self.system.eval()
        self.accelerator.wait_for_everyone()


def learning_rate_factor(preset: Preset, step: int) -> float:
    """The factor of the learning rate at a step, counted from 0: linear warm-up, then the schedule.

    "linear" stays at 1 for the first half of the run and then decays to 0, as in CycleGAN and StarGAN.

    >>> [learning_rate_factor(Preset(steps=8, warmup=4, schedule="cosine"), step) for step in (0, 3, 4, 6)]
    [0.25, 1.0, 1.0, 0.5]
    >>> [learning_rate_factor(Preset(steps=8, schedule="linear"), step) for step in (0, 4, 6, 7)]
    [1.0, 1.0, 0.5, 0.25]
    """
    if step < preset.warmup:
        return (step + 1) / preset.warmup
    if preset.schedule == "constant":
        return 1.0
    if preset.schedule == "linear":
        return min(1.0, 2 * (1 - step / preset.steps))
    return (1 + math.cos(math.pi * (step - preset.warmup) / (preset.steps - preset.warmup))) / 2


def _means(values: Mapping[Key, list[Tensor | float]]) -> dict[Key, float]:
    """The mean of each list, with one transfer from the device."""
    tensors = [value for each in values.values() for value in each if isinstance(value, Tensor)]
    numbers = iter(torch.stack([t.detach().float() for t in tensors]).tolist() if tensors else ())
    plain = {key: [next(numbers) if isinstance(v, Tensor) else v for v in each] for key, each in values.items()}
    return {key: sum(each) / len(each) for key, each in plain.items()}
