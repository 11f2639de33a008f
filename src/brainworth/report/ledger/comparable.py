"""Whether results are of the same kind of thing as a publication, to be held to it at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brainworth.report.encoder import encoder_published
from brainworth.report.ledger.claims_file import ClaimEntry

#: Features that the statements on the encoder are about.
BACKEND = "dinov2"
#: Parts of the encoder that train no network.
WITHOUT_NETWORKS = ("encoder_targets", "encoder_linear")
#: By how much, as a share, stage 1 may differ from its published size.
SIZE = 0.05


def why_not(claim: ClaimEntry, results: Mapping[str, Sequence[dict[str, Any]]]) -> str | None:
    """Say why a result does not bear on a statement, or return None.

    Parameters
    ----------
    claim : ClaimEntry
    results : mapping from rule to sequence of result envelopes
    """
    if claim.source != "chasm":
        return None
    for envelope in results.get("encoder_features", []):
        backend = envelope["data"]["backend"]
        if backend != BACKEND and claim.test != "encoder_targets":
            return f"features here are of the backend {backend}, not DINOv2"
    if claim.test in WITHOUT_NETWORKS:
        return None
    here, there = _size(results), encoder_published.find("2a", "dual_mamba").parameters
    if here is not None and abs(here - there) > SIZE * there:
        return (
            f"stage 1 has {here / 1e6:.2f} million parameters here, {there / 1e6:.1f} as published"
        )
    return None


def _size(results: Mapping[str, Sequence[dict[str, Any]]]) -> int | None:
    """Return the number of parameters of the study's stage 1, if a result has it."""
    for envelope in results.get("encoder_chasm", []):
        return envelope["data"]["rows"][0]["stages"]["stage1"]["parameters"]
    for rule, name in (("encoder_stage1", "dual_mamba"), ("encoder_streams", "both")):
        for envelope in results.get(rule, []):
            for row in envelope["data"]["rows"]:
                if row["row"] == name:
                    return row["parameters"]
    return None
