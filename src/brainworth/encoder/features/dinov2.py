"""DINOv2 (Oquab et al. 2024): class token and patch tokens of ViT-B/14.

The model is that of transformers, read from files on this machine and never from a network. All
four layers pass the model's last normalisation, as the original code does for intermediate layers
(`get_intermediate_layers(norm=True)`). Images are resized whole (bicubic), not cropped, so that no
part of what was shown is lost.
"""

from __future__ import annotations

import pickle
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from brainworth.encoder import devices
from brainworth.encoder.features import weights
from brainworth.encoder.features.block import Block
from brainworth.errors import BrainworthError

SIZE = 224
GRID = 16
LAYERS = (3, 6, 9, 12)
MEAN = (0.485, 0.456, 0.406)  # of ImageNet, which the model was trained with
SD = (0.229, 0.224, 0.225)
#: What a single file is taken to be, since it does not say: ViT-B/14 as published.
VIT_B = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 518,
    "patch_size": 14,
}

_DIRECT = {
    "cls_token": "embeddings.cls_token",
    "pos_embed": "embeddings.position_embeddings",
    "mask_token": "embeddings.mask_token",
    "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
    "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
    "norm.weight": "layernorm.weight",
    "norm.bias": "layernorm.bias",
}
_IN_BLOCK = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}


@dataclass(frozen=True)
class Model:
    """A loaded model.

    Attributes
    ----------
    network : transformers.Dinov2Model
    layers : tuple of four int
        Layers described, counted from 1.
    """

    network: Any
    layers: tuple[int, ...]
    device: str


def layer_names(layers: tuple[int, ...] = LAYERS) -> list[str]:
    """Name layers."""
    return [f"layer {layer}" for layer in layers]


def load(
    path: Path,
    *,
    device: str = "cpu",
    config: dict[str, Any] | None = None,
    layers: tuple[int, ...] = LAYERS,
) -> Model:
    """Load a model.

    Parameters
    ----------
    path : path
        A folder that transformers wrote, a ``.safetensors`` file or an original ``.pth`` file.
    config : dict, optional
        Arguments of transformers' ``Dinov2Config`` for a file; ViT-B/14 by default.

    Raises
    ------
    BrainworthError
        If there are no weights, the file is damaged, or a tensor is missing, unexpected or of
        another shape; if transformers is not installed.
    """
    file = weights.locate(path)
    try:
        from transformers import Dinov2Config, Dinov2Model
        from transformers.utils import logging
    except ImportError as error:
        raise BrainworthError(
            f"encoder.features.backend is dinov2, and transformers cannot be imported ({error}); "
            "install it (pip install 'brainworth[dinov2]'), or set the backend to gabor"
        ) from None
    logging.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # what it would warn of is refused below
    # Tensors of another shape are to be in the report, as are all that do not fit.
    options = {
        "local_files_only": True,
        "output_loading_info": True,
        "ignore_mismatched_sizes": True,
        "dtype": torch.float32,
    }
    try:
        if path.is_dir():
            made, report = Dinov2Model.from_pretrained(path, **options)
        else:
            tensors = _read(file)
            if file.suffix == ".pth":
                tensors = rename(tensors)
            with tempfile.TemporaryDirectory() as folder:
                _save(tensors, Dinov2Config(**(config or VIT_B)), Path(folder))
                made, report = Dinov2Model.from_pretrained(folder, **options)
    except BrainworthError:
        raise
    except Exception as error:  # safetensors, pickle and transformers each raise their own
        raise BrainworthError(
            f"{path} cannot be read as DINOv2 ({type(error).__name__}: {_first_line(error)}); "
            f"expected {weights.LAYOUTS}"
        ) from None
    finally:
        logging.set_verbosity(verbosity)
    _refuse_other_tensors(report, path)
    depth = made.config.num_hidden_layers
    if max(layers) > depth:
        raise BrainworthError(f"{path} has {depth} layers, expected at least {max(layers)}")
    if SIZE // made.config.patch_size != GRID:
        raise BrainworthError(f"{path} has patches of {made.config.patch_size} pixels, expected 14")
    return Model(made.to(device).eval(), tuple(layers), device)


