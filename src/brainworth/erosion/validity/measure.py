"""Rates over many planted data sets: false positives, power, coverage, bias."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from brainworth.erosion.validity.plant import Plant
from brainworth.stats import binomial_interval, percentile_interval, stream

ALPHA = 0.05
KINDS = ("null", "conservative", "effect", "violation")
_BOOTSTRAP = 1000


@dataclass(frozen=True)
class Cell:
    """A condition that data sets are drawn under.

    Attributes
    ----------
    kind : {"null", "effect", "violation"}
        Whether the tests of this cell should reject at their level, should reject often, or rest
        on an assumption that is planted to be false.
    says : str
        What is planted, in a phrase.
    knobs : mapping
        Of `plant.Plant`, where they differ from its defaults.
    violated : tuple of str
        Tests whose null hypothesis is another one than that of a null cell.
    conservative : tuple of str
        Tests that should reject less often than their level in a null cell.
    null : tuple of str
        Tests of an effect cell whose null hypothesis is true in it.
    """

    kind: str
    says: str
    knobs: Mapping[str, Any]
    violated: tuple[str, ...] = ()
    conservative: tuple[str, ...] = ()
    null: tuple[str, ...] = ()

    def kind_of(self, test: str) -> str:
        """Return what the rate of rejection of a test means in this cell."""
        if test in self.violated:
            return "violation"
        if test in self.null:
            return "null"
        return "conservative" if test in self.conservative else self.kind


@dataclass
class Replicate:
    """What a test says about one data set.

    Attributes
    ----------
    p : dict from str to float
        Or None where the test gives none, which is no rejection.
    estimates : dict from str to (estimate, interval, truth)
        Or None where the test gives no estimate.
    published : dict from str to float
        Published statistics; True and False count as 1 and 0.
    """

    p: dict[str, float | None] = field(default_factory=dict)
    estimates: dict[str, tuple[float, list[float], float] | None] = field(default_factory=dict)
    published: dict[str, float] = field(default_factory=dict)


def measure(
    test: str,
    *,
    n_replicates: int,
    n_subjects: int,
    n_stimuli: int,
    n_voxels: int,
    n_draws: int,
    n_bootstrap: int,
    interval: float,
    seed: int,
) -> dict:
    """Run one test on planted data sets.

    Parameters
    ----------
    test : str
        A module of this package with ``CELLS`` and ``replicate``.
    n_replicates : int
        Data sets a cell.
    n_subjects, n_stimuli, n_voxels : int
        Their size.
    n_draws : int
        Permutations or surrogates of the test.
    n_bootstrap : int
        Bootstrap samples of the test.
    interval : float
        Nominal coverage of the test's intervals.
    seed : int
        Root seed of the study.

    Returns
    -------
    dict
        Ready for JSON.
    """
    module = importlib.import_module(f"brainworth.erosion.validity.{test}")
    settings = {"n_draws": n_draws, "n_bootstrap": n_bootstrap, "interval": interval}
    cells = []
    for name, cell in module.CELLS.items():
        plant = Plant(n_subjects, n_stimuli, n_voxels, **cell.knobs)
        found = [
            module.replicate(plant, name, number, seed, **settings)
            for number in tqdm(range(n_replicates), desc=f"{test}: {name}", disable=None)
        ]
        rng = stream(seed, "validity", test, name, "bootstrap")
        cells.append(
            {"cell": name, "kind": cell.kind, "says": cell.says, "planted": dict(cell.knobs)}
            | summarise(found, cell, interval, rng)
        )
    return {
        "test": test,
        "alpha": ALPHA,
        "interval": interval,
        "n_replicates": n_replicates,
        "n_subjects": n_subjects,
        "n_stimuli": n_stimuli,
        "n_voxels": n_voxels,
        "n_draws": n_draws,
        "n_bootstrap": n_bootstrap,
        "cells": cells,
    }


def summarise(found: list[Replicate], cell: Cell, level: float, rng: np.random.Generator) -> dict:
    """Turn replicates of one cell into rates, coverages and biases, with their intervals."""
    return {
        "rates": [
            {"test": name, "kind": cell.kind_of(name)}
            | _rate([_rejects(replicate.p[name]) for replicate in found], level)
            for name in found[0].p
        ],
        "estimates": [
            {"estimate": name} | _estimate([each.estimates[name] for each in found], level, rng)
            for name in found[0].estimates
        ],
        "published": [
            {"statistic": name} | _spread([float(each.published[name]) for each in found], level)
            for name in found[0].published
        ],
    }


def _rejects(p: float | None) -> bool:
    return p is not None and p <= ALPHA


def _rate(hits: list[bool], level: float) -> dict:
    n = len(hits)
    return {
        "rate": sum(hits) / n,
        "interval": list(binomial_interval(int(sum(hits)), n, level)),
        "n": n,
    }


def _estimate(
    found: list[tuple[float, list[float], float] | None], level: float, rng: np.random.Generator
) -> dict:
    known = [row for row in found if row is not None]
    missing = {"n_missing": len(found) - len(known)}
    if len(known) < 2:
        names = ("mean", "truth", "bias", "bias_interval", "sd", "coverage", "coverage_interval")
        reason = "the test gave an estimate in fewer than two data sets"
        return dict.fromkeys(names) | missing | {"n": len(known), "reason": reason}
    values, truth = (np.array([row[place] for row in known]) for place in (0, 2))
    inside = [low <= value <= high for _, (low, high), value in known]
    covered = _rate(inside, level)
    errors = values - truth
    draws = rng.choice(errors, size=(_BOOTSTRAP, errors.size)).mean(axis=1)
    return missing | {
        "n": len(known),
        "mean": float(values.mean()),
        "truth": float(truth.mean()),
        "bias": float(errors.mean()),
        "bias_interval": list(percentile_interval(draws, level)),
        "sd": float(errors.std(ddof=1)),
        "coverage": covered["rate"],
        "coverage_interval": covered["interval"],
        "reason": None,
    }


def _spread(values: list[float], level: float) -> dict:
    column = np.array(values)
    return {
        "mean": float(column.mean()),
        "interval": list(percentile_interval(column, level)),
        "n": column.size,
    }
