"""What these subjects' brain samples are worth."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import layout, tables
from brainworth.report.evidence import Evidence
from brainworth.report.layout import Numbering
from brainworth.report.numbers import (
    count,
    estimate,
    interval,
    number,
    percent,
    span,
    things,
    whole,
)
from brainworth.report.published import cite
from brainworth.report.tables import Column, Notes

QUESTIONS = {
    "worth": "What are these subjects’ brain samples worth?",
    "prediction": "Does the theory predict students taught by betas?",
}
STUDENTS = {
    "task_only": "error, least squares",
    "ridge": "error, tuned ridge",
    "befs": "error, with brain data",
    "missed": "missed part of the task",
}
#: What is recovered, as it is called in a sentence.
RECOVERED = {
    "task_snr": "SNR of tasks",
    "share_linear": "stimulus-driven share",
    "share_noise": "noise share",
    "gamma": "effective noise",
    "misalignment": "misalignment",
}
NOTHING = "inputs predict no recordings of this region: no latents, no value"


def abstract(evidence: Evidence) -> str:
    """Return what the abstract says."""
    return (
        "<b>Worth of these subjects’ samples</b> (the theory calibrated from single trials and"
        f" tested on trained students): {glance(evidence, 'prediction')};"
        f" {glance(evidence, 'worth')}."
    )


def glance(evidence: Evidence, name: str) -> str:
    """Return the answer to one of the questions."""
    data = evidence.bridges["calibration"]
    if name == "worth":
        rates = [_last(task)["exchange_rate"]["estimate"] for _, _, task in _tasks(data)]
        if not rates:
            return "nothing: inputs predict no recordings"
        return f"{span(rates, 2)} task samples each ({things(len(rates), 'case')})"
    overall = data["summary"]["overall"]
    if overall is None:
        return "not tested: no half of the images shows latents"
    ratio = overall["ratio"]
    said = overall["verdict"] or "not judged with one subject"
    return (
        f"measured error over predicted {estimate(ratio['estimate'], ratio['interval'], 2)}: {said}"
    )


def methods(evidence: Evidence) -> list[Flowable]:
    """Return how it was done."""
    data = evidence.bridges["calibration"]
    first = data["subjects"][0]
    source = (
        "the features that simulated images are made of"
        if data["inputs"] == "truth"
        else f"what the features of the encoder ({escape(data['features'])}) say about an image as"
        " a whole"
    )
    return [
        layout.heading("Worth of brain samples: methods", 2),
        layout.body(
            f"Inputs are {source}: {whole(first['n_inputs'])} principal components of standardised"
            " features, white over all images but the test images. The theory takes them for"
            f" Gaussian; their excess kurtosis is {_kurtosis(data)}. A brain sample is the first"
            " trial of an image; repetitions only tell the noise. Images that all subjects saw are"
            f" for testing.{_left_out(data)}",
            "Recordings are whitened by the residuals of least squares (a variance a voxel and"
            " shared components), the number of latents is chosen by reduced-rank regression over"
            f" {whole(data['n_blocks'])} blocks of images"
            f" ({'the fewest within a standard error' if data['rank_rule'] == 'one_se' else 'best'}"
            "), and singular values and vectors are freed of the bias that noise gives them. The"
            " noise itself is measured on blocks that did not whiten it. Noise that differs from"
            " trial to trial, which the theory does not have, is counted: it mixes directions in"
            " all voxels at once.",
            "The part of a task that the learned subspace misses is measured and turned into the"
            " misalignment by the resummed law of the chapter on brain samples. Intervals of"
            f" {percent(data['interval'])} % come from leaving out blocks (jackknife) and the"
            " errors of the task’s coefficients.",
        ),
        layout.body(
            "For the test, brain and tasks are calibrated on one half of the images, students learn"
            " from subsets of the other, and the other way round; the penalty is the one predicted"
            " to be best. Errors are above the label noise, on images of neither half. The interval"
            " of a ratio has the spread over draws of task samples, the theory’s spread over brain"
            " data sets and the errors of the prediction. It is conservative, as errors of the two"
            " halves partly cancel. A prediction"
            f" holds if the interval of measured over predicted lies within {_tolerance(data)} of"
            " 1, and fails if it lies outside.",
        ),
    ]


def _left_out(data: dict[str, Any]) -> str:
    """Name the regions of the settings that the study does not have."""
    names = data["rois_left_out"]
    return f" Not in this study: {escape(', '.join(names))}." if names else ""


def results(evidence: Evidence, number_of: Numbering) -> list[Flowable]:
    """Return reading, tables and the figure."""
    data = evidence.bridges["calibration"]
    return [
        layout.heading("What these subjects’ brain samples are worth", 2),
        layout.body(*_reading(data)),
        *_brains(data, number_of.table()),
        *_worth(data, number_of.table()),
        *_ratios(data, number_of.table()),
        layout.figure(
            evidence.figures["bridge_calibration"],
            number_of.figure(),
            "<b>What brain samples are worth.</b> <b>a</b> Test error above the label noise of"
            " students, beside what the other half of the images predicted; each point is a"
            " subject, region, task and number of samples. <b>b</b> Squared length of the task"
            " outside the learned subspace. <b>c</b> Exchange rate of all brain samples of a"
            f" subject ({escape(data['subjects'][0]['rois'][0]['roi'])}) beside the most task"
            " samples. Points off the diagonal in a and b would have shown that the theory does"
            " not describe these brains.",
        ),
    ]


def _reading(data: dict[str, Any]) -> Iterator[str]:
    overall, found = data["summary"]["overall"], data["summary"]["recovered"]
    share = data["summary"]["stimulus_share"]
    yield (
        f"In {escape(share['roi'])}, the inputs drive"
        f" {estimate(share['estimate'], share['interval'], 3)} of the variance of a single trial"
        f" linearly (mean of {things(share['n_subjects'], 'subject')})."
    )
    if overall is not None:
        verdicts = overall["settings"]
        yield (
            "Over all settings, measured over predicted error of students with brain data is"
            f" {estimate(overall['ratio']['estimate'], overall['ratio']['interval'], 3)}; of single"
            f" settings, {count(verdicts['holds'], overall['n_settings'])} hold,"
            f" {whole(verdicts['undecided'])} are undecided and {whole(verdicts['fails'])} fail."
        )
    lost = [
        f"{subject['subject']} {escape(task['task'])}"
        for subject in data["subjects"]
        for task in subject["tasks"]
        if not task["learnable"]
    ]
    if lost:
        yield (
            "Left out, as no part of the task that is linear in the inputs can be told from"
            f" nothing: {', '.join(lost)}."
        )
    beaten, n = _against_ridge(data)
    if n:
        yield (
            f"Brain data beats a tuned ridge on the task samples alone in {count(beaten, n)} cases"
            " (all brain samples, most task samples)."
        )
    if found is not None:
        texts = (
            f"{RECOVERED[what]} {count(each['inside'], each['n'])}" for what, each in found.items()
        )
        yield f"Intervals that hold what was planted: {', '.join(texts)}."
    nulls = [(roi["n_latents"], roi["null"]) for _, roi in _rois(data) if roi["null"]]
    if nulls:
        none = sum(null["rank"] == 0 for _, null in nulls)
        missed = [null["missed_over_random"]["estimate"] for _, null in nulls]
        excess = [null["excess_over_random"]["estimate"] for _, null in nulls]
        yield (
            "With recordings dealt to other images, cross-validation finds no latents in"
            f" {count(none, len(nulls))} cases; a subspace learned from them all the same misses"
            f" {span(missed, 2)} times what a random one does, and its students err"
            f" {span(excess, 2)} times as much as theory gives for a random one."
        )


def _brains(data: dict[str, Any], table: int) -> list[Flowable]:
    planted = data["summary"]["recovered"] is not None
    notes = Notes()
    rows = []
    for subject, roi in _rois(data):
        shares, gamma = roi["shares"], roi["gamma"]
        cells = [
            f"{subject}, {escape(roi['roi'])}",
            whole(roi["n_voxels"]),
            _with(shares["linear"], shares["planted"] and shares["planted"]["linear"], planted, 3),
            number(shares["other"]["estimate"]),
            _latents(roi, planted),
            notes.missing(NOTHING) if gamma is None else _with(gamma, gamma["planted"], planted, 2),
        ]
        rows.append(cells)
    columns = [
        Column("Subject, region", "left"),
        Column("Voxels"),
        Column("Linear share"),
        Column("Other share"),
        Column("Latents"),
        Column("Effective noise"),
    ]
    caption = (
        "The calibrated brains: shares of a trial’s variance that are linear in the inputs and"
        " otherwise stimulus-driven (from repetitions), latents, and mean effective noise of a"
        " latent in units of its signal."
        + (
            " After the oblique, what was planted (of latents: how many are strong enough to be"
            " found, of how many there are)."
            if planted
            else ""
        )
    )
    return tables.table(table, caption, columns, rows, notes, split=True, sizes=(8.0, 7.5, 7.0))


def _worth(data: dict[str, Any], table: int) -> list[Flowable]:
    planted = any(task["misalignment"]["planted"] is not None for _, _, task in _tasks(data))
    rows = []
    for subject, roi, task in _tasks(data):
        last = _last(task)
        rows.append(
            [
                f"{subject}, {escape(roi['roi'])}",
                escape(task["task"]),
                _with(task["misalignment"], task["misalignment"]["planted"], planted, 2),
                whole(task["predictions"][-1]["n_brain"]),
                _value(last["value"]),
                estimate(last["exchange_rate"]["estimate"], last["exchange_rate"]["interval"], 2),
                f"{percent(last['savings']['estimate'])}",
                number(last["ridge_value"], 1),
            ]
        )
    columns = [
        Column("Subject, region", "left"),
        Column("Task", "left"),
        Column("Misalignment"),
        Column("Brain samples"),
        Column("Value"),
        Column("Exchange rate"),
        Column("Savings (%)"),
        Column("Ridge"),
    ]
    n_task = _n_task(data)
    caption = (
        f"What all brain samples of a subject are worth beside {whole(n_task)} task samples:"
        " misalignment (share of the task"
        + (", after the oblique as planted" if planted else "")
        + "), value (task samples that least squares would need on top), value a brain sample,"
        " share of task samples saved, and the value that a tuned ridge has without brain data."
    )
    if not rows:
        return []
    return tables.table(table, caption, columns, rows, split=True, sizes=(7.5, 7.0, 6.5))


def _ratios(data: dict[str, Any], table: int) -> list[Flowable]:
    notes = Notes()
    rows = []
    for row in data["summary"]["ratios"]:
        if row["what"] == "befs" and row["n_task"] is None:
            continue
        bounds = row["ratio"]["interval"]
        size = row["brain_size"]
        rows.append(
            [
                STUDENTS[row["what"]],
                "–" if size is None else f"{data['brain_fractions'][size]:g}",
                "–" if row["n_task"] is None else whole(row["n_task"]),
                whole(row["n_subjects"]),
                number(row["ratio"]["estimate"]),
                notes.missing("one subject has no spread") if bounds is None else interval(bounds),
                row["verdict"] or "–",
            ]
        )
    columns = [
        Column("Of what", "left"),
        Column("Images used"),
        Column("Task samples"),
        Column("n"),
        Column("Ratio"),
        Column("Interval"),
        Column("Verdict", "left"),
    ]
    caption = (
        "Measured over predicted: means over subjects (n) of the mean over regions and tasks (of"
        " what is missed, of the ratio of their sums). Images used: brain samples as a share of a"
        f" subject’s images. Predictions are those of {cite('befs')}, resummed."
    )
    return tables.table(table, caption, columns, rows, notes, split=True)


def _rois(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for subject in data["subjects"]:
        for roi in subject["rois"]:
            yield subject["subject"], roi


def _tasks(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for subject, roi in _rois(data):
        for task in roi["tasks"]:
            yield subject, roi, task


def _last(task: dict[str, Any]) -> dict[str, Any]:
    """Return the prediction for all brain samples and the most task samples."""
    return task["predictions"][-1]["by_task_samples"][-1]


def _n_task(data: dict[str, Any]) -> int | None:
    return next((_last(task)["n_task"] for _, _, task in _tasks(data)), None)


def _against_ridge(data: dict[str, Any]) -> tuple[int, int]:
    last = [_last(task) for _, _, task in _tasks(data)]
    return sum(each["value"]["estimate"] > each["ridge_value"] for each in last), len(last)


def _kurtosis(data: dict[str, Any]) -> str:
    found = [subject["kurtosis"] for subject in data["subjects"]]
    values = [each[end] for each in found for end in ("lowest", "highest")]
    return f"{span(values, 2)} (0 if Gaussian)"


def _tolerance(data: dict[str, Any]) -> str:
    return f"a factor of {1 + data['tolerance']:g}"


def _latents(roi: dict[str, Any], planted: bool) -> str:
    found = whole(roi["n_latents"])
    if not planted or roi["planted_detectable"] is None:
        return found
    return f"{found} / {whole(roi['planted_detectable'])} of {whole(roi['planted_rank'])}"


def _with(found: dict[str, Any], truth: float | None, planted: bool, decimals: int) -> str:
    text = estimate(found["estimate"], found["interval"], decimals)
    return f"{text} / {number(truth, decimals)}" if planted else text


def _value(found: dict[str, Any]) -> str:
    return estimate(found["estimate"], found["interval"], 1)