def describe(images: np.ndarray, *, model: Model, grid: int) -> Block:
    """Describe images.

    Parameters
    ----------
    images : array of shape (B, H, W, 3), uint8
        RGB.
    grid : int
        Tokens along a side: 1, 2, 4, 8 or 16; patches are averaged.

    Returns
    -------
    Block
        Class token and patch tokens of the last of the layers; class token and mean patch of each.
    """
    pixels = torch.from_numpy(np.stack([_prepare(image) for image in images]))
    room = devices.enough_memory(
        f"DINOv2 of {len(images)} images at a time", "lower encoder.features.batch"
    )
    with torch.inference_mode(), devices.single_precision(), room:
        states = model.network(pixels.to(model.device), output_hidden_states=True).hidden_states
        layers = {}
        for layer, name in zip(model.layers, layer_names(model.layers), strict=True):
            state = model.network.layernorm(states[layer]).float()
            layers[name] = (state[:, 0].cpu().numpy(), state[:, 1:].mean(dim=1).cpu().numpy())
        cells = state[:, 1:].transpose(1, 2).unflatten(2, (GRID, GRID))
        tokens = torch.nn.functional.avg_pool2d(cells, GRID // grid).flatten(2).transpose(1, 2)
    return Block(layers[name][0], tokens.contiguous().cpu().numpy(), layers)


def rename(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give tensors of an original file the names that transformers has on disk.

    Query, key and value are one tensor in the original. A name that is not known stays, and is
    refused as unexpected when loaded.
    """
    renamed = {}
    for name, tensor in tensors.items():
        found = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
        if not found:
            renamed[_DIRECT.get(name, name)] = tensor
            continue
        block, rest = f"encoder.layer.{found[1]}", found[2]
        stem, _, kind = rest.rpartition(".")
        if stem == "attn.qkv":
            for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                renamed[f"{block}.attention.attention.{part}.{kind}"] = piece.contiguous()
        elif rest in ("ls1.gamma", "ls2.gamma"):
            renamed[f"{block}.layer_scale{rest[2]}.lambda1"] = tensor
        elif stem in _IN_BLOCK:
            renamed[f"{block}.{_IN_BLOCK[stem]}.{kind}"] = tensor
        else:
            renamed[name] = tensor
    return renamed


def _prepare(image: np.ndarray) -> np.ndarray:
    """Resize and normalise one image, (H, W, 3) uint8 -> (3, 224, 224) float32."""
    resized = Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    scaled = (np.asarray(resized, dtype=np.float32) / 255 - MEAN) / SD
    return scaled.transpose(2, 0, 1).astype(np.float32)


def _read(file: Path) -> dict[str, torch.Tensor]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    try:
        tensors = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise BrainworthError(
            f"{file} holds more than tensors, and is not loaded, since that could run code; "
            f"expected {weights.LAYOUTS}"
        ) from None
    if not isinstance(tensors, dict) or not all(
        isinstance(tensor, torch.Tensor) for tensor in tensors.values()
    ):
        raise BrainworthError(f"{file} is no table of tensors; expected {weights.LAYOUTS}")
    return tensors


def _save(tensors: dict[str, torch.Tensor], config: Any, folder: Path) -> None:
    """Lay tensors out as a folder of transformers."""
    from safetensors.torch import save_file

    config.architectures = ["Dinov2Model"]
    config.save_pretrained(folder)
    plain = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    save_file(plain, folder / "model.safetensors", metadata={"format": "pt"})


def _refuse_other_tensors(report: dict[str, Any], path: Path) -> None:
    """Refuse weights that are not exactly those of the model: the rest would be random."""
    for kind in ("missing", "unexpected", "mismatched"):
        # A mismatched one comes with its two shapes.
        keys = report[f"{kind}_keys"]
        found = sorted(key if isinstance(key, str) else str(key[0]) for key in keys)
        if found:
            raise BrainworthError(
                f"{path}: {len(found)} tensors are {kind}, the first is {found[0]}; these are not "
                f"the weights of this model: expected {weights.LAYOUTS}"
            )
    if report.get("error_msgs"):
        raise BrainworthError(f"{path} cannot be loaded as DINOv2: {report['error_msgs'][0]}")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
