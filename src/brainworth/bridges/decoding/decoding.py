"""How decoding of image features grows with trials, and with subjects.

Three questions, kept apart:

* trials: one decoder a subject, from more and more of its own trials;
* subjects to learn from (`pooled`): a decoder for one subject that also learns from trials of
  others, who saw other images;
* brains to decode from (`brains`): the mean of what is decoded from several subjects, each by its
  own decoder, while they see the same image.

Only shared images are tested on, and no decoder has seen them. On simulated data the features that
responses were made of are decoded as well, and there it is known how well they can be decoded at
best (`decoding_ceiling`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from brainworth.bridges.decoding import (
    decoding_ceiling,
    decoding_laws,
    decoding_subjects,
    scaling_law,
    trials,
)
from brainworth.bridges.decoding.decoding_ceiling import Best
from brainworth.bridges.decoding.decoding_learning import Learned, learn
from brainworth.bridges.decoding.decoding_scores import KINDS, MEAN, SINGLE
from brainworth.bridges.decoding.decoding_spaces import Space, Standardised, standardise
from brainworth.errors import BrainworthError
from brainworth.nsd import betas
from brainworth.nsd.simulate import truth
from brainworth.sections.data import Simulation
from brainworth.stats import multiplicities, percentile_interval, stream


@dataclass(frozen=True)
class Truth:
    """Where the truth of simulated subjects is.

    Attributes
    ----------
    paths : dict from subject to path
        What `truth.write_subject` wrote.
    simulation : Simulation
    """

    paths: Mapping[str, Path]
    simulation: Simulation


def analyse(
    extracts: dict[str, Path],
    spaces: Sequence[Space],
    *,
    settings: Mapping[str, Any],
    min_repetitions: int,
    interval: float,
    seed: int,
    known: Truth | None = None,
) -> dict[str, Any]:
    """Decode from all subjects, at all sizes, and fit the laws.

    Parameters
    ----------
    extracts : dict from subject to path
        Betas (``betas_subjXX.h5``); one subject is in memory at a time.
    spaces : sequence of Space
    settings : mapping
        Section ``bridges.decoding`` of the configuration.
    min_repetitions : int
        How often every subject must have seen a shared image for it to be a test image.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.
    known : Truth, optional
        Of simulated data.

    Returns
    -------
    dict
        Ready for JSON: ``subjects`` (what each brought), ``sizes``, ``spaces`` with ``tests`` (one
        a kind), ``pooled`` and ``brains``, and ``headline``: of the first space, in single trials.

    Raises
    ------
    BrainworthError
        If there are too few test images, trials or sizes, or numbers are missing.
    """
    settings, absent = _of_study(settings, extracts)
    tested = trials.test_images(extracts, min_repetitions)
    train = {subject: _training_images(path) for subject, path in extracts.items()}
    n_trials = {subject: len(ids) for subject, ids in train.items()}
    sizes = trials.doublings(settings["smallest"], n_trials, scaling_law.FEWEST_SIZES)
    rng = stream(seed, "bridges", "decoding", "test images")
    counts = np.vstack(
        [np.ones(len(tested)), multiplicities(rng, settings["n_bootstrap"], len(tested))]
    )
    everything = np.unique(np.concatenate(list(train.values())))
    ready = [
        standardise(space, everything, tested, counts, settings["n_components"]) for space in spaces
    ]
    many = sorted({n for n in settings["n_subjects"] if n <= len(extracts)} | {1})
    learned: list[list[Learned]] = []
    about, best, shares = [], [], []
    for subject, path in extracts.items():
        mine = trials.read(path, settings["regions"], tested)
        learned.append(learn(mine, ready, sizes, settings, seed, len(many) > 1))
        repeats = np.unique(mine.test, return_counts=True)[1]
        shares.append(float(np.mean(1 / repeats)))
        about.append(
            {
                "subject": subject,
                "n_voxels": len(mine.voxel),
                "regions_without_voxels": [
                    name for name in settings["regions"] if name not in mine.regions
                ],
                "n_trials": len(mine.train),
                "n_images": len(np.unique(mine.train)),
                "n_test_trials": len(mine.test),
                "mean_inverse_repetitions": shares[-1],
                "n_trials_of_other_shared_images": mine.n_left_out,
            }
        )
        if known is not None:
            best.append(_best(path, mine.voxel, known.paths[subject], known.simulation))
    answer: dict[str, Any] = {
        "interval": interval,
        "regions": settings["regions"],
        "regions_not_in_the_study": absent,
        "subjects": about,
        "n_test_images": len(tested),
        "sizes": sizes,
        "numbers_of_subjects": many,
        "spaces": [],
    }
    for number, one in enumerate(ready):
        of_space = [each[number] for each in learned]
        planted = best if one.space.planted else []
        answer["spaces"].append(
            {
                "space": one.space.name,
                "label": one.space.label,
                "n_features": int(one.kept.sum()),
                "n_features_dropped": int((~one.kept).sum()),
                "n_components": one.components.shape[1],
                "tests": [
                    _test(kind, one, of_space, about, planted, sizes, settings, interval, seed)
                    for kind in KINDS
                ],
                "pooled": decoding_subjects.pooled(
                    one, of_space, many, sizes, settings, interval, seed
                )
                if len(many) > 1
                else None,
                "brains": [
                    row
                    for kind in KINDS
                    for row in decoding_subjects.brains(
                        one, of_space, kind, many, sizes, interval, planted, shares
                    )
                ]
                if len(many) > 1
                else None,
            }
        )
    answer["headline"] = _headline(answer["spaces"][0])
    return answer


def _of_study(
    settings: Mapping[str, Any], extracts: dict[str, Path]
) -> tuple[dict[str, Any], list[str]]:
    """Return the settings with the regions that the extracts have, and the others."""
    path = next(iter(extracts.values()))
    known = betas.regions_in(path)
    kept = [name for name in settings["regions"] if name in known]
    if not kept:
        raise BrainworthError(
            f"{path} has none of bridges.decoding.regions ({', '.join(settings['regions'])}), but"
            f" {', '.join(known)}; name some of these"
        )
    return {**settings, "regions": kept}, [n for n in settings["regions"] if n not in known]


def _training_images(path: Path) -> np.ndarray:
    """Return the image of each trial that may be learned from."""
    with betas.open_extract(path) as file:
        return file["trials/nsd_id"][:][~file["trials/shared"][:].astype(bool)]


def _best(path: Path, voxel: np.ndarray, where: Path, simulation: Simulation) -> Best:
    with h5py.File(path, "r") as file:
        ijk, shape = file["voxels/ijk"][:][voxel], tuple(file.attrs["volume_shape"])
    weights, loadings = decoding_ceiling.of_voxels(truth.read_subject(where), ijk, shape)
    return decoding_ceiling.best_decoder(weights, loadings, simulation, simulation.shared_features)


def _planted(
    best: list[Best], kind: str, shares: list[float], rows: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Return where training without end leads to, and how many fitted ceilings hold it."""
    if not best:
        return None
    each = [
        float(one.correlation(share if kind == MEAN else 1.0).mean())
        for one, share in zip(best, shares, strict=True)
    ]
    bounds = [row["saturating"]["ceiling"]["interval"] for row in rows]
    inside = [low <= known <= high for known, (low, high) in zip(each, bounds, strict=True)]
    return {
        "ceiling": float(np.mean(each)),
        "subjects": each,
        "n_subjects_inside": int(np.sum(inside)),
    }


