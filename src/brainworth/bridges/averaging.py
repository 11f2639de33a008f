"""What averaging costs the encoder, and what a head for the variance sees that it does not.

Encoders of one subject, of pooled subjects with a head each, and of the population average
(`average_encoder`, or networks: `network_encoder`) predict responses in spaces that subjects have
in common (`common_space`), of images that no fit has seen. What the average loses
(`averaging_scores`) is held to what was planted (`planted_cost`) and to the fraction that subjects
share (`sharing_relation`). Then heads for the variance over trials (`variance_recovery`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from brainworth.bridges import (
    average_encoder,
    averaging_inputs,
    averaging_scores,
    common_space,
    image_inputs,
    network_encoder,
    planted_cost,
    sharing_relation,
    variance_head,
    variance_power,
    variance_recovery,
)
from brainworth.bridges.average_encoder import AVERAGE, OTHERS, Inputs, Predictions
from brainworth.bridges.averaging_inputs import Truth
from brainworth.bridges.common_space import Space
from brainworth.bridges.region_responses import Columns, Split
from brainworth.encoder.comparison import Plan
from brainworth.erosion import responses as shared
from brainworth.errors import BrainworthError
from brainworth.nsd import registry
from brainworth.nsd.simulate import truth
from brainworth.stats import multiplicities, stream

RIDGE, CHASM = "ridge", "chasm"
IMAGES = "images"


def analyse(
    extracts: Mapping[str, Path],
    splits: Mapping[str, Path],
    regions: Sequence[str],
    read: image_inputs.Read,
    *,
    settings: Mapping[str, Any],
    alignment: Mapping[str, Any] | None,
    known: Truth | None,
    plan: Plan | None,
    interval: float,
    seed: int,
    note: Callable[[str], None] = lambda _: None,
) -> dict:
    """Run the bridge.

    Parameters
    ----------
    extracts, splits : mappings from subject to path
        What `betas.extract` and `targets.write` wrote, of the same subjects in the same order.
    regions : sequence of str
    read : callable
        From 0-based 73K ids to features, row by row.
    settings : mapping
        Section ``bridges.averaging`` of the configuration.
    alignment : mapping or None
        Data of the erosion test of this name; None if the study does not run it.
    known : Truth or None
        What is planted, of simulated data.
    plan : Plan or None
        How networks are trained; needed if they are among the models.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.
    note : callable
        Called with a line before each part of the work.

    Returns
    -------
    dict
        Ready for JSON.

    Raises
    ------
    BrainworthError
        With fewer than two subjects, fewer than 10 test images, too few training images, or if no
        region is there in two subjects.
    """
    subjects = list(extracts)
    if len(subjects) < 2:
        raise BrainworthError(
            "bridges.averaging compares subjects and needs at least two; add some to "
            "bridges.subjects"
        )
    note("responses")
    repeated = shared.repeated_stimuli(dict(extracts), 2, "bridges.averaging")
    parts = {
        subject: averaging_inputs.read_split(path, repeated) for subject, path in splits.items()
    }
    averaging_inputs.check(parts)
    found, maps, fractions, missing = averaging_inputs.read(
        extracts, parts, regions, settings, known
    )
    kept = [r for r in range(len(regions)) if sum(row[r] is not None for row in found) >= 2]
    names = [regions[r] for r in kept]
    if not kept or any(all(row[r] is None for r in kept) for row in found):
        raise BrainworthError(
            "bridges.averaging needs regions that two subjects or more have, and one of them in "
            "each subject; change rois, or bridges.subjects"
        )
    found = [[row[r] for r in kept] for row in found]
    maps = None if maps is None else [[row[r] for r in kept] for row in maps]
    spaces = common_space.spaces(found, maps, stream(seed, "averaging", "halves"))
    weights = multiplicities(
        stream(seed, "averaging", "bootstrap"),
        settings["n_bootstrap"],
        len(next(iter(parts.values())).test),
    )
    note("features")
    inputs = [_image_inputs(read, parts, settings, seed)]
    if known is not None:
        inputs.append(averaging_inputs.true_inputs(known, parts))
    n_train = np.array([len(part.train) for part in parts.values()])
    data: dict[str, Any] = {
        "subjects": [
            {
                "subject": subject,
                "n_training_images": len(part.train),
                "n_validation_images": len(part.validation),
                "n_test_images_left_out": len(part.held_out) - len(part.test),
            }
            for subject, part in parts.items()
        ],
        "regions": names,
        "missing": missing,
        "n_test_images": int(weights.shape[1]),
        "n_test_images_left_out": sum(
            len(part.held_out) - len(part.test) for part in parts.values()
        ),
        "n_dimensions": settings["n_dimensions"],
        "n_features": {each.name: int(each.test.shape[1]) for each in inputs},
        "n_bootstrap": settings["n_bootstrap"],
        "min_ceiling": settings["min_ceiling"],
        "interval": interval,
        "encoders": [],
        "costs": [],
        "relations": [],
        "networks": [],
    }
    shares = {"alignment": averaging_inputs.shared_fractions(alignment, subjects, names)}
    if known is not None:
        shares["planted"] = fractions[:, kept]
    data["shared_fraction"] = {
        source: _fraction_table(values, subjects) for source, values in shares.items()
    }
    for each in inputs:
        note(f"encoders, {each.name}")
        made = average_encoder.predict(each, spaces, seed)
        scored = _score(
            each.name, RIDGE, spaces, made, weights, subjects, names, settings, interval
        )
        data["encoders"] += scored
        table, costs = _costs(
            each.name, spaces, made, weights, subjects, names, interval, n_train, seed
        )
        data["costs"] += table
        for (space, encoder), cost in costs.items():
            if encoder != OTHERS:
                continue
            for source, values in shares.items():
                if np.isfinite(values).any():
                    data["relations"].append(
                        {"inputs": each.name, "space": space, "fraction": source}
                        | sharing_relation.relation(
                            values,
                            cost,
                            n_permutations=settings["n_permutations"],
                            n_bootstrap=settings["n_bootstrap"],
                            interval=interval,
                            seed=seed,
                        )
                    )
    if CHASM in settings["models"]:
        if plan is None:
            raise ValueError("networks need a plan")
        note("networks")
        made, data["networks"] = network_encoder.predictions(
            read,
            [part.train for part in parts.values()],
            [part.validation for part in parts.values()],
            next(iter(parts.values())).test,
            spaces[0],
            settings["max_network_images"],
            plan,
        )
        data["encoders"] += _score(
            IMAGES, CHASM, spaces[:1], made, weights, subjects, names, settings, interval
        )
    note("variance")
    data["variance"] = _variance(
        found, names, inputs, known, parts, settings, weights, interval, seed
    )
    data["summary"] = _summary(data)
    return data


def _summary(data: Mapping[str, Any]) -> dict:
    """Return what the bridge is quoted for: ridge from image features to region means."""
    share = next(
        row["share"]
        for row in data["encoders"]
        if (row["inputs"], row["model"], row["space"], row["size"], row["encoder"])
        == (IMAGES, RIDGE, common_space.ROI_MEAN, average_encoder.ALL, OTHERS)
    )
    cost = next(
        row
        for row in data["costs"]
        if (row["inputs"], row["space"], row["encoder"]) == (IMAGES, common_space.ROI_MEAN, OTHERS)
    )
    kept = ("estimate", "interval", "interval_subjects", "n_subjects")
    return {
        "share_of_others": {name: share[name] for name in kept},
        "cost": {name: cost[name] for name in kept},
        "variance": {
            row["predictors"]: row["mean"]
            for row in data["variance"]["heads"]
            if row["target"] == variance_head.COMPONENTS
        },
    }


def _image_inputs(
    read: image_inputs.Read, parts: Mapping[str, Split], settings: Mapping[str, Any], seed: int
) -> Inputs:
    return image_inputs.gather(
        read,
        [part.train for part in parts.values()],
        [part.validation for part in parts.values()],
        next(iter(parts.values())).test,
        token_features=settings["token_features"],
        n_components=settings["n_features"],
        seed=seed,
    )


def _fraction_table(values: np.ndarray, subjects: Sequence[str]) -> list[dict]:
    """Return the mean over regions of each subject's shared fraction."""
    known = np.isfinite(values)
    return [
        {
            "subject": subject,
            "fraction": float(values[s, known[s]].mean()) if known[s].any() else None,
            "n_regions": int(known[s].sum()),
        }
        for s, subject in enumerate(subjects)
    ]


