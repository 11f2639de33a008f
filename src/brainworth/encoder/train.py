"""Training of a network: early stopping, checkpoints, and the same result if it is killed.

All that is random in an epoch (the order of the images, drop-out, samples of latents) is drawn from
streams that are named after the epoch. A training that was killed and is started again therefore
draws what it would have drawn, from the last checkpoint on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from brainworth.encoder import checkpoints, optimiser
from brainworth.encoder.devices import deterministic, enough_memory, half_precision, resident
from brainworth.encoder.replay import Gradients, own_stream
from brainworth.encoder.seeds import generator, seeded, torch_seed
from brainworth.errors import BrainworthError
from brainworth.files import whole

Batch = dict[str, Tensor]
#: Of a model, a batch, the epoch (0-based) and a generator on the model's device: the loss, a
#: tensor without axes, and its terms by name, for the curve.
Loss = Callable[[nn.Module, Batch, int, torch.Generator], tuple[Tensor, dict[str, Tensor]]]


@dataclass
class History:
    """How a training went.

    Attributes
    ----------
    epochs : list of dict
        Of each epoch: ``epoch`` (0-based), ``train_loss`` and ``terms`` (means over the images,
        while the weights change), ``validation`` (after the epoch), ``seconds`` (wall time).
    best_epoch : int
        0-based; whose weights the model has.
    stopped : bool
        Whether it stopped before the last epoch, for want of a better validation.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = -1
    stopped: bool = False

    def data(self) -> dict[str, Any]:
        """Return it for JSON, without times, which differ from run to run."""
        curve = [
            {key: value for key, value in row.items() if key != "seconds"} for row in self.epochs
        ]
        return {"epochs": curve, "best_epoch": self.best_epoch, "stopped": self.stopped}


def fit(
    model: nn.Module,
    loss: Loss,
    batches: Mapping[str, Tensor],
    validation: Callable[[nn.Module], float],
    settings: Mapping[str, Any],
    *,
    seed: int,
    name: tuple[str, ...],
    checkpoint: Path | None,
    progress: bool,
    device: torch.device | str,
    compiled: bool = False,
) -> History:
    """Train a model; in the end it has the weights of the best epoch, and is in evaluation mode.

    Parameters
    ----------
    model : Module
        Moved to `device`. Parameters that do not require gradients stay as they are. If it has an
        attribute ``replayed`` that is False, a GPU launches all kernels of each step
        (`brainworth.encoder.replay`).
    loss : callable
        See `Loss`. On a GPU it runs under autocast to bfloat16.
    batches : mapping from name to tensor
        Training data; the first axis is images. All of it goes to a GPU that has room for it
        (`devices.resident`); else a batch goes there when it is used.
    validation : callable
        Of the model, in evaluation mode and without gradients or autocast; lower is better.
    settings : mapping
        ``batch``, ``epochs``, ``patience``, ``lr``, ``weight_decay``, ``warmup``, ``clip``: see
        `brainworth.sections.encoder.Training`.
    seed : int
        Root seed of the study.
    name : tuple of str
        Of this training; it names its random streams.
    checkpoint : path or None
        Written after each epoch. If it holds an earlier state of the same training, that goes on.
    progress : bool
        Show a progress bar, if this is a terminal.
    device : device or str
    compiled : bool
        Let torch.compile translate the model.

    Returns
    -------
    History

    Raises
    ------
    BrainworthError
        If the loss, the norm of its gradient, or the validation is NaN or infinite; what the step
        was given is saved beside the checkpoint. If the checkpoint's file is none. If a GPU has not
        enough memory.

    Notes
    -----
    Batches of an epoch differ in size by one image at most, so that none is too small for losses
    over a batch.
    """
    device = torch.device(device)
    what = {"settings": dict(settings), "seed": seed, "name": list(name), "device": device.type}
    identity = checkpoints.identify(model, batches, what) if checkpoint else ""
    room = enough_memory(
        f"training {' '.join(name)}, {settings['batch']} images at a time",
        "lower its `batch` (of encoder.train_stage1, train_stage2 or transfer.head)",
    )
    with room, deterministic(device):
        model.to(device)
        given = resident(batches, device)
        training = _Training(model, loss, given, dict(settings), seed, name, checkpoint, device)
        if compiled:
            training.running, training.replayed = torch.compile(model), False
        training.restore(checkpoints.load(checkpoint, identity, device))
        training.run(validation, identity, progress)
    model.load_state_dict(training.best)
    model.eval()
    training.history.stopped = len(training.history.epochs) < settings["epochs"]
    return training.history


