"""Where the weights of DINOv2 are, and whether they are the right ones.

Imports neither torch nor transformers, so that a run can be refused before it starts.
"""

from __future__ import annotations

from pathlib import Path

from brainworth import files
from brainworth.errors import BrainworthError

#: The file of a folder that transformers wrote.
IN_FOLDER = ("model.safetensors", "pytorch_model.bin")
LAYOUTS = (
    "a folder that transformers wrote (config.json and model.safetensors), a .safetensors file of "
    "the same tensors, or the original .pth file (dinov2_vitb14_pretrain.pth); ViT-B/14 is 346 MB"
)


def locate(path: Path) -> Path:
    """Return the file that holds the weights.

    Parameters
    ----------
    path : path
        `encoder.features.weights`: a folder or a file.

    Raises
    ------
    BrainworthError
        If there is none.
    """
    if path.is_dir():
        found = [path / name for name in IN_FOLDER if (path / name).is_file()]
        if found and (path / "config.json").is_file():
            return found[0]
    elif path.is_file() and path.suffix in (".safetensors", ".pth"):
        return path
    elif path.is_file():
        raise BrainworthError(
            f"encoder.features.weights: {path} has another ending than .safetensors and .pth; "
            f"expected {LAYOUTS}"
        )
    raise BrainworthError(
        f"encoder.features.weights: no weights of DINOv2 at {path}; put there {LAYOUTS}, or set "
        "encoder.features.backend to gabor, which needs none"
    )


def check(path: Path, sha256: str | None) -> str:
    """Return the SHA-256 of the file of weights.

    Parameters
    ----------
    sha256 : str or None
        What it must be; None takes any.

    Raises
    ------
    BrainworthError
        If there are none, or others.
    """
    file = locate(path)
    found = files.sha256(file)
    if sha256 is not None and found != sha256:
        raise BrainworthError(
            f"encoder.features.sha256: {file} has SHA-256 {found}, expected {sha256}; get the "
            "weights again, or correct the setting"
        )
    return found
