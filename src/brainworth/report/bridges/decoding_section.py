"""How decoding grows with trials, with subjects to learn from, and with brains to decode from."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.bridges import decoding_tables
from brainworth.report.bridges.decoding_tables import test_of, value
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import (
    GLUE,
    count,
    number,
    p_value,
    percent,
    whole,
    with_sign,
)
from brainworth.report.published import cite

QUESTIONS = {
    "scaling": "Does decoding grow with every doubling of trials?",
    "subjects": "More trials, or more subjects?",
    "brains": "Are more brains at test worth it?",
}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says."""
    return (
        f"<b>Scaling of decoding</b> {cite('scaling')}: {glance(evidence, 'scaling')};"
        f" {glance(evidence, 'subjects')}."
    )


def glance(evidence: Evidence, name: str) -> str:
    """Return the answer to a question of the table at a glance."""
    data = evidence.bridges["decoding"]
    head = data["headline"]
    if name == "scaling":
        known = head["planted_ceiling"]
        ceiling = "" if known is None else f", ceiling {number(known, 2)}"
        return (
            f"r {value(head['largest'], 2)} at {whole(head['largest']['n_trials'])} trials; last"
            f" doubling {_signed(head['last_doubling'])}{ceiling}"
        )
    if name == "subjects":
        if head["doubling_trials"] is None:
            return "not asked with one subject"
        return (
            f"in r, twice the trials bring {_signed(head['doubling_trials'])}, a second subject's"
            f" {_signed(head['doubling_subjects'], 4)}"
        )
    rows = data["spaces"][0]["brains"]
    if rows is None:
        return "not asked with one subject"
    first, *_, last = [row for row in rows if row["kind"] == "single"]
    return (
        f"r {value(first['points'][-1], 2)} from one brain, {value(last['points'][-1], 2)} from"
        f" {last['n_subjects']}"
    )


def methods(evidence: Evidence) -> list[Flowable]:
    """Say what was done, with the parameters used."""
    data = evidence.bridges["decoding"]
    given = evidence.bridge_params("decoding")["bridges.decoding"]
    low, high = (f"{bound:g}" for bound in given["alpha_range"])
    one = len(data["subjects"]) == 1
    return [
        layout.heading("Scaling of decoding", 2),
        layout.body(
            f"<b>Decoders</b> {cite('scaling')} are ridge regressions of image features on the"
            " voxels of single trials, z-scored by trials that may be learned from, in"
            f" {', '.join(data['regions'])}. The penalty, {given['n_alphas']} candidates from"
            f" {low} to {high} of the mean squared length of a trial, is that of least error when"
            " all trials of an image are left out. Training sets hold all trials of the images they"
            " take, so that an image is shown as often at every size; smaller ones are parts of"
            f" larger ones, and there are {given['n_subsets']} a size (one of all trials).",
            f"Tested are the {whole(data['n_test_images'])} shared images that every subject saw"
            " often enough, in single trials and in the mean of an image's trials; no shared image"
            " is learned from. The score is the correlation of decoded and true feature over test"
            " images, mean over features.",
        ),
        layout.body(
            "<b>Laws.</b> Log-linear, r = a + b log<sub>2</sub> n, beside a saturating law,"
            " r = c √(n / (n + h)), which least squares follows where the number of trials is well"
            " above that of what is fitted. The test for a plateau is the bend: what the last"
            " doubling brings minus the mean of those before. Means over subjects have intervals of"
            " Student's t over subjects and test images; what is no mean has percentiles of"
            f" {given['n_bootstrap']} draws of both. Which law is preferred is held to scores drawn"
            " from the other law.",
            "" if one else _about_subjects(given),
        ),
    ]


