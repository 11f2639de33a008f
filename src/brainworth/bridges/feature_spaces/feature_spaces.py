"""Feature spaces side by side: how well each predicts responses, and finds images from them.

Units are images: folds and intervals, and signs and permutations of tests, are over images; the
test images are those of the encoder's targets. On simulated data planted spaces stand beside the
others, with what they can explain, and the best retrieval that there can be from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainworth.bridges.feature_spaces import (
    retrieval,
    space_contrasts,
    space_encoding,
    space_retrieval,
    space_truth,
)
from brainworth.bridges.feature_spaces.space_plan import Plan
from brainworth.bridges.feature_spaces.space_retrieval import MEASURES, Decoded, Draws, Found
from brainworth.bridges.feature_spaces.space_truth import Truth
from brainworth.bridges.feature_spaces.spaces import Reduced
from brainworth.encoder import scores
from brainworth.encoder.scores import Scored
from brainworth.encoder.targets import TEST, TRAIN, Targets
from brainworth.errors import BrainworthError
from brainworth.stats import stream

#: Statistics of encoding: r^2 over the noise ceiling; and what is explained of it, image by image.
SHARE, EXPLAINED = "share", "explained"
#: Retrieval by `retrieval.evidence`, where all else ranks by the cosine.
EVIDENCE = "evidence"
#: Why what is explained may be missing.
TOO_FEW = "too few training images for the components, or no voxel with a noise ceiling"


@dataclass(frozen=True)
class Subject:
    """What is found of one subject.

    Attributes
    ----------
    data : dict
        Ready for JSON.
    nsd_id : array of shape (n,)
        Of the test images.
    images : dict from measure to dict from space to array of shape (n,)
        Scores of each image, from its mean response.
    """

    data: dict[str, Any]
    nsd_id: np.ndarray
    images: dict[str, dict[str, np.ndarray]]


def analyse(
    targets: Targets,
    regions: Mapping[str, np.ndarray],
    spaces: Mapping[str, Reduced],
    plan: Plan,
    truth: Truth | None = None,
) -> Subject:
    """Compare the spaces in one subject.

    Parameters
    ----------
    targets : Targets
    regions : mapping from region to array of int
        Its voxels, as columns of the targets.
    spaces : mapping from name to Reduced
        Rows belong to the rows of `targets`; at least two.
    plan : Plan
    truth : Truth, optional
        Of simulated data.

    Raises
    ------
    BrainworthError
        If there are too few images, or rows do not belong together.
    """
    wrong = [name for name, space in spaces.items() if len(space.scores) != len(targets.nsd_id)]
    if wrong or len(spaces) < 2:
        raise BrainworthError(
            f"{targets.subject}: the comparison needs at least two spaces of the "
            f"{len(targets.nsd_id)} rows of the targets"
            + (f"; {', '.join(wrong)} has others" if wrong else "")
        )
    test = targets.rows(TEST)
    n = len(test)
    if n < retrieval.FEWEST_IMAGES:
        raise BrainworthError(
            f"{targets.subject} has {n} test images, and retrieval needs at least "
            f"{retrieval.FEWEST_IMAGES}; use more sessions (data.sessions), or set "
            "encoder.targets.test to shared"
        )
    draws = space_retrieval.draw(
        plan.seed, targets.subject, n, plan.n_permutations, plan.n_bootstrap
    )
    decoded = space_retrieval.decode(
        targets, spaces, ridge=plan.ridge, max_voxels=plan.max_voxels, seed=plan.seed
    )
    means, weighted, trials, shuffled = _retrieve(targets, spaces, decoded, draws, plan)
    scored, regional, adds = space_encoding.encode(targets, regions, spaces, plan)
    ideal, best = space_truth.best_retrieval(
        targets,
        decoded.voxels,
        list(spaces),
        truth,
        draws,
        sizes=space_retrieval.curve_sizes(plan.sizes, n),
        level=plan.interval,
    )
    images = {
        measure: {name: found.images[measure] for name, found in means.items()}
        for measure in MEASURES
    }
    images[EVIDENCE] = {name: found.images["top1"] for name, found in weighted.items()}
    if all(each is not None for each in adds.values()):
        images = {EXPLAINED: adds, **images}
    control = {name: found.images["top1"] for name, found in shuffled.items()}
    contrasts = _contrasts(images, scored, draws, plan, targets.subject)
    planted = space_truth.explained(targets, regions, truth, plan.min_ceiling)
    rows = [
        {
            "space": name,
            "n_dimensions": space.n_dimensions,
            "n_components": space.n_components,
            "effective_dimension": space.effective_dimension,
            "variance_kept": space.kept,
            "encoding": space_encoding.summarise(scored[name], plan.interval)
            | {
                EXPLAINED: _explained(adds[name], draws, plan),
                "planted": planted.get(name, {}).get(None),
            },
            "regions": [
                each | {"planted": planted.get(name, {}).get(each["region"])}
                for each in regional[name]
            ],
            "retrieval": means[name].summary,
            EVIDENCE: weighted[name].summary,
            "single_trials": trials[name].summary,
            "shuffled": shuffled[name].summary,
            "best": best[name],
            "by_dimension": space_retrieval.over_dimensions(
                decoded.means[name],
                space.whitened[test],
                decoded.error[name],
                plan.dimensions,
                plan.interval,
            ),
        }
        for name, space in spaces.items()
    ]
    tests = signed(control, draws, plan, targets.subject)
    data = {
        "subject": targets.subject,
        "n_images": {"train": len(np.unique(targets.nsd_id[targets.rows(TRAIN)])), "test": n},
        "n_voxels": len(targets.ijk),
        "n_voxels_decoded": len(decoded.voxels),
        "n_trials": len(targets.trials),
        "spaces": rows,
        "ideal": ideal,
        "differences": contrasts,
        "shuffled_differences": {
            "n_pairs": len(tests),
            "n_significant": sum(
                each["p_familywise"] <= 1 - plan.interval for each in tests.values()
            ),
            "smallest_p_familywise": min(each["p_familywise"] for each in tests.values()),
        },
        "unique": space_encoding.unique(targets, spaces, scored, plan),
    }
    return Subject(data, targets.nsd_id[test], images)


def _explained(adds: np.ndarray | None, draws: Draws, plan: Plan) -> dict[str, Any]:
    if adds is None:
        return {"estimate": None, "interval": None, "reason": TOO_FEW}
    return space_contrasts.mean(adds, draws.weights, plan.interval)


def _retrieve(
    targets: Targets,
    spaces: Mapping[str, Reduced],
    decoded: Decoded,
    draws: Draws,
    plan: Plan,
) -> tuple[dict[str, Found], ...]:
    """Find images from means, by evidence, from trials, and with mixed-up training images."""
    test = targets.rows(TEST)
    each_once = np.arange(len(test))
    sizes = space_retrieval.curve_sizes(plan.sizes, len(test))
    answer = []
    for queries, image, error in (
        (decoded.means, each_once, None),
        (decoded.means, each_once, decoded.error),
        (decoded.trials, np.searchsorted(test, targets.trial_row), None),
        (decoded.shuffled, each_once, None),
    ):
        found = {
            name: space_retrieval.measure(
                retrieval.cosine(queries[name], space.whitened[test])
                if error is None
                else retrieval.evidence(queries[name], space.whitened[test], error[name]),
                image,
                draws,
                sizes=sizes,
                level=plan.interval,
            )
            for name, space in spaces.items()
        }
        space_retrieval.add_familywise(found)
        answer.append(found)
    return tuple(answer)


def signed(
    of_spaces: Mapping[str, np.ndarray], draws: Draws, plan: Plan, owner: str
) -> dict[tuple[str, str], dict]:
    """Compare the scores of the same images in all spaces (`space_contrasts.of_images`).

    Parameters
    ----------
    of_spaces : mapping from space to array of shape (n,)
    owner : str
        A subject, or whatever draws its own signs; all measures have the same.
    """
    n = draws.weights.shape[1]
    rng = stream(plan.seed, "bridges", "feature_spaces", owner, "signs")
    signs = space_contrasts.draw_signs(rng, plan.n_permutations, n)
    return space_contrasts.of_images(of_spaces, signs, draws.weights, plan.interval)


def _contrasts(
    images: Mapping[str, Mapping[str, np.ndarray]],
    scored: Mapping[str, Scored],
    draws: Draws,
    plan: Plan,
    owner: str,
) -> list[dict[str, Any]]:
    """Return the differences of all pairs of spaces, in retrieval and in encoding."""
    by_measure = {name: signed(each, draws, plan, owner) for name, each in images.items()}
    known = all("share_unclipped" in each.estimates for each in scored.values())
    answer = []
    for first, second in space_contrasts.pairs(list(scored)):
        share = {"estimate": None, "interval": None}
        if known:
            found = scores.compare(scored[first], scored[second], plan.interval)
            share = found["share_unclipped"]
        answer.append(
            {"first": first, "second": second, SHARE: share}
            | {name: found[first, second] for name, found in by_measure.items()}
        )
    return answer
