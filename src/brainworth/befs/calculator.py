"""Answers for people who plan experiments, with the caveats that apply to them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from brainworth.befs import budget as splitting
from brainworth.befs import domain, stage1, stage2, value
from brainworth.befs.budget import Allocation, Rule
from brainworth.befs.model import Brain, Task

#: Below this many times the inputs in brain samples, the paper's first-order law is off by 15 % and
#: more.
FIRST_ORDER_FROM = 3
RESUMMED_FROM = 2


def appraise(
    brain: Brain,
    *,
    n_brain: float,
    n_task: float,
    misalignment: float,
    task_snr: float,
    samples_per_hour: float = 1800,
) -> Appraisal:
    """Say what brain samples are worth beside task samples.

    Parameters
    ----------
    brain : Brain
    n_brain, n_task : float
        Samples of brain data and of the task.
    misalignment : float
        Share of the task that the brain does not see, 0 to 1.
    task_snr : float
        Signal of the task over its label noise.
    samples_per_hour : float
        Brain samples in an hour of scanning.

    Returns
    -------
    Appraisal

    Raises
    ------
    BrainworthError
        If an argument is outside its domain; too few brain samples are no error but a caveat.
    """
    task = Task(misalignment, task_snr)
    domain.non_negative("n_brain", n_brain)
    domain.positive("samples_per_hour", samples_per_hour)
    d, k, p = brain.d, brain.k, brain.p
    noise = float(task.noise)
    reached_by_ridge = float(stage2.ridge_excess(noise, n_task, d))
    ridge = float(value.equivalent_samples(reached_by_ridge, noise, d)) - n_task
    difficulty = float(stage1.difficulty(brain, task))
    least = d + 2
    hours, least_hours = n_brain / samples_per_hour, least / samples_per_hour
    common = {
        "n_brain": n_brain,
        "n_task": n_task,
        "hours": hours,
        "ridge_value": ridge,
        "ridge_savings": ridge / (n_task + ridge),
        "difficulty": difficulty,
    }
    caveats = _general_caveats(difficulty, n_task, d)
    if n_brain < least:
        caveats.insert(
            0,
            f"{n_brain:,.0f} brain samples are fewer than {least:,} (inputs + 2, {least_hours:.1f} "
            "hours): least squares cannot fit the encoding model, and brain data is worth nothing "
            "yet.",
        )
        return Appraisal(**common, caveats=tuple(caveats))
    worth = value.worth(brain, task, n_brain, n_task)
    missed, ours = float(worth.missed), float(worth.value)
    if n_brain < FIRST_ORDER_FROM * d:
        published = float(stage1.first_order_simplified(brain, n_brain).missed(task))
        caveats.append(
            f"Below {FIRST_ORDER_FROM} d brain samples the published first-order law fails: it "
            f"puts the missed part of the task at {published:.3f}, not {missed:.3f}."
        )
    if n_brain < RESUMMED_FROM * d:
        caveats.append(
            f"Below {RESUMMED_FROM} d brain samples the missed part given here is approximate, "
            "up to 2.5 % too large where it was held against simulation."
        )
    if float(worth.excess) >= 1:
        caveats.append(
            "The student does worse than predicting nothing: its unpenalised coefficients "
            f"({k:,}) are many for {n_task:,.0f} noisy task samples."
        )
    if reached_by_ridge <= float(worth.excess):
        caveats.append(
            "A tuned ridge regression on the task samples alone does as well or better: use it, "
            "and no brain data."
        )
    elif missed >= (p / d) ** 2:
        caveats.append(
            "With more task samples a tuned ridge regression on them alone overtakes: the learned "
            f"subspace misses {missed:.3f} of the task, more than (1 - k/d)^2 = {(p / d) ** 2:.3f}."
        )
    return Appraisal(
        **common,
        missed=missed,
        penalty=float(worth.kappa) / n_task,
        excess=float(worth.excess),
        value=ours,
        exchange_rate=float(worth.exchange_rate),
        savings=float(worth.savings),
        asymptotic_value=float(worth.asymptotic_value),
        value_over_ridge=float(worth.value_over_ridge),
        caveats=tuple(caveats),
    )


def plan(
    brain: Brain,
    *,
    cost_brain: float,
    cost_task: float,
    budget: float,
    misalignment: float,
    task_snr: float,
    samples_per_hour: float = 1800,
) -> Plan:
    """Say how to split a budget between brain samples and task samples.

    Parameters
    ----------
    cost_brain, cost_task : float
        Cost of one sample.
    budget : float
        What there is to spend, in the same currency.
    brain, misalignment, task_snr, samples_per_hour
        As for `appraise`.

    Raises
    ------
    BrainworthError
        If an argument is outside its domain.
    """
    task = Task(misalignment, task_snr)
    domain.positive("samples_per_hour", samples_per_hour)
    rule = splitting.rule_of_thumb(brain, task, cost_brain, cost_task)
    best = splitting.optimum(brain, task, cost_brain, cost_task, budget)
    caveats = _general_caveats(rule.difficulty, best.n_task, brain.d)
    least = brain.d + 2
    if best.n_brain == 0:
        caveats.append(
            "Spend everything on task samples: no affordable brain data pays for itself."
        )
    if rule.favourability is not None and rule.favourability > 1:
        if rule.n_brain < least:
            caveats.append(
                f"F = {rule.favourability:.3g} > 1 favours brain data, but the rule's "
                f"{rule.n_brain:,.0f} samples are infeasible: the encoding model takes at least "
                f"{least:,}."
            )
        elif rule.net_extra_budget <= 0:
            caveats.append(
                f"F = {rule.favourability:.3g} > 1 favours brain data, but the rule's samples do "
                f"not pay back the first {brain.d + 1:,}, which are worth nothing by themselves."
            )
    if cost_brain * least + cost_task * (brain.k + 2) >= budget:
        caveats.append(
            f"The budget does not pay for the {least:,} brain samples below which the encoding "
            "model cannot be fitted."
        )
    if best.extra_budget_over_ridge <= 0:
        caveats.append(
            "A tuned ridge regression on task samples alone does as well or better on this budget."
        )
    return Plan(rule, best, best.n_brain / samples_per_hour, budget, tuple(caveats))


def _general_caveats(difficulty: float, n_task: float, d: int) -> list[str]:
    caveats = []
    if difficulty < 0:
        caveats.append(
            f"rho = {difficulty:.3f} < 0: the task is so misaligned that more brain data makes the "
            "learned subspace miss more of it."
        )
    if n_task <= d + 1:
        caveats.append(
            f"{n_task:,.0f} task samples do not fit {d:,} coefficients: least squares has no "
            "finite error there, and most of the value is the avoidance of that: see the ridge."
        )
    return caveats


@dataclass(frozen=True)
class Appraisal:
    """What brain samples are worth; None where there are too few to fit the encoding model.

    Attributes
    ----------
    n_brain, n_task, hours : float
        Samples, and hours of scanning.
    missed : float
        Share of the task outside the learned subspace.
    penalty : float
        Best lambda.
    excess : float
        Test error above the label noise, in units of the task's signal.
    value : float
        Task samples that least squares would need on top for the same error.
    exchange_rate : float
        Value per brain sample.
    savings : float
        Share of the task samples saved.
    asymptotic_value : float
        The value for unlimited task samples.
    ridge_value, ridge_savings : float
        What a tuned penalty without brain data is worth.
    value_over_ridge : float
        Task samples a tuned ridge regression would need on top; negative if it is better.
    difficulty : float
        rho.
    caveats : tuple of str
        Sentences.
    """

    n_brain: float
    n_task: float
    hours: float
    ridge_value: float
    ridge_savings: float
    difficulty: float
    caveats: tuple[str, ...]
    missed: float | None = None
    penalty: float | None = None
    excess: float | None = None
    value: float | None = None
    exchange_rate: float | None = None
    savings: float | None = None
    asymptotic_value: float | None = None
    value_over_ridge: float | None = None

    def table(self) -> str:
        """Return the appraisal as text."""
        rows = [
            ("brain samples", _count(self.n_brain), f"{self.hours:.1f} hours of scanning"),
            ("task samples", _count(self.n_task), ""),
            ("part of the task missed", _decimals(self.missed), "by the learned subspace"),
            ("value", _count(self.value), "task samples, against least squares"),
            ("  for unlimited task samples", _count(self.asymptotic_value), ""),
            ("exchange rate", _decimals(self.exchange_rate), "task samples per brain sample"),
            ("savings", _percent(self.savings), "of the task samples least squares needs"),
            ("value of a tuned ridge", _count(self.ridge_value), "task samples, no brain data"),
            ("savings of a tuned ridge", _percent(self.ridge_savings), ""),
            ("value over a tuned ridge", _count(self.value_over_ridge), "task samples"),
            ("best lambda", _decimals(self.penalty, 4), "of |y - Xb|^2 / N_t + lambda |Qb|^2"),
            ("excess test error", _decimals(self.excess, 4), "task signal = 1"),
            ("difficulty rho", _decimals(self.difficulty), "of learning the task from the brain"),
        ]
        return _text(rows, self.caveats)


@dataclass(frozen=True)
class Plan:
    """How to split a budget.

    Attributes
    ----------
    rule : Rule
        The paper's allocation for unlimited budgets.
    best : Allocation
        The best split of this budget.
    hours : float
        Hours of scanning it takes.
    budget : float
    caveats : tuple of str
        Sentences.
    """

    rule: Rule
    best: Allocation
    hours: float
    budget: float
    caveats: tuple[str, ...]

    def table(self) -> str:
        """Return the plan as text."""
        rule, best = self.rule, self.best
        rows = [
            ("budget", _decimals(self.budget, 2), ""),
            ("favourability F", _decimals(rule.favourability), "above 1 favours brain data"),
            ("brain samples", _count(best.n_brain), f"{self.hours:.1f} hours of scanning"),
            ("task samples", _count(best.n_task), ""),
            ("equivalent extra budget", _decimals(best.extra_budget, 2), "against least squares"),
            ("budget savings", _percent(best.savings), ""),
            (
                "extra budget over ridge",
                _decimals(best.extra_budget_over_ridge, 2),
                "against a tuned ridge without brain data",
            ),
            ("excess test error", _decimals(best.excess, 4), "task signal = 1"),
            ("  least squares, all on task", _decimals(best.task_only_excess, 4), ""),
            ("  tuned ridge, all on task", _decimals(best.ridge_excess, 4), ""),
            ("rule: brain samples", _count(rule.n_brain), "for unlimited budgets"),
            ("rule: net extra budget", _decimals(rule.net_extra_budget, 2), ""),
            ("difficulty rho", _decimals(rule.difficulty), "of learning the task from the brain"),
        ]
        return _text(rows, self.caveats)


def _text(rows: list[tuple[str, str, str]], caveats: tuple[str, ...]) -> str:
    left = max(len(row[0]) for row in rows)
    middle = max(len(row[1]) for row in rows)
    lines = [f"{name:<{left}}  {number:>{middle}}  {note}".rstrip() for name, number, note in rows]
    if caveats:
        lines += ["", "Caveats", *(f"- {caveat}" for caveat in caveats)]
    return "\n".join(lines)


def _count(number: float | None) -> str:
    return _known(number) or f"{number:,.0f}"


def _decimals(number: float | None, decimals: int = 3) -> str:
    return _known(number) or f"{number:,.{decimals}f}"


def _percent(share: float | None) -> str:
    return _known(share) or f"{100 * share:.1f} %"


def _known(number: float | None) -> str:
    """Return what to print instead of a number that is not there or not finite, if so."""
    if number is None:
        return "-"
    return "unlimited" if math.isinf(number) else ""
