"""The tables of the chapter on what brain samples are worth."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable

from brainworth.report import tables
from brainworth.report.numbers import estimate, number, percent, samples, whole
from brainworth.report.tables import Column, Notes

LAWS = {
    "resummed": "Resummed",
    "first_order": "First order",
    "first_order_simplified": "First order, 1/N",
}
TESTS = {
    "isotropic": "all inputs",
    "on": "seen by the brain",
    "off": "ignored by the brain",
}


def curves(data: dict[str, Any], table: int) -> list[Flowable]:
    """Return the table of values, exchange rates and savings at stated settings."""
    rows = [
        [
            f"{row['misalignment']:g}",
            f"{row['task_snr']:g}",
            f"{row['hours']:g}",
            samples(row["n_task"]),
            number(row["missed"]),
            samples(row["value"]),
            number(row["exchange_rate"], 2),
            number(100 * row["savings"], 1),
            samples(row["asymptotic_value"]),
            samples(row["ridge_value"]),
            number(100 * row["ridge_savings"], 1),
            "yes" if row["value_over_ridge"] > 0 else "no",
        ]
        for row in data["table"]
    ]
    columns = [
        Column("Mis-<br/>aligned"),
        Column("SNR"),
        Column("Hours"),
        Column("Task samples"),
        Column("Missed"),
        Column("Value"),
        Column("Rate"),
        Column("Savings %"),
        Column("Value, unlimited"),
        Column("Value"),
        Column("Savings %"),
        Column("Beaten"),
    ]
    groups = [("Setting", 4), ("Brain data", 5), ("Tuned ridge", 3)]
    caption = (
        "Worth of brain data at the scale of fMRI (theory): share of the task that the learned"
        " subspace misses, value in task samples, task samples a brain sample (rate), savings,"
        " value beside unlimited task samples; value and savings of a tuned ridge without brain"
        " data, and whether brain data beats it."
    )
    return tables.table(table, caption, columns, rows, groups=groups)


def verification(data: dict[str, Any], table: int) -> list[Flowable]:
    """Return the table of agreement by number of brain samples."""
    found = data["summary"]
    by_n = zip(
        data["axes"]["n_brain"],
        found["value_error_by_n_brain"],
        found["share_inside_interval_by_n_brain"],
        found["kappa_ratio_by_n_brain"],
        strict=True,
    )
    rows = [
        [samples(n), percent(error, 2), number(100 * inside, 1), number(ratio)]
        for n, error, inside, ratio in by_n
    ]
    columns = [
        Column("Brain samples"),
        Column("Median difference, % of the value"),
        Column("Theory inside the interval, % of settings"),
        Column("Best penalty, simulated / theory"),
    ]
    caption = (
        "Theory against simulation by number of brain samples, over all misalignments, task SNRs,"
        " task samples and shares of variance that the stimulus drives"
        f" (d = {whole(data['systems'][0]['d'])}; {percent(data['interval'])} % intervals)."
    )
    return tables.table(table, caption, columns, rows)


def breakdown(data: dict[str, Any], table: int) -> list[Flowable]:
    """Return the table of where the laws of stage 1 hold."""
    stage = data["stage1"]
    notes = Notes()
    rows = [
        [
            f"{misalignment:g}",
            *(
                samples(stage["right_to_5_percent_from"][law][place])
                if stage["right_to_5_percent_from"][law][place] is not None
                else notes.missing("nowhere in the range simulated")
                for law in LAWS
            ),
        ]
        for place, misalignment in enumerate(stage["axes"]["misalignment"])
    ]
    rows.append(
        ["largest error, %", *(number(100 * stage["largest_error"][law], 1) for law in LAWS)]
    )
    columns = [Column("Misalignment", "left"), *(Column(name) for name in LAWS.values())]
    caption = (
        "Stage 1: number of brain samples from which on each law stays within 5 % of the simulated"
        f" share that is missed (d = {whole(data['system']['d'])};"
        f" {samples(stage['axes']['n_brain'][0])} is the fewest simulated), and its largest error"
        " over all points."
    )
    return tables.table(table, caption, columns, rows, notes)


def shift(data: dict[str, Any], table: int) -> list[Flowable]:
    """Return the table of values where the brain sees and where it does not."""
    rows = []
    for name, system in (("small", "simulated"), ("fmri", "scale of fMRI")):
        study = data[name]
        d, n_task = study["system"]["d"], study["axes"]["n_task"]
        most = samples(study["axes"]["n_brain"][-1])
        found = study["subspaces"]
        for place, test in enumerate(study["axes"]["subspaces"]):
            named = (system, f"d = {whole(d)}", f"{most} brain samples")
            cells = [named[place], TESTS[test]]
            for end in (0, -1):
                cells.append(samples(n_task[end]))
                cells.append(samples(found["theory"][place][-1][end]))
                cells.append(_simulated(found, place, end))
                cells.append(samples(found["ridge"][place][end]))
            cells.append(samples(found["unlimited"][place][-1]))
            rows.append(cells)
    each = [Column("task samples"), Column("theory"), Column("simulated"), Column("ridge")]
    columns = [
        Column("System", "left"),
        Column("Test inputs", "left"),
        *each,
        *each,
        Column("Unlimited"),
    ]
    groups = [
        *([("", 1)] * 2),
        ("Fewest task samples", 4),
        ("Most task samples", 4),
        ("", 1),
    ]
    caption = (
        "Value (task samples) under tests on all inputs, on what the brain sees, and on what it"
        f" ignores: theory, simulation with its {percent(data['interval'])} % interval (small"
        " system only), the value of a tuned ridge without brain data, and the theory beside"
        " unlimited task samples."
    )
    return tables.table(table, caption, columns, rows, groups=groups)


def budget(data: dict[str, Any], table: int) -> list[Flowable]:
    """Return the table of rules and best splits by cost of a brain sample."""
    best = data["optimum"]
    notes = Notes()
    rows = []
    for place, (ratio, rule) in enumerate(
        zip(data["axes"]["cost_ratio"], data["rules"], strict=True)
    ):
        rows.append(
            [
                f"{ratio:g}",
                notes.missing("more brain data makes the subspace miss more (ρ ≤ 0)")
                if rule["favourability"] is None
                else number(rule["favourability"], 1),
                samples(rule["n_brain"]),
                samples(rule["net_extra_budget"]),
                *(samples(best[key][place][-1]) for key in ("n_brain", "n_task")),
                samples(best["extra_budget"][place][-1]),
                number(100 * best["savings"][place][-1], 1),
                samples(best["extra_budget_over_ridge"][place][-1]),
                number(100 * max(best["savings"][place]), 1),
            ]
        )
    columns = [
        Column("Cost"),
        Column("F"),
        Column("Brain samples"),
        Column("Net worth"),
        Column("Brain samples"),
        Column("Task samples"),
        Column("Worth"),
        Column("Savings %"),
        Column("Over ridge"),
        Column("Most savings %"),
    ]
    largest = f"Best split of {samples(data['axes']['budget'][-1])}"
    groups = [("", 2), ("Rule, unlimited budget", 2), (largest, 5), ("All budgets", 1)]
    caption = (
        "Budgets (theory), in costs of a task sample, by the cost of a brain sample: favourability"
        " F, the rule for unlimited budgets (its worth is net of the samples that the encoding"
        " model takes), the best split of the largest budget with the extra budget that it is worth"
        " against least squares and against a tuned ridge, and the most that is saved at any"
        " budget."
    )
    return tables.table(table, caption, columns, rows, notes, groups=groups)


def _simulated(found: dict[str, Any], place: int, end: int) -> str:
    if "simulated" not in found:
        return ""
    mean, low, high = (found["simulated"][key][place][-1][end] for key in ("mean", "low", "high"))
    return estimate(mean, [low, high], 1)
