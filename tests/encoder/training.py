"""A small training, run as a script too, so that it can be killed.

Arguments: checkpoint, output, the epoch and the step at which it kills itself (-1: never).
"""

import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from brainworth.encoder.seeds import seeded
from brainworth.encoder.train import fit

SETTINGS = {
    "batch": 8,
    "epochs": 6,
    "patience": 6,
    "lr": 0.01,
    "weight_decay": 0.01,
    "warmup": 0.1,
    "clip": 1.0,
}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(5, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 2)
        )

    def forward(self, x):
        return self.layers(x)


def network():
    with seeded(1, "net"):
        return Net()


def data(n=37):
    draws = torch.Generator().manual_seed(5)
    x = torch.randn(n, 5, generator=draws)
    y = torch.stack([x[:, 0] - x[:, 1], x[:, 2]], 1)
    return {"x": x, "y": y + 0.1 * torch.randn(n, 2, generator=draws)}


def loss(model, batch, epoch, draws):
    noise = torch.randn(batch["x"].shape, generator=draws)
    error = (model(batch["x"] + 0.05 * noise) - batch["y"]).square().mean()
    return error, {"mse": error.detach()}


def validation(model):
    held = data(64)
    return (model(held["x"]) - held["y"]).square().mean().item()


def run(
    checkpoint=None,
    loss=loss,
    validation=validation,
    model=None,
    batches=None,
    progress=False,
    **changes,
):
    model = model or network()
    history = fit(
        model,
        loss,
        batches or data(),
        validation,
        SETTINGS | changes,
        seed=3,
        name=("test", "training"),
        checkpoint=checkpoint,
        progress=progress,
        device="cpu",
    )
    return model, history


def main():
    torch.set_num_threads(1)
    checkpoint, output = map(Path, sys.argv[1:3])
    at = tuple(map(int, sys.argv[3:]))
    steps = {}

    def deadly(model, batch, epoch, draws):
        step = steps[epoch] = steps.get(epoch, -1) + 1
        if (epoch, step) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return loss(model, batch, epoch, draws)

    model, history = run(checkpoint, deadly, progress=True)
    torch.save({"model": model.state_dict(), "history": history.data()}, output)


if __name__ == "__main__":
    main()
