"""Where the data of a study came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def origin(source: str, rdms: str | None, roi_means: str | None) -> str:
    """Return the source of the data.

    Parameters
    ----------
    source : {"simulated", "local", "s3"}
        What ``data.source`` says.
    rdms, roi_means : str or None
        What ``rdms.file`` and ``roi_means.dir`` say; they come before ``data.source``.

    Returns
    -------
    {"simulated", "local", "s3", "rdms", "roi_means"}
    """
    if rdms is not None:
        return "rdms"
    return source if roi_means is None else "roi_means"


def matching_of(by_rule: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return what the matching of stimuli found, of whatever data; None without one."""
    found = by_rule.get("match_stimuli") or by_rule.get("match_roi_means")
    return None if found is None else found["data"]


def is_simulated(source: str, matching: Mapping[str, Any] | None) -> bool:
    """Say whether the data are simulated, also where simulated files were read as a tree."""
    return source == "simulated" or bool(matching is not None and matching.get("simulated"))
