"""Over subjects: whether predictions hold, and whether what was planted is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from brainworth.bridges.calibration.calibration_rows import around, quantile
from brainworth.bridges.calibration.calibration_tests import FAILS, HOLDS, OPEN, verdict


def summary(
    subjects: Sequence[dict[str, Any]], tolerance: float, interval: float
) -> dict[str, Any]:
    """Summarise ratios of measured to predicted over subjects.

    A subject's ratio is the mean over its regions and tasks; of what is missed, which may be
    near 0, the ratio of sums over them. The interval is Student's t over subjects, and needs two.
    """
    pooled: dict[tuple, dict[str, list[dict[str, Any]]]] = {}

    def add(key: tuple, subject: str, row: dict[str, Any]) -> None:
        pooled.setdefault(key, {}).setdefault(subject, []).append(row)

    for each in subjects:
        for row in each["alone"]:
            add((row["student"], None, row["n_task"]), each["subject"], row)
        for roi in each["rois"]:
            for task in roi["tasks"]:
                for place, test in enumerate(task["tests"]):
                    add(("missed", place, None), each["subject"], test["missed"])
                    for student in test["students"]:
                        key = ("befs", place, student["n_task"])
                        add(key, each["subject"], student)
                        add(("befs", None, None), each["subject"], student)
    rows = [
        {"what": what, "brain_size": place, "n_task": n_task}
        | _mean([_ratio(what, found) for found in by_subject.values()], tolerance, interval)
        for (what, place, n_task), by_subject in pooled.items()
    ]
    overall = next((row for row in rows if row["n_task"] is None and row["what"] == "befs"), None)
    return {
        "ratios": rows,
        "overall": overall and _overall(overall, subjects),
        "stimulus_share": _stimulus_share(subjects, interval),
        "recovered": _recovered(subjects),
        "null_ranks": [roi["null"]["rank"] for roi in _rois(subjects) if roi["null"]],
    }


def _ratio(what: str, rows: list[dict[str, Any]]) -> float:
    if what == "missed":
        return sum(row["measured"] for row in rows) / sum(row["predicted"] for row in rows)
    return float(np.mean([row["ratio"] for row in rows]))


def _mean(means: list[float], tolerance: float, interval: float) -> dict[str, Any]:
    n, centre = len(means), float(np.mean(means))
    answer = {
        "n_subjects": n,
        "ratio": {"estimate": centre, "interval": None},
        "verdict": None,
    }
    if n > 1:
        error = float(np.std(means, ddof=1) / np.sqrt(n))
        answer["ratio"] = around(centre, error, quantile(n - 1, interval))
        answer["verdict"] = verdict(*answer["ratio"]["interval"], tolerance)
    return answer


def _overall(row: dict[str, Any], subjects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean ratio of the students with brain data, and single verdicts counted."""
    found = Counter(
        student["verdict"]
        for roi in _rois(subjects)
        for task in roi["tasks"]
        for test in task["tests"]
        for student in test["students"]
    )
    ratio = row["ratio"]
    bounds = ratio["interval"] and [float(each - 1) for each in ratio["interval"]]
    return {
        "n_subjects": row["n_subjects"],
        "ratio": ratio,
        "deviation": {"estimate": ratio["estimate"] - 1, "interval": bounds},
        "verdict": row["verdict"],
        "settings": {name: found[name] for name in (HOLDS, OPEN, FAILS)},
        "n_settings": sum(found.values()),
    }


def _stimulus_share(subjects: Sequence[dict[str, Any]], interval: float) -> dict[str, Any]:
    """Return the share of a trial's variance that is linear in the inputs, in the first region."""
    shares = [subject["rois"][0]["shares"]["linear"]["estimate"] for subject in subjects]
    answer = {"roi": subjects[0]["rois"][0]["roi"], "n_subjects": len(shares), "interval": None}
    answer["estimate"] = float(np.mean(shares))
    if len(shares) > 1:
        error = float(np.std(shares, ddof=1) / np.sqrt(len(shares)))
        found = around(answer["estimate"], error, quantile(len(shares) - 1, interval))
        answer["interval"] = found["interval"]
    return answer


def _recovered(subjects: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Count the intervals that hold what was planted; None if nothing was."""
    counts: dict[str, list[bool]] = {}
    for what, planted, bounds in _planted(subjects):
        if planted is not None:
            counts.setdefault(what, []).append(bounds[0] <= planted <= bounds[1])
    if not counts:
        return None
    return {what: {"inside": sum(held), "n": len(held)} for what, held in counts.items()}


def _planted(subjects: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Any, list[float]]]:
    for subject in subjects:
        for task in subject["tasks"]:
            if task["planted"] is not None:
                yield "task_snr", task["planted"]["snr"], task["snr"]["interval"]
    for roi in _rois(subjects):
        truth = roi["shares"]["planted"]
        if truth is not None:
            for name in ("linear", "noise"):
                yield f"share_{name}", truth[name], roi["shares"][name]["interval"]
        if roi["gamma"] is not None:
            yield "gamma", roi["gamma"]["planted"], roi["gamma"]["interval"]
        for task in roi["tasks"]:
            found = task["misalignment"]
            yield "misalignment", found["planted"], found["interval"]


def _rois(subjects: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for subject in subjects:
        yield from subject["rois"]