def predict(
    model: nn.Module,
    call: Callable[[nn.Module, Batch], Any],
    inputs: Mapping[str, Tensor],
    *,
    device: torch.device | str,
    batch: int = 256,
) -> Any:
    """Apply a model to images, in evaluation mode, in float32, without gradients.

    Parameters
    ----------
    call : callable
        Of the model and a batch on `device`; returns a tensor or a tuple of tensors, first axis
        images.
    inputs : mapping from name to tensor
        First axis images.
    batch : int
        Images at a time.

    Returns
    -------
    tensor or tuple of tensors, on the CPU
    """
    device = torch.device(device)
    before = model.training
    model.eval()
    n = len(next(iter(inputs.values())))
    room = enough_memory(f"predicting {min(n, batch)} images at a time", "use a larger GPU")
    with room, torch.no_grad(), deterministic(device):
        parts = [
            # copied on a CPU too: what maps compute may depend on where a tensor begins
            call(
                model,
                {
                    key: each[first : first + batch].to(device, copy=True)
                    for key, each in inputs.items()
                },
            )
            for first in range(0, n, batch)
        ]
    model.train(before)
    if isinstance(parts[0], Tensor):
        return torch.cat(parts).cpu()
    return tuple(torch.cat(each).cpu() for each in zip(*parts, strict=True))


