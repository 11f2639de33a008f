"""What the results of the encoder do not say."""

from __future__ import annotations

from html import escape

from brainworth.report.evidence import Evidence
from brainworth.report.ledger.table import unanswered


def limits(evidence: Evidence) -> list[str]:
    """List the limitations that hold for the parts that were run."""
    texts = [
        "<b>Encoder.</b> Each network was trained once, with one seed; intervals are over test"
        " images and take models and noise ceilings as given. The “VAE” as published has a"
        " posterior that never sees fMRI: a stochastic bottleneck, no model of how trials vary."
        " Targets of the most active voxels depend on the response that is to be predicted, and"
        " sequential clusters are runs along an axis of the volume, not neighbourhoods."
    ]
    if evidence.encoder_backend != "dinov2":
        texts.append(
            "<b>Features of the encoder</b> are of the backend"
            f" {escape(str(evidence.encoder_backend))}, not DINOv2: nothing here confirms or"
            " refutes a published number."
        )
    if evidence.simulated:
        texts.append(
            "<b>Size of the encoder.</b> Its networks are small here; those of the published size"
            " (studies/nsd-encoder.yaml) need a GPU and were not run on simulated data."
        )
    untested = unanswered(list(evidence.claims.values()), "chasm")
    if untested:
        texts.append(
            "<b>Statements on the encoder that no result here answers.</b> "
            + "; ".join(untested)
            + "."
        )
    return texts
