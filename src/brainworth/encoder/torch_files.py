"""Files of PyTorch: whole or absent, and read without running code that is in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from brainworth.errors import BrainworthError
from brainworth.files import whole


def save(path: Path, schema: str, content: Mapping[str, Any]) -> None:
    """Write tensors, numbers and text, in dicts and lists."""
    with whole(path) as part:
        torch.save({"schema": schema, **content}, part)


def load(path: Path, schema: str, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read what `save` wrote.

    Raises
    ------
    BrainworthError
        If the file is missing or damaged, or has another schema.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise BrainworthError(f"{path} does not exist; run the rule that writes it") from None
    except Exception as error:
        # The reader of pickles raises whatever a damaged byte makes of it.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BrainworthError(
            f"{path} is damaged, or no file of PyTorch ({reason}); delete it and run again"
        ) from None
    if not isinstance(content, dict) or content.get("schema") != schema:
        raise BrainworthError(f"{path} has not the schema {schema}; delete it and run again")
    return content
