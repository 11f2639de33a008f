"""The copy of its configuration that a run keeps, named after its content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml

from brainworth.config import Config


def text_of(config: Config) -> str:
    """Return a configuration as YAML, keys sorted: equal settings give equal text."""
    return yaml.safe_dump(config.model_dump(), sort_keys=True)


def path_of(config: Config, folder: Path) -> Path:
    """Return where a run with this configuration keeps it."""
    digest = hashlib.sha256(text_of(config).encode()).hexdigest()[:12]
    return (folder / f"config.{digest}.yaml").resolve()