def _named(spaces: Sequence[Space]) -> dict[str, list[int]]:
    """Return where the spaces of each name stand."""
    answer: dict[str, list[int]] = {}
    for place, each in enumerate(spaces):
        answer.setdefault(each.name, []).append(place)
    return answer


def _score(
    inputs: str,
    model: str,
    spaces: Sequence[Space],
    made: Predictions,
    weights: np.ndarray,
    subjects: Sequence[str],
    regions: Sequence[str],
    settings: Mapping[str, Any],
    interval: float,
) -> list[dict]:
    return [
        {"inputs": inputs, "model": model, "space": name} | row
        for name, places in _named(spaces).items()
        for row in averaging_scores.rows(
            [spaces[place] for place in places],
            places,
            made,
            weights,
            subjects,
            regions,
            min_ceiling=settings["min_ceiling"],
            level=interval,
        )
    ]


def _costs(
    inputs: str,
    spaces: Sequence[Space],
    made: Predictions,
    weights: np.ndarray,
    subjects: Sequence[str],
    regions: Sequence[str],
    interval: float,
    n_train: np.ndarray,
    seed: int,
) -> tuple[list[dict], dict[tuple[str, str], np.ndarray]]:
    """Return the table of relative costs, and the estimates (S, R) by space and encoder."""
    named = {}
    for name, places in _named(spaces).items():
        chosen = [spaces[place] for place in places]
        named[name] = chosen, places, averaging_scores.weights_of(weights, chosen)
    rng = stream(seed, "averaging", "training images", inputs)
    table, estimates = [], {}
    for name, found in averaging_scores.costs(named, made.halves, interval, rng).items():
        chosen = named[name][0]
        # what encoders from image features may explain is not planted
        known = inputs == averaging_inputs.TRUE
        truths = planted_cost.costs(chosen, n_train) if known else None
        for encoder in (AVERAGE, OTHERS):
            each = found[encoder]
            if truths is not None:
                each = replace(each, usable=each.usable & np.isfinite(truths[encoder]))
            row = averaging_scores.summary(each, subjects, regions, interval)
            if truths is not None:
                _add_planted(row, truths[encoder], each.usable)
            row["pairs"] = [
                {
                    "subject": subjects[s],
                    "region": regions[r],
                    "estimate": float(each.values[0, s, r]),
                    "planted": None if truths is None else float(truths[encoder][s, r]),
                }
                for s, r in np.argwhere(each.usable)
            ]
            table.append({"inputs": inputs, "space": name, "encoder": encoder} | row)
            estimates[name, encoder] = np.where(each.usable, each.values[0], np.nan)
    return table, estimates


