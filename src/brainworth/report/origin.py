"""Where the data of a study came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def origin(source: str, by_rule: Mapping[str, dict[str, Any]]) -> str:
    """Return the source of the data; simulated also where simulated files were read as a tree.

    Parameters
    ----------
    source : {"simulated", "local", "s3", "rdms"}
        What the configuration says.
    by_rule : mapping from rule to result envelope
    """
    matching = by_rule.get("match_stimuli", {}).get("data")
    return "simulated" if matching is not None and matching.get("simulated") else source
