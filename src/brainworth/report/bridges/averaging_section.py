"""The section on what averaging costs the encoder."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.bridges import averaging_tables
from brainworth.report.bridges import averaging_words as words
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import count, estimate, number, p_value, things, whole, with_sign
from brainworth.report.published import cite

QUESTIONS = {
    "cost": "Does averaging cost the encoder?",
    "variance": "Does a head for the variance recover what the squared error cannot see?",
}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says."""
    return (
        f"<b>Averaging and the encoder</b>: {glance(evidence, 'cost')}; heads for the variance:"
        f" {glance(evidence, 'variance')}."
    )


def glance(evidence: Evidence, name: str) -> str:
    """Return the answer to one of `QUESTIONS`, in a line."""
    data = _data(evidence)
    if name == "variance":
        found = {
            predictors: row
            for predictors in ("images", "others")
            if (row := words.head(data, predictors)) is not None
        }
        return "; ".join(
            f"{'yes' if words.recovers(row, data['interval']) else 'no'} from"
            f" {words.PREDICTORS[predictors]} ({_gain_p(row, data)})"
            for predictors, row in found.items()
        )
    row = words.cost(data)
    if row["estimate"] is None:
        return f"not measurable here: {averaging_tables.NOT_UNDERSTOOD}"
    return (
        f"{_verdict(row)}: others’ average loses {_value(row)} of what one’s own encoder explains"
    )


def methods(evidence: Evidence) -> list[Flowable]:
    """Return what was done."""
    data = _data(evidence)
    last = data["variance"]
    n_train = [each["n_training_images"] for each in data["subjects"]]
    missing = data["missing"]
    texts = [
        f"<b>Encoders.</b> The encoder of a subject is fitted to its own training images"
        f" ({whole(min(n_train))} to {whole(max(n_train))} a subject). Subjects share no voxels"
        " and, but for the test images, no images, so that a population average can be formed only"
        " of what means the same in each: the mean response of a region, and its"
        f" {whole(data['n_dimensions'])} leading components, rotated to the other subjects’ on half"
        " of the test images and scored on the other half, both ways. One encoder with one output,"
        " fitted to the training images of all subjects at once, estimates their mean response;"
        " that of all but the subject it is held to is the fair one. With as many images in total"
        " as one subject has, more data cannot hide what averaging costs. Pooled encoders share a"
        " subspace of the features and have a read-out for each subject.",
        f"All are scored on {whole(data['n_test_images'])} test images that every subject saw"
        f" twice or more ({whole(data['n_test_images_left_out'])} were left out, counted by subject"
        " and image). The relative cost multiplies responses of disjoint trials and predictions of"
        " encoders fitted to disjoint images only, so that neither noise nor errors of fitting"
        " enter: what is left of it no amount of data would mend.",
        "<b>Variance.</b> A linear head for the log variance is fitted by likelihood to the"
        f" variances over trials of {whole(last['n_training_images'][0])} or more training images"
        f" that were shown twice or more, from {whole(last['n_features'])} components of image"
        " features, or from what the encoder trained by squared error predicts and its square."
        " Other subjects’ variances are known of test images only, so that their head is fitted to"
        f" folds of these ({whole(last['n_folds'])}). Two nulls of {whole(last['n_surrogates'])}"
        " draws: noise that is the same for all images (contrasts between trials rotated into one"
        " another), and variances that differ but not by what predicts them (images relabelled).",
    ]
    if missing:
        pairs = ", ".join(f"{each['region']} of {each['subject']}" for each in missing)
        texts.append(
            f"Too few voxels (fewer than {whole(missing[0]['min_voxels'])}), hence left out:"
            f" {pairs}."
        )
    return [layout.heading("Does averaging cost the encoder?", 2), *map(layout.body, texts)]


