"""What averaging costs the encoder, and what a head for the variance sees that it does not.

Encoders of one subject, of pooled subjects with a head each, and of the population average
(`average_encoder`, or networks: `network_encoder`) predict responses in spaces that subjects have
in common (`common_space`), of images that no fit has seen. What the average loses
(`averaging_scores`) is held to what was planted (`planted_cost`) and to the fraction that subjects
share (`sharing_relation`). Then heads for the variance over trials (`variance_recovery`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainworth.bridges.averaging import (
    average_encoder,
    averaging_inputs,
    averaging_rows,
    common_space,
    image_inputs,
    network_encoder,
    sharing_relation,
    variance_power,
    variance_recovery,
)
from brainworth.bridges.averaging.average_encoder import OTHERS, Inputs
from brainworth.bridges.averaging.averaging_inputs import Truth
from brainworth.bridges.averaging.averaging_rows import CHASM, IMAGES, RIDGE
from brainworth.bridges.averaging.region_responses import Columns, Split
from brainworth.encoder.comparison import Plan
from brainworth.erosion import responses as shared
from brainworth.errors import BrainworthError
from brainworth.nsd import registry
from brainworth.nsd.simulate import truth
from brainworth.stats import multiplicities, stream


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
        source: averaging_rows.fraction_table(values, subjects) for source, values in shares.items()
    }
    for each in inputs:
        note(f"encoders, {each.name}")
        made = average_encoder.predict(each, spaces, seed)
        scored = averaging_rows.score(
            each.name, RIDGE, spaces, made, weights, subjects, names, settings, interval
        )
        data["encoders"] += scored
        table, costs = averaging_rows.costs(
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
        data["encoders"] += averaging_rows.score(
            IMAGES, CHASM, spaces[:1], made, weights, subjects, names, settings, interval
        )
    note("variance")
    data["variance"] = _variance(
        found, names, inputs, known, parts, settings, weights, interval, seed
    )
    data["summary"] = averaging_rows.summary(data)
    return data


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
