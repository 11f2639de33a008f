"""What the main process of a run leaves to its jobs, through the environment they inherit.

A job that starts hours later, on another node, must see the configuration of the run, not an
edited file; import the library of this checkout; and know its commit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from brainworth import files, frozen, results
from brainworth.config import Config

FROZEN_CONFIG = "BRAINWORTH_FROZEN_CONFIG"
GIT_COMMIT = "BRAINWORTH_GIT_COMMIT"


def freeze_config(config: Config, folder: Path) -> Path:
    """Keep the configuration of this run, and name the copy in the environment.

    Parameters
    ----------
    config : Config
    folder : path
        Where copies are kept, each named after its content.

    Returns
    -------
    path
        The copy.
    """
    kept = frozen.path_of(config, folder)
    if not kept.exists():
        with files.whole(kept) as part:
            part.write_text(frozen.text_of(config), encoding="utf-8")
    os.environ[FROZEN_CONFIG] = str(kept)
    return kept


def read_frozen_config(config: dict[str, Any]) -> None:
    """Replace a configuration by the one that the main process of this run left.

    Snakemake lays the studies of its command line over it once more in each job of a cluster, as
    they are by then.
    """
    kept = os.environ.get(FROZEN_CONFIG)
    if kept is not None:
        config.clear()
        config.update(yaml.safe_load(Path(kept).read_text(encoding="utf-8")))


def prepare_jobs(checkout: Path) -> None:
    """Let jobs import the library of a checkout, and record its commit in their results."""
    source = str(checkout / "src")
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = [part for part in known if part not in ("", source)]
    os.environ["PYTHONPATH"] = os.pathsep.join([source, *others])
    os.environ[GIT_COMMIT] = results.git_commit(checkout) or ""