def _add_planted(row: dict, planted: np.ndarray, usable: np.ndarray) -> None:
    """Put the planted cost beside each estimate, averaged over the same subjects and regions."""

    def number(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    row["planted"] = number(planted_cost.means(planted, usable))
    for each, value in zip(
        row["subjects"], planted_cost.means(planted, usable, axis=1), strict=True
    ):
        each["planted"] = number(value)
    for each, value in zip(
        row["regions"], planted_cost.means(planted, usable, axis=0), strict=True
    ):
        each["planted"] = number(value)


def _variance(
    found: Sequence[Sequence[Columns | None]],
    regions: Sequence[str],
    inputs: Sequence[Inputs],
    known: Truth | None,
    parts: Mapping[str, Split],
    settings: Mapping[str, Any],
    weights: np.ndarray,
    interval: float,
    seed: int,
) -> dict:
    chosen = settings["variance"]
    images, test = inputs[0], next(iter(parts.values())).test
    true = log_variance = None
    if known is not None:
        columns = [truth.own_features(subject, known.simulation) for subject in parts]
        true = [
            (inputs[1].train[s][:, own], inputs[1].test[:, own]) for s, own in enumerate(columns)
        ]
        rows = [registry.SUBJECTS.index(subject) for subject in parts]
        log_variance = known.images.log_variance[np.ix_(rows, test)]
    data = variance_recovery.analyse(
        found,
        regions,
        images,
        true,
        log_variance,
        **{
            name: chosen[name]
            for name in ("n_features", "n_components", "prior_sd", "n_folds", "n_surrogates")
        },
        weights=weights,
        interval=interval,
        seed=seed,
    )
    item = next(each for each in found[0] if each is not None)
    data["power"] = variance_power.power(
        images.train[0][item.train_repeated][:, : chosen["n_features"]],
        images.test[:, : chosen["n_features"]],
        item.train_degrees,
        item.degrees,
        log_sds=chosen["power_log_sds"],
        unrelated_log_sd=chosen["power_unrelated_log_sd"],
        n_replicates=chosen["power_replicates"],
        n_surrogates=chosen["n_surrogates"],
        prior_sd=chosen["prior_sd"],
        interval=interval,
        seed=seed,
    )
    return data
