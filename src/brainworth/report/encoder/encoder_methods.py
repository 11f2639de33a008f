"""How the encoder was trained and scored, with the parameters used."""

from __future__ import annotations

from html import escape

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.evidence import Evidence
from brainworth.report.numbers import number, percent, whole
from brainworth.report.published import cite

ZSCORED = {"train": "trials of training images only", "all": "all trials, those of test images too"}


def methods(evidence: Evidence) -> list[Flowable]:
    """Describe features, targets, training and scores."""
    return [
        layout.heading("Methods of the encoder", 2),
        layout.body(*_features(evidence), *_targets(evidence)),
        layout.body(
            f"<b>Model</b> {cite('chasm')}. Stage 1 predicts clusters of voxels from a global"
            f" vector and from tokens of the image, by a stream of Mamba-2 blocks {cite('mamba2')}"
            " each and a gate; stage 2, with stage 1 frozen, predicts the voxels.",
            *_training(evidence),
            "Training stops by validation images, penalties are chosen by training images; test"
            " images are used for the scores only.",
        ),
        layout.body(
            "<b>Scores</b> are means over voxels or clusters. Every error stands beside that of"
            " predicting zero, that of a model without error (noise is all that is left), and the"
            " least that the correlation allows (bound), below which no prediction can be. The"
            " recalibrated error has slope and offset of each voxel fitted on validation images."
            " NC is the noise ceiling, r²/NC has the sign of r, and identified is the share of"
            " pairs of images told apart by the pattern of voxels (chance one half). All models of"
            " a subject share the resamples of test images, so that differences are paired."
        ),
    ]


def _features(evidence: Evidence) -> list[str]:
    found = evidence.encoder_features
    if found is None:
        return []
    digest = found["weights_sha256"]
    weights = f" (weights {escape(digest[:16])})" if digest else ""
    dinov2 = f" {cite('dinov2')}" if found["backend"] == "dinov2" else ""
    return [f"<b>Features</b>: backend {escape(found['backend'])}{dinov2}{weights}."]


def _targets(evidence: Evidence) -> list[str]:
    given = evidence.encoder_params("encoder.targets")
    texts = []
    if given is not None:
        texts.append(
            f"<b>Targets</b> are z-scored by {ZSCORED[given['zscore_fit']]}, test images are means"
            f" over repetitions, {percent(given['validation'])} % of the other images are for"
            " validation."
        )
    for each in evidence.encoder_targets:
        splits = each["splits"]
        sizes = ", ".join(f"{whole(part['n_images'])} {name}" for name, part in splits.items())
        texts.append(f"{each['subject']}: {sizes} images, {whole(each['n_voxels'])} voxels.")
    return texts


def _training(evidence: Evidence) -> list[str]:
    given = {stage: evidence.encoder_params(f"encoder.train_stage{stage}") for stage in (1, 2)}
    told = {
        stage: f"at most {each['epochs']} epochs, batches of {each['batch']}, learning rate"
        f" {number(each['lr'], 4)}, stopped after {each['patience']} epochs without a better"
        " validation"
        for stage, each in given.items()
        if each is not None
    }
    if len(set(told.values())) == 1 and len(told) == 2:
        return [f"Both stages: {told[1]}."]
    return [f"Stage {stage}: {text}." for stage, text in told.items()]