class _Training:
    """The state of a training between two epochs."""

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        batches: Mapping[str, Tensor],
        settings: dict[str, Any],
        seed: int,
        name: tuple[str, ...],
        checkpoint: Path | None,
        device: torch.device,
    ) -> None:
        self.model, self.running, self.loss = model, model, loss
        self.batches, self.settings = batches, settings
        self.seed, self.name, self.checkpoint, self.device = seed, name, checkpoint, device
        self.n_images = len(next(iter(batches.values())))
        self.n_batches = math.ceil(self.n_images / settings["batch"])
        self.replayed = device.type == "cuda" and getattr(model, "replayed", True)
        self.draws = torch.Generator(device=device)
        self.optimiser = optimiser.adamw(model, settings["lr"], settings["weight_decay"])
        self.history = History()
        self.best: dict[str, Tensor] = {}

    def restore(self, state: dict[str, Any] | None) -> None:
        """Go on from a checkpoint."""
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.history = History(state["epochs"], state["best_epoch"])
            self.best = state["best"]

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "epochs": self.history.epochs,
            "best_epoch": self.history.best_epoch,
            "best": self.best,
        }

    def run(self, validation: Callable[[nn.Module], float], identity: str, progress: bool) -> None:
        """Train until it is over, with a checkpoint after each epoch."""
        bar = tqdm(
            total=self.settings["epochs"],
            initial=len(self.history.epochs),
            desc=" ".join(self.name),
            unit="epoch",
            disable=None if progress else True,
        )
        with bar:
            while not self.over:
                row = self.epoch(validation)
                if self.checkpoint:
                    checkpoints.save(self.checkpoint, identity, self.state())
                bar.set_postfix(
                    loss=f"{row['train_loss']:.4g}", validation=f"{row['validation']:.4g}"
                )
                bar.update()

    @property
    def over(self) -> bool:
        """Whether all epochs are done, or the last `patience` of them were no better."""
        done = len(self.history.epochs)
        waited = done - 1 - self.history.best_epoch
        return done >= self.settings["epochs"] or (done > 0 and waited >= self.settings["patience"])

    def epoch(self, validation: Callable[[nn.Module], float]) -> dict[str, Any]:
        """Train one epoch, validate, and add a row to the history."""
        number = len(self.history.epochs)
        start = time.perf_counter()
        sums: dict[str, float] = {}
        self.model.train()
        self.draws.manual_seed(torch_seed(self.seed, *self.name, "draws", number))
        names: list[str] = []
        order = self._order(number)
        gradients = Gradients(
            lambda batch: self._gradients(batch, number, names),
            self._learning(),
            [len(rows) for rows in order],
            self.draws,
            self.replayed,
        )
        with (
            seeded(self.seed, *self.name, "epoch", number, device=self.device),
            own_stream(self.device),
        ):
            for step, rows in enumerate(order):
                batch = {
                    key: each[rows.to(each.device)].to(self.device)
                    for key, each in self.batches.items()
                }
                values = self._step(number, step, batch, gradients)
                for term, value in zip(names, values, strict=True):
                    sums[term] = sums.get(term, 0.0) + value * len(rows)
        means = {term: total / self.n_images for term, total in sums.items()}
        row = {
            "epoch": number,
            "train_loss": means.pop("loss"),
            "terms": means,
            "validation": self._validate(validation, number),
            "seconds": time.perf_counter() - start,
        }
        history = self.history
        history.epochs.append(row)
        best = history.best_epoch
        if best < 0 or row["validation"] < history.epochs[best]["validation"]:
            history.best_epoch = number
            self.best = {key: each.clone() for key, each in self.model.state_dict().items()}
        return row

    def _order(self, epoch: int) -> tuple[Tensor, ...]:
        """Return the rows of each batch of an epoch."""
        order = torch.randperm(
            self.n_images, generator=generator(self.seed, *self.name, "order", epoch)
        )
        return order.tensor_split(self.n_batches)

    def _gradients(self, batch: Batch, epoch: int, names: list[str]) -> Tensor:
        """Set the gradients of a batch, clipped; return their norm, the loss and its terms.

        `names` becomes the names of loss and terms.
        """
        self.optimiser.zero_grad(set_to_none=True)
        with half_precision(self.device):
            loss, terms = self.loss(self.running, batch, epoch, self.draws)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self._learning(), self.settings["clip"])
        names[:] = ["loss", *terms]
        # A GPU waits whenever a number is asked for: all at once.
        return torch.stack([each.detach().double() for each in (norm, loss, *terms.values())])

    def _step(self, epoch: int, step: int, batch: Batch, gradients: Gradients) -> list[float]:
        """Take a step; return the loss and its terms."""
        settings = self.settings
        share = optimiser.rate(
            epoch * self.n_batches + step,
            settings["epochs"] * self.n_batches,
            settings["warmup"],
        )
        optimiser.set_rate(self.optimiser, settings["lr"] * share)
        norm, loss, *terms = gradients(batch).tolist()
        if not math.isfinite(loss):
            self._fail("loss", loss, epoch, step, batch)
        if not math.isfinite(norm):
            self._fail("norm of the gradient", norm, epoch, step, batch)
        self.optimiser.step()
        return [loss, *terms]

    def _validate(self, validation: Callable[[nn.Module], float], epoch: int) -> float:
        self.model.eval()
        with torch.no_grad():
            value = float(validation(self.model))
        if not math.isfinite(value):
            raise BrainworthError(
                f"training {' '.join(self.name)}: the validation after epoch {epoch} is {value}; "
                "lower the learning rate, or look for NaN in the validation data"
            )
        return value

    def _learning(self) -> list[nn.Parameter]:
        return [each for each in self.model.parameters() if each.requires_grad]

    def _fail(self, what: str, value: float, epoch: int, step: int, batch: Batch) -> None:
        """Save what the step was given, and stop."""
        where = ""
        if self.checkpoint is not None:
            path = self.checkpoint.with_suffix(f".epoch{epoch}-step{step}.pt")
            with whole(path) as part:
                torch.save({"batch": batch, "model": self.model.state_dict()}, part)
            where = f"; the batch and the weights are in {path}"
        raise BrainworthError(
            f"training {' '.join(self.name)}: the {what} is {value} in epoch {epoch}, step {step}"
            f"{where}; look for NaN or huge values in it, or lower the learning rate"
        )
