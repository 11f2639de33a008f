"""Ridge regression and linear probes of one subject, beside what needs no model.

Rows: `zero` and `mean` predict a constant; `global_only` is the regression from the global vector;
`probe_LAYER` from the global vector and mean token of one layer, as the published probes; `ridge`
from all features with their places. On simulated data `true_features` is the regression from the
features that the responses were made of: what it misses of the noise ceiling, fitting misses.

Penalties are chosen voxel by voxel by cross-validation over training images. Clusters, the targets
of stage 1, are predicted from the same features as targets of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tqdm import tqdm

from brainworth.encoder import cluster_noise, clusters, kfold_ridge, linear_features, scores
from brainworth.encoder import targets as targets_
from brainworth.encoder.features import store
from brainworth.encoder.features.store import Features
from brainworth.encoder.predictions import Predictions
from brainworth.encoder.targets import Targets
from brainworth.errors import BrainworthError
from brainworth.stats import stream

LABELS = {
    "zero": "Zero",
    "mean": "Mean of the training images",
    "global_only": "Ridge, global vector only",
    "ridge": "Ridge, all features",
    "true_features": "Ridge, true features",
}


@dataclass(frozen=True)
class _Row:
    """A model: what it predicts, and how it was fitted.

    `test` and `validation` are pairs: voxels (n, V) and clusters (n, K).
    """

    name: str
    label: str
    test: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    n_features: int
    penalty: dict[str, float] | None


def probe_name(layer: str) -> str:
    """Return the row of the probe of a layer."""
    return f"probe_{layer.replace(' ', '_')}"


def analyse(
    features: Features,
    targets: Targets,
    *,
    ridge: Mapping[str, Any],
    cluster_settings: Mapping[str, Any],
    score_settings: Mapping[str, Any],
    interval: float,
    seed: int,
    atlas: np.ndarray | None = None,
    true_features: np.ndarray | None = None,
) -> tuple[dict[str, Any], Predictions]:
    """Fit and score all rows.

    Parameters
    ----------
    features : Features
        Row i belongs to row i of `targets`; not standardised.
    targets : Targets
    ridge, cluster_settings, score_settings : mappings
        Sections ``ridge``, ``clusters`` and ``scores`` of the configuration.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.
    atlas : array of shape (x, y, z), optional
        Labels of voxels, for clusters of kind ``atlas``.
    true_features : array of shape (N, F), optional
        What simulated responses were made of.

    Returns
    -------
    data : dict
        Ready for JSON: ``subject``, ``backend``, ``weights_sha256``, ``n_images`` by part,
        ``rows``, and ``differences``: ridge minus each other row, paired.
    predictions : Predictions
        Of `ridge`.

    Raises
    ------
    BrainworthError
        If rows do not belong together, or there are too few images to fit or score.
    """
    if not np.array_equal(features.nsd_id, targets.nsd_id):
        raise BrainworthError(
            f"features and responses of {targets.subject} are not of the same images in the same "
            "order; read the features with the responses' nsd_id"
        )
    train, validation, test = (
        targets.rows(part) for part in (targets_.TRAIN, targets_.VALIDATION, targets_.TEST)
    )
    labels = clusters.make(
        cluster_settings["kind"], cluster_settings["size"], targets.ijk, seed=seed, atlas=atlas
    )
    top = cluster_settings["top"]
    rois = clusters.aggregate(targets.values, labels, top).astype(np.float32)
    noise, ncsnr = cluster_noise.noise_of_clusters(targets, labels, top)
    folds = kfold_ridge.image_folds(
        targets.nsd_id[train],
        ridge["n_folds"],
        stream(seed, "encoder", "ridge", "folds", targets.subject),
    )
    common = {
        "n_repeats": targets.n_repeats[test],
        "min_ceiling": score_settings["min_ceiling"],
        "n_bootstrap": score_settings["n_bootstrap"],
        "seed": seed,
        "name": targets.subject,
    }

    def score(row: _Row) -> tuple[scores.Scored, scores.Scored]:
        of_voxels = scores.evaluate(
            row.test[0],
            targets.values[test],
            ncsnr=targets.ncsnr,
            noise_variance=targets.noise_variance,
            recalibration=(row.validation[0], targets.values[validation]),
            **common,
        )
        of_clusters = scores.evaluate(
            row.test[1],
            rois[test],
            ncsnr=ncsnr,
            noise_variance=noise,
            recalibration=(row.validation[1], rois[validation]),
            **common,
        )
        return of_voxels, of_clusters

    rows, scored, predictions = [], {}, None
    designs = _designs(features, train, ridge["token_features"], true_features)
    both = np.hstack([targets.values[train], rois[train]])
    n_rows = 2 + len(designs)
    with tqdm(total=n_rows, desc=f"linear {targets.subject}", disable=None) as bar:
        parts = {"train": train, "validation": validation, "test": test}
        for row in _models(designs, both, targets.values.shape[1], parts, folds, ridge):
            scored[row.name], of_clusters = score(row)
            rows.append(_describe(row, scored[row.name], of_clusters, interval))
            if row.name == "ridge":
                predictions = Predictions(
                    targets.nsd_id[test],
                    row.test[0],
                    targets.values[test],
                    row.validation[0],
                    targets.values[validation],
                )
            bar.update()
    data = {
        "subject": targets.subject,
        "backend": features.backend,
        "weights_sha256": features.weights_sha256,
        "n_images": {"train": len(train), "validation": len(validation), "test": len(test)},
        "rows": rows,
        "differences": [
            {"first": "ridge", "second": name}
            | {"voxels": scores.compare(scored["ridge"], found, interval)}
            for name, found in scored.items()
            if name != "ridge"
        ],
    }
    return data, predictions


def _designs(
    features: Features,
    train: np.ndarray,
    token_features: int,
    true_features: np.ndarray | None,
) -> dict[str, tuple[str, np.ndarray]]:
    """Return, by row, its label and what it predicts from (N, F)."""
    scaled = store.standardise(replace(features, tokens=features.tokens[:, :0]), train)
    designs = {"global_only": (LABELS["global_only"], scaled.global_)}
    for layer in scaled.layers:
        design = linear_features.overview(scaled, train, layer)
        designs[probe_name(layer)] = (f"Probe, {layer}", design)
    design = linear_features.everything(
        replace(scaled, tokens=features.tokens), train, token_features
    )
    designs["ridge"] = (LABELS["ridge"], design)
    if true_features is not None:
        designs["true_features"] = (LABELS["true_features"], np.asarray(true_features))
    return designs


def _models(
    designs: Mapping[str, tuple[str, np.ndarray]],
    both: np.ndarray,
    n_voxels: int,
    parts: Mapping[str, np.ndarray],
    folds: np.ndarray,
    ridge: Mapping[str, Any],
) -> Iterator[_Row]:
    """Yield the rows, constants first; `both` (n, V + K) are voxels and clusters in training."""
    held = [parts[name] for name in ("test", "validation")]
    for name, constant in (("zero", np.zeros(both.shape[1])), ("mean", both.mean(axis=0))):
        predicted = [
            np.broadcast_to(constant.astype(np.float32), (len(rows), constant.size))
            for rows in held
        ]
        yield _Row(name, LABELS[name], *_pairs(predicted, n_voxels), 0, None)
    for name, (label, design) in designs.items():
        training = design[parts["train"]]
        penalty = kfold_ridge.penalties(training, ridge["n_alphas"], ridge["alpha_range"])
        found = kfold_ridge.fit(training, both, folds, penalty)
        predicted = [found.predict(design[rows]) for rows in held]
        chosen = found.penalty[:n_voxels]
        yield _Row(
            name,
            label,
            *_pairs(predicted, n_voxels),
            design.shape[1],
            {
                "median": float(np.median(chosen) / penalty[0] * ridge["alpha_range"][0]),
                "share_at_smallest": float(np.mean(chosen == penalty[0])),
                "share_at_largest": float(np.mean(chosen == penalty[-1])),
            },
        )


def _pairs(predicted: Sequence[np.ndarray], n_voxels: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(each[:, :n_voxels], each[:, n_voxels:]) for each in predicted]


def _describe(
    row: _Row, of_voxels: scores.Scored, of_clusters: scores.Scored, interval: float
) -> dict[str, Any]:
    n_voxels = of_voxels.counts["n_voxels"]
    constant = n_voxels if row.name == "mean" else 0
    fitted = row.n_features > 0
    return {
        "row": row.name,
        "label": row.label,
        "stage1": scores.summarise(of_clusters, interval),
        "voxels": scores.summarise(of_voxels, interval),
        "parameters": (row.n_features + 1) * n_voxels if fitted else constant,
        "macs": row.n_features * n_voxels,
        "curve": [],
        "n_features": row.n_features,
        "penalty": row.penalty,
    }