def results(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return reading, figure and tables."""
    data = _data(evidence)
    shown = [
        *(layout.body(*texts) for texts in (_cost(data), _relation(data), _variance(data))),
        layout.figure(evidence.figures["bridge_averaging"], number_of.figure(), _caption(data)),
        *averaging_tables.encoders(data, number_of.table()),
        *averaging_tables.costs(data, number_of.table()),
    ]
    if data["relations"]:
        shown += averaging_tables.relations(data, number_of.table())
    return [
        *shown,
        *averaging_tables.heads(data, number_of.table()),
        *averaging_tables.power(data, number_of.table()),
    ]


def _data(evidence: Evidence) -> dict[str, Any]:
    return evidence.bridges["averaging"]


def _cost(data: dict[str, Any]) -> list[str]:
    texts = [
        f"The source of information erosion holds that averaging is what costs {cite('prasad')}."
    ]
    individual, others, pooled = (
        words.encoder(data, name) for name in ("individual", "average_of_others", "pooled_heads")
    )
    matched = words.encoder(data, "average_of_others", "matched")
    texts.append(
        "From image features to region means, individual encoders reach"
        f" {_share(individual)} of the noise ceiling, pooled ones with a head each"
        f" {_share(pooled)}, and the average of the others {_share(others)}: it loses"
        f" {_loss(others)}, and {_loss(matched)} where both see as many images."
    )
    for row in data["costs"]:
        if row["encoder"] != "average_of_others" or row["estimate"] is None:
            continue
        known = row.get("planted")
        texts.append(
            f"The relative cost for the {words.SPACES[row['space']]} from"
            f" {words.INPUTS[row['inputs']]} is {_value(row)}"
            f" ({things(row['n_pairs'], 'pair')} of subject and region, {whole(row['n_unusable'])}"
            " without a cost)"
            + (f"; planted: {number(known, 2)}" if known is not None else "")
            + (f", in its interval for {_covered(row)} subjects" if known is not None else "")
            + "."
        )
    return texts


def _relation(data: dict[str, Any]) -> list[str]:
    if not data["relations"]:
        return ["No shared fraction is known here, so that costs are held to none."]
    texts = []
    for row in data["relations"]:
        if row["space"] != "roi_mean" or row["inputs"] != "images":
            continue
        if row["subjects"] is None:
            texts.append(f"Costs are held to no shared fraction: {row['reason']}.")
            continue
        found = row["subjects"]["correlation"]
        p = p_value(found["p"], None if row["exhaustive"] else row["n_labellings"])
        texts.append(
            "Over subjects the cost goes with the shared fraction"
            f" ({words.FRACTIONS[row['fraction']]}) by a correlation of"
            f" {estimate(found['estimate'], found['interval'], 2)}, {with_sign(p)}"
            f" ({things(row['n_subjects'], 'subject')})."
        )
    return texts


def _variance(data: dict[str, Any]) -> list[str]:
    texts = [
        "The squared error does not see the variance; a likelihood does, where there is something"
        " to see."
    ]
    for row in data["variance"]["heads"]:
        if row["target"] != "components":
            continue
        verdict = (
            "gains more than under both nulls"
            if words.recovers(row, data["interval"])
            else "gains no more than under a null"
        )
        texts.append(
            f"From {words.PREDICTORS[row['predictors']]} the head {verdict} ({_gain_p(row, data)};"
            f" correlation {number(row['mean']['correlation']['estimate'], 3)})."
        )
    planted = data["variance"]["planted"]
    if planted is not None:
        texts.append(
            "In the simulation an image’s variance has nothing to do with its features and is"
            " partly the same in all subjects: a gain from features would be false, and other"
            " subjects are the only ones who can know it."
        )
    powers = [row for row in data["variance"]["power"] if row["log_sd"] > 0]
    if powers:
        most = powers[-1]
        texts.append(
            f"A log variance of SD {number(most['log_sd'], 2)} made by features would be found in"
            f" {number(most['relabelled']['found']['estimate'], 2)} of such data sets of one"
            " subject and one target."
        )
    return texts


def _caption(data: dict[str, Any]) -> str:
    text = (
        "<b>Averaging and the encoder.</b> <b>a</b> Share of the noise ceiling of responses to"
        " images that no fit has seen, means over subjects and regions with intervals over"
        " subjects; hollow: as many training images in total as one subject has. The average as"
        " good as the individual encoder would have falsified its cost. <b>b</b> Relative cost of"
        " the average of others, by subject, over the fraction shared with the others; intervals"
        " over test images. Costs that do not fall with the shared fraction would have falsified"
        " that what is not shared is what is lost. <b>c</b> Gain of heads for the variance on test"
        " images, with its interval over images, and what it is under two nulls (boxes). <b>d</b>"
        " The head from image features on simulated trials (hollow: a variance that something else"
        " makes); at 0 it should be found at the dashed rate."
    )
    if any("planted" in row for row in data["costs"]):
        text += " Diamonds: planted truth."
    return text


def _value(row: dict[str, Any]) -> str:
    return estimate(row["estimate"], row["interval_subjects"] or row["interval"], 2)


def _verdict(row: dict[str, Any]) -> str:
    low, high = row["interval_subjects"] or row["interval"]
    return "yes" if low > 0 else ("no" if high < 0 else "not beyond its error")


def _share(row: dict[str, Any] | None) -> str:
    if row is None or row["share"]["estimate"] is None:
        return "no known part"
    return estimate(row["share"]["estimate"], row["share"]["interval_subjects"], 2)


def _loss(row: dict[str, Any] | None) -> str:
    if row is None or row["loss_of_share"]["estimate"] is None:
        return "an unknown part"
    found = row["loss_of_share"]
    return estimate(found["estimate"], found["interval_subjects"], 2)


def _covered(row: dict[str, Any]) -> str:
    known = [each for each in row["subjects"] if each.get("planted") is not None]
    inside = sum(
        each["interval"][0] <= each["planted"] <= each["interval"][1]
        for each in known
        if each["estimate"] is not None
    )
    return count(inside, len(known))


def _gain_p(row: dict[str, Any], data: dict[str, Any]) -> str:
    gain = row["mean"]["gain"]
    p = max((gain[null]["p"] for null in words.NULLS), default=1.0)
    return (
        f"{number(gain['estimate'], 4)} nat,"
        f" {with_sign(p_value(p, data['variance']['n_surrogates']))}"
    )
