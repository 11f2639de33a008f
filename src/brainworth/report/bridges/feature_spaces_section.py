"""The section on feature spaces side by side."""

from __future__ import annotations

from html import escape
from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout
from brainworth.report.bridges import feature_spaces_figure as figure
from brainworth.report.bridges import feature_spaces_tables as tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import (
    GLUE,
    count,
    estimate,
    number,
    p_value,
    percent,
    span,
    whole,
    with_sign,
)
from brainworth.report.published import cite

NAME = "feature_spaces"
QUESTIONS = {NAME: "In which feature space are images found?"}


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says."""
    return f"<b>Feature spaces</b> {cite('aligned')}, images found: {glance(evidence, NAME)}."


def glance(evidence: Evidence, _question: str) -> str:
    """Return the answer to the question in one line."""
    data = evidence.bridges[NAME]
    pair, group = data["pair"], data["group"]
    if pair is not None and pair["group"] is not None:
        top1 = pair["group"]["top1"]
        p = escape(with_sign(p_value(top1["p_familywise"], data["n_permutations"])))
        return f"top-1, {_named(pair)}: {estimate(top1['estimate'], top1['interval'], 2)}, {p}"
    if pair is not None:
        better = count(pair["n_better"], pair["n_subjects"])
        return f"top-1, {_named(pair)}: above 0 in {better} subjects"
    found = {
        each["space"]: [_row(subject, each["space"]) for subject in data["subjects"]]
        for each in group["spaces"]
    }
    return "top-1: " + ", ".join(
        f"{escape(name)} {span([row['retrieval']['top1']['estimate'] for row in rows], 2)}"
        for name, rows in found.items()
    )


def methods(evidence: Evidence) -> list[Flowable]:
    """Describe spaces, encoding and retrieval with the parameters used."""
    data = evidence.bridges[NAME]
    given = evidence.bridge_params(NAME)["bridges.feature_spaces"]
    planted = any(each["source"] == "planted" for each in data["spaces"])
    return [
        layout.heading("Methods of the comparison of feature spaces", 2),
        layout.body(
            f"<b>Spaces</b>: {'; '.join(_described(each) for each in data['spaces'])}. Each is"
            f" brought to at most {whole(given['n_components'])} principal components of the"
            " training images, since both encoding and retrieval depend on the number of"
            " dimensions.",
            "A planted space has as many signals as there are features that all simulated subjects"
            " encode, in a random rotation, and noise; its alignment is the share of the signals"
            " that are these features, the others are encoded by nobody. So planted spaces differ"
            " in their alignment only."
            if planted
            else "",
        ),
        layout.body(
            "<b>Encoding</b> is ridge regression from a space to each voxel; r²/NC is r², with the"
            " sign of r, over the noise ceiling, as a mean over voxels. It is too low by the errors"
            " of a fit to so many images. What is explained is cross-fitted: products of responses"
            " with predictions from two halves of the training images, less the product of the two"
            " predictions, hold no product of an error with itself. All spaces share the"
            f" {whole(data['n_bootstrap'])} bootstrap samples of test images.",
            f"<b>Retrieval</b> {cite('aligned')} decodes the mean response to a test image into a"
            f" space, by ridge regression from at most {whole(given['max_voxels'])} voxels, and"
            " ranks all test images by the cosine with what was decoded, as published. Components"
            " have variance 1 over training images. What a space has beside what responses tell is"
            " noise to the cosine. Ranked by evidence, the log Bayes factor under the covariance of"
            " leave-one-out errors, it counts nothing. Ties count at their expected rank, so that a"
            " space in which all images are alike scores what chance scores. Accuracy among fewer"
            " candidates is that of all subsets of the test images, exactly.",
        ),
        layout.body(
            "<b>Intervals</b> are over images, take regressions as given, and leave the candidates"
            " as they are: Wilson’s for accuracies, bootstrap for differences, which are paired"
            " image by image.",
            f"<b>P-values</b> of accuracies come from {whole(data['n_permutations'])} relabellings"
            " of the test images; those of differences from as many flips of the signs of images,"
            " the same for all pairs of spaces. They hold for the family of all spaces, or pairs"
            f" {cite('familywise')}.",
            "<b>Controls</b>: the same regression on training images whose features were mixed up"
            " between images, which can find nothing but by chance; and on simulated data the best"
            " retrieval there can be, from the true weights and noise and what a space says of the"
            " encoded features.",
        ),
    ]


def results(evidence: Evidence, numbering: Numbering) -> list[Flowable]:
    """Return reading, tables and the figure."""
    data = evidence.bridges[NAME]
    level = percent(data["interval"])
    shown = data["subjects"][: figure.CURVES]
    curves = ", ".join(each["subject"] for each in shown)
    return [
        layout.heading("Feature spaces side by side", 2),
        layout.body(*_reading(data)),
        *tables.subjects(numbering, data),
        *tables.differences(numbering, data),
        *tables.regions(numbering, data),
        *tables.variants(numbering, data),
        layout.figure(
            evidence.figures[f"bridge_{NAME}"],
            numbering.figure(),
            "<b>Feature spaces side by side.</b> Above, by space and subject: (a) the share of what"
            " images determine of responses that a space explains; (b–d) how often the image that"
            " was seen is the first, or among the first five, of all test images. Below, how often"
            f" it is the first, over the number of candidates, of {curves}: by cosine (solid, with"
            f" intervals) and by evidence (dashed). Intervals ({level} %) are over test images."
            " An aligned space that did no better than the misaligned one, which differs from it"
            " in nothing else, would have refuted that alignment is what helps; accuracy above the"
            " best that the truth allows, or above chance with mixed-up images, would have shown"
            " a leak.",
        ),
    ]


def _reading(data: dict[str, Any]) -> list[str]:
    subjects, pair = data["subjects"], data["pair"]
    texts = []
    if pair is not None:
        explained = [
            each["explained"]["estimate"] for each in pair["subjects"] if "explained" in each
        ]
        top1 = span([each["top1"]["estimate"] for each in pair["subjects"]], 2)
        weighed = span([each["evidence"]["estimate"] for each in pair["subjects"]], 2)
        texts.append(
            f"{layout.sentence_case(_named(pair))}: the share explained differs by"
            f" {span(explained, 2)} (the interval of r²/NC lies above 0 in"
            f" {count(pair['n_encoding'], pair['n_subjects'])} subjects), top-1 accuracy by {top1}"
            f" (above 0 in {count(pair['n_better'], pair['n_subjects'])}), and by {weighed} where"
            " images are ranked by evidence."
        )
        if pair["group"] is not None:
            found = pair["group"]["top1"]
            p = p_value(found["p_familywise"], data["n_permutations"])
            texts.append(
                f"Over subjects, on the {whole(data['group']['n_images'])} test images that all of"
                " them saw, top-1 accuracy by cosine differs by"
                f" {estimate(found['estimate'], found['interval'])}"
                f" ({escape(with_sign(p))} over all"
                " pairs of spaces)."
            )
        unique = [
            each
            for subject in subjects
            for each in subject["unique"]
            if each["estimate"] is not None
        ]
        if unique:
            name, other = pair["aligned"], pair["unaligned"]
            mine, back = (
                span([each["estimate"] for each in unique if each["space"] == one], 2)
                for one in (name, other)
            )
            texts.append(
                f"Both together explain {mine} of the ceiling more than {escape(other)} alone, and"
                f" {back} more than {escape(name)} alone."
            )
    ideal = [each["ideal"]["top1"] for each in subjects if each["ideal"]["top1"]]
    if ideal:
        texts.append(
            "With the features that responses were made of, known exactly, the best retrieval has"
            f" a top-1 accuracy of {span([each['estimate'] for each in ideal], 2)}."
        )
    shuffled = data["shuffled_differences"]
    found = [row["shuffled"]["top1"]["estimate"] for each in subjects for row in each["spaces"]]
    texts.append(
        f"With mixed-up training images top-1 accuracy is {span(found)} (chance"
        f" {_chance(subjects)}), and"
        f" {count(shuffled['n_significant'], shuffled['n_pairs'])} differences of spaces reach"
        f" p{GLUE}≤{GLUE}{number(1 - data['interval'], 2)}."
    )
    return texts


def _chance(subjects: list[dict[str, Any]]) -> str:
    return span([each["spaces"][0]["retrieval"]["top1"]["chance"] for each in subjects])


def _named(pair: dict[str, Any]) -> str:
    return f"{escape(pair['aligned'])} minus {escape(pair['unaligned'])}"


def _row(subject: dict[str, Any], space: str) -> dict[str, Any]:
    return next(each for each in subject["spaces"] if each["space"] == space)


def _described(space: dict[str, Any]) -> str:
    name = f"<i>{escape(space['space'])}</i>"
    if space["source"] == "planted":
        alignment, snr = number(space["alignment"], 2), number(space["snr"], 1)
        return f"{name} (planted, alignment {alignment}, signals over noise {snr})"
    parts = {"all": "all features", "global": "the global vector"}
    part = parts.get(space["part"], f"layer {escape(str(space['part']))}")
    weights = f", SHA-256 {escape(space['sha256'][:16])}" if space["sha256"] else ""
    return f"{name} ({part} of {escape(space['backend'])}{weights})"