def results(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return reading, tables and the figure."""
    data = evidence.bridges["decoding"]
    parts: list[Flowable] = [layout.body(*_reading(data))]
    parts += decoding_tables.laws(data, number_of)
    parts += decoding_tables.points(data, number_of)
    if data["spaces"][0]["pooled"] is not None:
        parts += decoding_tables.subjects(data, number_of)
        parts += decoding_tables.brains(data, number_of)
    parts.append(
        layout.figure(evidence.figures["bridge_decoding"], number_of.figure(), _caption(data))
    )
    return parts


def _about_subjects(given: dict[str, Any]) -> str:
    return (
        "<b>Subjects to learn from</b>: voxels of two brains do not correspond and training images"
        " are not shared, so each subject is brought to a common space by maps from its own trials:"
        f" for each of {given['n_components']} components of the features, what its own decoder"
        " makes of a trial, and the response of each region along its own tuning to the component"
        f" (cross-fitted, in {given['n_folds']} folds over images). What the own decoder leaves of"
        " the features is predicted from there by one ridge regression on the trials of all"
        " subjects; how much those of others count is chosen by the subject's own held-out trials,"
        " and can be nothing. <b>Brains to decode from</b> are another question: each subject has"
        " its own decoder, and what is decoded of the same image is averaged."
    )


def _reading(data: dict[str, Any]) -> list[str]:
    texts = []
    for space in data["spaces"]:
        test = test_of(space, "single")
        bend, gain = test["bend"], test["last_doubling"]
        low, high = bend["interval"]
        shape = (
            "the curve levels off, and a log-linear law overstates what more trials bring"
            if high < 0
            else "the curve gets steeper"
            if low > 0
            else "a log-linear law is not refuted"
        )
        grows = "still brings something" if gain["interval"][0] > 0 else "brings nothing certain"
        texts.append(
            f"<b>{layout.sentence_case(space['label'])}</b>, single trials: a doubling of trials"
            f" brings {value(test['slope'])} in r. The last {grows}, {value(gain)}; the bend is"
            f" {value(bend)} ({with_sign(p_value(bend['p'], sides=2))}), so that {shape}."
        )
        planted = test["planted"]
        if planted is not None:
            last = test["points"][-1]["estimate"]
            ceiling = test["saturating"]["ceiling"]
            inside = ceiling["interval"][0] <= planted["ceiling"] <= ceiling["interval"][1]
            texts.append(
                "The best linear decoder that training without end could give has"
                f" r{GLUE}={GLUE}{number(planted['ceiling'])} (known from the simulation); the"
                f" largest training set comes to {percent(last / planted['ceiling'])} % of it, and"
                f" the saturating law puts it at {value(ceiling)}, which"
                f" {'holds' if inside else 'misses'} the truth. Of single subjects' intervals,"
                " which are over test images alone,"
                f" {count(planted['n_subjects_inside'], len(planted['subjects']))} hold theirs."
            )
        worst = max(abs(point["estimate"]) for point in test["null"]["points"])
        texts.append(
            f"Trained on the features of other images, r is {number(worst)} at most in size, with"
            f" a slope of {value(test['null']['slope'])}."
        )
    doubling = data["headline"]["doubling_difference"]
    if doubling is not None:
        low, high = doubling["interval"]
        verdict = (
            "more trials of the same subject are the better choice"
            if low > 0
            else "more subjects are the better choice"
            if high < 0
            else "neither is certain to be the better choice"
        )
        texts.append(
            f"To learn from ({data['spaces'][0]['label']}), twice the trials of the same subject"
            f" bring {value(data['headline']['doubling_trials'], 4)} in r and as many trials of a"
            f" second subject {value(data['headline']['doubling_subjects'], 4)}, a difference of"
            f" {value(doubling, 4)}: {verdict}."
        )
    return texts


def _caption(data: dict[str, Any]) -> str:
    known = data["headline"]["planted_ceiling"] is not None
    text = (
        "<b>Scaling of decoding.</b> (a, b) Correlation of decoded and true features over"
        f" {whole(data['n_test_images'])} test images, by training trials; intervals of the mean"
        " are over subjects and test images. A curve that stays on the dashed line scales"
        " log-linearly; one that leaves it downwards levels off. Crosses: trained on features of"
        " other images, which must lie at zero."
    )
    if known:
        text += " Scores above the line of the planted ceiling would refute the method."
    if data["spaces"][0]["pooled"] is not None:
        text += (
            " (c) What a decoder gains by as many trials of each of other subjects, beside what it"
            " gains by twice as many of its own: on the line of zero, others bring nothing."
            " (d) What is decoded from several brains that see the"
            " same image, averaged."
        )
    return text


def _signed(found: dict[str, Any], decimals: int = 3) -> str:
    """Return a gain with its sign and its interval."""
    sign = "+" if found["estimate"] >= 0 else ""
    return f"{sign}{value(found, decimals)}"