def _test(
    kind: str,
    space: Standardised,
    learned: list[Learned],
    about: list[dict[str, Any]],
    best: list[Best],
    sizes: list[int],
    settings: Mapping[str, Any],
    interval: float,
    seed: int,
) -> dict[str, Any]:
    """Describe the curves of one kind of test."""
    name = ("bridges", "decoding", space.space.name, kind)
    r = np.stack([each.r[kind] for each in learned])
    null = np.stack([each.null[kind] for each in learned])
    n_draws = settings["n_bootstrap"]
    shares = [subject["mean_inverse_repetitions"] for subject in about]
    found = decoding_laws.laws(sizes, r, interval, n_draws, stream(seed, *name, "laws"))
    null_laws = decoding_laws.laws(sizes, null, interval, n_draws, stream(seed, *name, "null"))
    for place, point in enumerate(found["points"]):
        point["r2"] = float(np.mean([each.r2[kind][place] for each in learned]))
    for row, subject, each in zip(found["subjects"], about, learned, strict=True):
        row["subject"] = subject["subject"]
        row["points"] = [
            {
                "n_trials": size,
                "n_images": each.n_images[place],
                "n_subsets": each.n_subsets[place],
                "estimate": float(each.r[kind][place, 0]),
                "interval": list(percentile_interval(each.r[kind][place, 1:], interval)),
                "sd_of_subsets": _or_none(each.spread[kind][place]),
                "r2": float(each.r2[kind][place]),
                "p": float(each.p[kind][place]),
                "penalty": each.penalty[place],
            }
            for place, size in enumerate(sizes)
        ]
    return {
        "kind": kind,
        "n_permutations": settings["n_permutations"],
        **found,
        "planted": _planted(best, kind, shares, found["subjects"]),
        "null": {key: null_laws[key] for key in ("points", "slope", "bend")},
    }


def _headline(space: dict[str, Any]) -> dict[str, Any]:
    """Return what claims are held to: the first space, in single trials."""
    test = next(each for each in space["tests"] if each["kind"] == SINGLE)
    answer = {
        "space": space["space"],
        **{name: test[name] for name in ("slope", "last_doubling", "bend")},
        "ceiling": test["saturating"]["ceiling"],
        "planted_ceiling": test["planted"] and test["planted"]["ceiling"],
        "largest": test["points"][-1],
    }
    doubling = space["pooled"] and space["pooled"]["doubling"]
    for name in ("trials", "subjects", "difference"):
        answer[f"doubling_{name}"] = doubling and doubling[name]
    return answer


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
