"""Feature spaces compared over subjects, and the pair of an aligned space and another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from brainworth.bridges.feature_spaces import retrieval, space_contrasts, space_retrieval
from brainworth.bridges.feature_spaces.feature_spaces import EXPLAINED, SHARE, Subject, signed
from brainworth.bridges.feature_spaces.space_plan import Plan
from brainworth.bridges.feature_spaces.space_retrieval import MEASURES


def data(
    subjects: Sequence[Subject], spaces: Sequence[Mapping[str, Any]], plan: Plan
) -> dict[str, Any]:
    """Return all that is found, ready for JSON.

    Parameters
    ----------
    spaces : sequence of mappings
        What the spaces are.
    """
    group = together(subjects, plan)
    return {
        "interval": plan.interval,
        "n_permutations": plan.n_permutations,
        "n_bootstrap": plan.n_bootstrap,
        "spaces": list(spaces),
        "subjects": [each.data for each in subjects],
        "group": group,
        "shuffled_differences": {
            key: sum(each.data["shuffled_differences"][key] for each in subjects)
            for key in ("n_pairs", "n_significant")
        },
        "pair": held(subjects, group, plan),
    }


def together(subjects: Sequence[Subject], plan: Plan) -> dict[str, Any]:
    """Compare the spaces over subjects, on the images that are test images of all of them.

    Parameters
    ----------
    subjects : sequence of Subject
        With the same spaces.

    Returns
    -------
    dict
        ``n_subjects``, ``n_images``; ``spaces``, each with the means over subjects of ``share``
        and, with intervals, of all that images have scores of; and ``differences`` of all pairs. An
        image's score is its mean over subjects, so that intervals and p-values are about these
        subjects and images like these. Where subjects share too few images, there is a ``reason``.
    """
    common = subjects[0].nsd_id
    for each in subjects[1:]:
        common = np.intersect1d(common, each.nsd_id)
    head: dict[str, Any] = {"n_subjects": len(subjects), "n_images": len(common)}
    names = list(subjects[0].images[MEASURES[0]])
    shares = {name: [_share_of(each, name) for each in subjects] for name in names}
    head["spaces"] = [
        {"space": name, SHARE: float(np.mean(shares[name])) if None not in shares[name] else None}
        for name in names
    ]
    if len(common) < retrieval.FEWEST_IMAGES:
        reason = f"the subjects have {len(common)} test images in common"
        return head | {"differences": None, "reason": reason}
    known = subjects[0].images
    measures = [name for name in known if all(name in each.images for each in subjects)]
    images = {
        measure: {
            name: np.mean(
                [
                    each.images[measure][name][np.searchsorted(each.nsd_id, common)]
                    for each in subjects
                ],
                axis=0,
            )
            for name in names
        }
        for measure in measures
    }
    owner = "all"
    draws = space_retrieval.draw(
        plan.seed, owner, len(common), plan.n_permutations, plan.n_bootstrap
    )
    for entry in head["spaces"]:
        for measure in measures:
            values = images[measure][entry["space"]]
            if measure == EXPLAINED:
                entry[measure] = space_contrasts.mean(values, draws.weights, plan.interval)
            else:
                entry[measure] = space_retrieval.entry(values, plan.interval)
    by_measure = {name: signed(each, draws, plan, owner) for name, each in images.items()}
    head["differences"] = [
        {"first": first, "second": second}
        | {name: found[first, second] for name, found in by_measure.items()}
        for first, second in space_contrasts.pairs(names)
    ]
    return head


def held(
    subjects: Sequence[Subject], group: Mapping[str, Any], plan: Plan
) -> dict[str, Any] | None:
    """Return how the aligned space of the pair compares with the other; None without a pair.

    Returns
    -------
    dict
        ``aligned``, ``unaligned``; ``group`` and ``subjects``: their difference, aligned minus
        other, of each measure; ``n_subjects``, and of them ``n_better`` (the interval of the
        difference in top-1 accuracy lies above 0), ``n_encoding`` (that of the share).
    """
    if plan.pair is None:
        return None
    rows = [
        {"subject": each.data["subject"]} | _oriented(each.data["differences"], plan.pair)
        for each in subjects
    ]
    known = [row[SHARE]["interval"] for row in rows if row[SHARE]["interval"] is not None]
    return {
        "aligned": plan.pair[0],
        "unaligned": plan.pair[1],
        "group": _oriented(group["differences"], plan.pair) if group["differences"] else None,
        "subjects": rows,
        "n_subjects": len(rows),
        "n_better": sum(row["top1"]["interval"][0] > 0 for row in rows),
        "n_encoding": sum(bounds[0] > 0 for bounds in known),
        "in_every_subject": all(row["top1"]["interval"][0] > 0 for row in rows),
    }


def _oriented(differences: Sequence[Mapping[str, Any]], pair: tuple[str, str]) -> dict[str, Any]:
    """Return the differences of a pair, the first minus the second."""
    for each in differences:
        named = (each["first"], each["second"])
        if sorted(named) != sorted(pair):
            continue
        measures = {name: found for name, found in each.items() if isinstance(found, Mapping)}
        if named == tuple(pair):
            return measures
        return {name: _negated(found) for name, found in measures.items()}
    raise ValueError(f"no difference of {pair}")


def _negated(found: Mapping[str, Any]) -> dict[str, Any]:
    if found["estimate"] is None:
        return dict(found)
    low, high = found["interval"]
    return dict(found) | {"estimate": -found["estimate"], "interval": [-high, -low]}


def _share_of(subject: Subject, name: str) -> float | None:
    row = next(each for each in subject.data["spaces"] if each["space"] == name)
    return row["encoding"][SHARE]["estimate"]
