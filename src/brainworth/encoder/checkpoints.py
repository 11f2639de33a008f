"""Checkpoints of a training: whole or absent, and only taken up by the training that wrote them."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from brainworth.codehash import code_hash
from brainworth.encoder import torch_files
from brainworth.errors import BrainworthError

SCHEMA = "brainworth-checkpoint/1"
SOURCE = Path(__file__).resolve().parents[2]


def save(path: Path, identity: str, state: Mapping[str, Any]) -> None:
    """Write a checkpoint; it appears whole or not at all.

    Its folder may vanish meanwhile, once: a job that outlived its main process, and was started
    again, removes it at its end.

    Parameters
    ----------
    path : path
    identity : str
        Of the training, see `identify`.
    state : mapping
        Tensors, numbers and text, in dicts and lists.
    """
    content = {"identity": identity, **state}
    try:
        torch_files.save(path, SCHEMA, content)
    except (FileNotFoundError, RuntimeError):  # the latter is PyTorch's for a missing folder
        torch_files.save(path, SCHEMA, content)


def load(path: Path | None, identity: str, device: str | torch.device) -> dict[str, Any] | None:
    """Read a checkpoint, or return None if there is none of this training.

    One of another training (other data, settings, seed or code) is not taken up: it will be
    overwritten.

    Raises
    ------
    BrainworthError
        If the file is damaged, or no checkpoint.
    """
    if path is None or not path.exists():
        return None
    try:
        state = torch_files.load(path, SCHEMA, device)
    except BrainworthError:
        if path.exists():
            raise
        return None  # removed since, see `save`
    return state if state["identity"] == identity else None


def identify(model: nn.Module, batches: Mapping[str, torch.Tensor], what: Mapping[str, Any]) -> str:
    """Return a digest of all that a training depends on.

    Parameters
    ----------
    model : Module
        Before training; its weights count, and the code of its class with all that it imports.
    batches : mapping from name to tensor
        The training data; their values count.
    what : mapping
        Anything else, ready for JSON.
    """
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode())
    digest.update(torch.__version__.encode())
    for file in (Path(inspect.getfile(type(model))), SOURCE / "brainworth/encoder/train.py"):
        digest.update(code_hash(file, SOURCE).encode())
    for group in (model.state_dict(), batches):
        for name, tensor in sorted(group.items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            plain = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            digest.update(plain.numpy())
    return digest.hexdigest()
