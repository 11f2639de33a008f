"""Predictability of the variance: RidgeCV of all surrogates at once, ortho_group rotations.

Surrogates are drawn by scipy's own `ortho_group`, so that nulls agree in distribution only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.linalg import svd
from sklearn.linear_model import Ridge, RidgeCV

from brainworth import ridge
from brainworth.erosion import responses, schedule, variance_prediction
from brainworth.folds import folds
from brainworth.stats import multiplicities, stream
from straightforward.clock import Clock
from straightforward.contrasts import (
    by_stimulus,
    contrasts_of,
    log_profile,
    odd_ones_out,
    pair_of_three,
    sampling_variance,
    surrogates,
    trials_of,
)
from straightforward.reading import Trials, matched_rows, mean_patterns, read

N_COMPONENTS, N_FOLDS, N_READ = 30, 5, 200
NUISANCES = ("session", "position", "global_signal", "mean_response")
LEVEL = [0.025, 0.975]


@dataclass
class Subject:
    """What is computed of one subject before any other is looked at."""

    region: str
    data: Trials
    path: Path
    contrasts: np.ndarray
    owner: np.ndarray
    degrees: np.ndarray
    patterns: np.ndarray
    scores: np.ndarray
    logs: np.ndarray


@dataclass
class Step:
    """Squared errors (I, T) of predictions without and with a step, and of the training mean."""

    before: np.ndarray
    after: np.ndarray
    mean: np.ndarray
    stimuli: np.ndarray

    def r2(self, chosen: np.ndarray) -> np.ndarray:
        """Return R2 with the step and what it adds, of all targets, (2, T)."""
        total = self.mean[chosen].sum(axis=0)
        without, found = (1 - e[chosen].sum(axis=0) / total for e in (self.before, self.after))
        return np.array([found, found - without])

    def resampled(self, row: np.ndarray) -> np.ndarray:
        """Return R2 and increment of the data in one bootstrap sample."""
        chosen = np.repeat(np.arange(self.stimuli.size), row[self.stimuli])
        data = Step(self.before[:, :1], self.after[:, :1], self.mean[:, :1], self.stimuli)
        return data.r2(chosen if chosen.size else np.arange(self.stimuli.size))[:, 0]


def analyse(extracts: dict[str, Path], region: str, clock: Clock, counts: dict, seed: int) -> dict:
    """Return R2 and increment of every step with null, readings, and ceilings of one region."""
    found = []
    for path in extracts.values():
        with clock.part("read and patterns"):
            found.append(see(path, region))
    n = found[0].logs.size
    fold = folds(n, N_FOLDS, stream(seed, "variance", "folds"))
    share = counts["subjects"], len(found)
    steps, sampling, readings = [], [], []
    for s, one in enumerate(found[: counts["subjects"]]):
        others = [other for t, other in enumerate(found) if t != s]
        drawn = counts["surrogates"] * share[0], counts["all_surrogates"] * share[1]
        with clock.part("surrogates", *drawn):
            halves = voxel_halves(one, seed)
            targets = profiles(one, halves, counts["surrogates"], seed)
        # The time of a regression hardly depends on the number of targets.
        targets = padded(targets, counts["all_surrogates"])
        with clock.part("ladder", *share):
            own, null_logs = ladder(one, others, halves, targets, fold)
        with clock.part("readings", *share):
            readings.append(both_readings(one, seed))
        steps.append(own)
        sampling.append(sampling_variance(null_logs, one.degrees))
    weights = multiplicities(
        stream(seed, "variance prediction", "bootstrap"), counts["bootstrap"], n
    )
    answer: dict = {"readings": {}, "steps": {}}
    for name in readings[0][0]:
        data, surrogate = np.mean([[d[name], u[name]] for d, u in readings], axis=0)
        answer["readings"][name] = {"estimate": data, "null_mean": surrogate}
    drawn = counts["bootstrap"] * share[0], counts["all_bootstrap"] * share[1]
    for name in steps[0]:
        used = [step for own in steps for step in own[name]]
        values = np.mean([step.r2(np.arange(step.stimuli.size)) for step in used], axis=0)
        with clock.part("bootstrap", *drawn):
            draws = [
                np.mean([step.resampled(row) for step in used], axis=0)
                for row in weights.astype(int)
            ]
        answer["steps"][name] = {
            kind: {"estimate": values[place, 0], "interval": bounds}
            for place, (kind, bounds) in enumerate(
                zip(("r2", "increment"), np.quantile(draws, LEVEL, axis=0).T, strict=True)
            )
        }
        answer["steps"][name]["increment"]["null_mean"] = values[1, 1:].mean()
    if counts["subjects"] == len(found):
        answer |= shared_r2(found, np.array(sampling), weights)
    return answer


def see(path: Path, region: str) -> Subject:
    """Read one subject; take patterns and variances."""
    data = read(path, region, matched_rows(path))
    patterns = mean_patterns(data.values, data.stimulus)
    contrasts, owner = contrasts_of(data.values, data.stimulus)
    degrees = np.bincount(owner)
    logs = log_profile(by_stimulus((contrasts**2).mean(axis=1), owner), degrees)
    return Subject(
        region, data, path, contrasts, owner, degrees, patterns, components(patterns), logs
    )


def components(patterns: np.ndarray) -> np.ndarray:
    """Return scores of the leading principal components."""
    n = min(N_COMPONENTS, len(patterns) // 3)
    left, size, _ = svd(patterns - patterns.mean(axis=0), full_matrices=False)
    return left[:, :n] * size[:n]


def voxel_halves(one: Subject, seed: int) -> list[np.ndarray]:
    """Split the voxels at random."""
    n = one.patterns.shape[1]
    names = ("variance", "prediction halves", one.data.subject, one.region)
    chosen = stream(seed, *names).permutation(n)
    return [np.sort(chosen[: n // 2]), np.sort(chosen[n // 2 :])]


def profiles(one: Subject, halves: list[np.ndarray], n: int, seed: int) -> dict[str, np.ndarray]:
    """Return targets of the data and of surrogates, in columns: log variances.

    ``whole``, ``0`` and ``1`` for all voxels and halves (I, 1 + n); ``odd 0`` to ``odd 2`` for the
    difference of two of three trials in the second half.
    """
    found: dict[str, list] = {}
    rotated = surrogates(one.contrasts, one.owner, n, np.random.default_rng(seed))
    for values in (one.contrasts, *rotated):
        by_voxel = by_stimulus(values**2, one.owner)
        parts = {"whole": by_voxel.mean(axis=1)}
        parts |= {str(k): by_voxel[:, half].mean(axis=1) for k, half in enumerate(halves)}
        columns = {name: log_profile(values, one.degrees) for name, values in parts.items()}
        pairs = odd_ones_out(*pair_of_three(values[:, halves[1]], one.owner))
        for k, (difference, _) in enumerate(pairs):
            columns[f"odd {k}"] = np.log((difference**2).mean(axis=1))
        for name, column in columns.items():
            found.setdefault(name, []).append(column)
    return {name: np.transpose(columns) for name, columns in found.items()}


def padded(targets: dict[str, np.ndarray], n: int) -> dict[str, np.ndarray]:
    """Repeat surrogates until there are as many as there should be."""
    return {
        name: np.hstack([values[:, :1], np.resize(values[:, 1:].T, (n, len(values))).T])
        for name, values in targets.items()
    }


def ladder(
    one: Subject,
    others: list[Subject],
    halves: list[np.ndarray],
    targets: dict[str, np.ndarray],
    fold: np.ndarray,
) -> tuple[dict[str, list[Step]], np.ndarray]:
    """Predict from nuisances, then from patterns and other subjects' variances on top of them."""
    everything = np.arange(fold.size)
    ids = responses.matched_stimuli({one.data.subject: one.path})
    known = schedule.read(one.path, ids)
    response = one.patterns.mean(axis=1)
    powers = np.column_stack([response, response**2])
    # with one region, its mean response is the global signal
    blocks = [schedule.session_covariates(known), schedule.position_covariates(known)]
    blocks = [standardised(block) for block in (*blocks, powers, powers)]
    y = targets["whole"]
    mean = (y - held_out(np.empty((fold.size, 0)), y, fold)) ** 2
    steps, before = {}, mean
    for k, name in enumerate(NUISANCES):
        after = (y - held_out(np.hstack(blocks[: k + 1]), y, fold)) ** 2
        steps[name] = [Step(before, after, mean, everything)]
        before = after
    nuisances = np.hstack(blocks)
    scores = components(np.hstack([other.scores for other in others]))
    logs = np.mean([other.logs for other in others], axis=0)[:, None]
    for name, x in (("others_patterns", scores), ("others_variance", logs)):
        after = (y - on_top(x, nuisances, y, fold)) ** 2
        steps[name] = [Step(before, after, mean, everything)]
    steps["own_patterns"] = []
    for own, other in ((0, 1), (1, 0)):
        y = targets[str(other)]
        x = components(one.patterns[:, halves[own]])
        errors = [
            (y - predicted) ** 2
            for predicted in (
                held_out(nuisances, y, fold),
                on_top(x, nuisances, y, fold),
                held_out(np.empty((fold.size, 0)), y, fold),
            )
        ]
        steps["own_patterns"].append(Step(*errors, everything))
    steps["own_other_trials"] = other_trials(one, halves[0], targets, fold)
    return steps, targets["whole"][:, 1:].T


def other_trials(
    one: Subject, half: np.ndarray, targets: dict[str, np.ndarray], fold: np.ndarray
) -> list[Step]:
    """Predict the difference of two trials in one half of the voxels from the third."""
    three = np.flatnonzero(one.degrees == 2)
    place = np.argsort(np.argsort(fold[three], kind="stable")) % (fold.max() + 1)
    trials = np.array([np.flatnonzero(one.data.stimulus == i) for i in three])
    steps = []
    for k, odd in enumerate((2, 0, 1)):
        y = targets[f"odd {k}"]
        x = components(one.data.values[trials[:, odd]][:, half])
        mean = (y - held_out(np.empty((three.size, 0)), y, place)) ** 2
        steps.append(Step(mean, (y - held_out(x, y, place)) ** 2, mean, three))
    return steps


def standardised(values: np.ndarray) -> np.ndarray:
    """Return the columns that vary, with mean 0 and SD 1."""
    values = values[:, values.std(axis=0) > 1e-12]
    return (values - values.mean(axis=0)) / values.std(axis=0)


def fitted(x: np.ndarray, y: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Predict all from a regression on training stimuli, each target with its own penalty."""
    if not x.shape[1]:
        return np.broadcast_to(y.mean(axis=0), (len(x), y.shape[1]))
    alphas = mean_square(x[train]) * variance_prediction.ALPHAS
    model = RidgeCV(alphas, alpha_per_target=True).fit(x[train], y)
    return model.predict(x).reshape(len(x), -1)


def mean_square(x: np.ndarray) -> float:
    """Return the mean squared length of rows about their mean: the unit of penalties."""
    return np.mean(np.sum((x - x.mean(axis=0)) ** 2, axis=1))


def held_out(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Predict each fold from the others."""
    answer = np.empty_like(y)
    for number in np.unique(fold):
        train = fold != number
        answer[~train] = fitted(x, y[train], train)[~train]
    return answer


def on_top(x: np.ndarray, nuisances: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Predict from nuisances, and what they leave of training targets from x."""
    answer = np.empty_like(y)
    for number in np.unique(fold):
        train = fold != number
        first = fitted(nuisances, y[train], train)
        rest = fitted(x, y[train] - first[train], train)
        answer[~train] = (first + rest)[~train]
    return answer


def both_readings(one: Subject, seed: int) -> tuple[dict, dict]:
    """Return the R2 of every published reading, of some stimuli and of a surrogate of them."""
    names = ("variance", "readings", one.data.subject, one.region)
    n = one.logs.size
    kept = np.arange(n)
    if n > N_READ:
        kept = np.sort(stream(seed, *names, "stimuli").permutation(n)[:N_READ])
    rows = np.isin(one.owner, kept)
    contrasts, owner = one.contrasts[rows], np.searchsorted(kept, one.owner[rows])
    rotated = next(surrogates(contrasts, owner, 1, np.random.default_rng(seed)))
    return tuple(
        reading(values, owner, one.patterns[kept], stream(seed, *names, "folds"))
        for values in (contrasts, rotated)
    )


def reading(
    contrasts: np.ndarray, owner: np.ndarray, means: np.ndarray, rng: np.random.Generator
) -> dict[str, float]:
    """Return what "R2 of the variance from activation patterns" may be."""
    n_voxels = means.shape[1]
    by_voxel = by_stimulus(contrasts**2, owner)
    y = by_voxel.mean(axis=1, keepdims=True)
    fold = folds(len(means), N_FOLDS, rng)
    unit = mean_square(means)
    weakest = Ridge(ridge.ALPHAS[0] * unit).fit(means, y).predict(means).reshape(y.shape)
    trials, stimulus = trials_of(contrasts, owner, means)
    target = y[stimulus, 0]
    alphas = ridge.ALPHAS * mean_square(trials)
    errors = RidgeCV(alphas, store_cv_results=True).fit(trials, target).cv_results_.mean(axis=0)
    first = np.zeros(n_voxels, dtype=bool)
    first[rng.permutation(n_voxels)[: n_voxels // 2]] = True
    other = by_voxel[:, ~first].mean(axis=1, keepdims=True)
    return {
        "mean_patterns": held_out_r2(means, y, fold),
        "mean_patterns_in_sample": 1 - np.sum((y - weakest) ** 2) / np.sum((y - y.mean()) ** 2),
        "trial_folds": 1 - errors.min() / target.var(),
        "variance_patterns": held_out_r2(by_voxel[:, first], other, fold),
    }


def held_out_r2(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> float:
    """Return R2 against the training mean."""
    mean = held_out(np.empty((len(y), 0)), y, fold)
    return 1 - np.sum((y - held_out(x, y, fold)) ** 2) / np.sum((y - mean) ** 2)


def shared_r2(found: list[Subject], sampling: np.ndarray, weights: np.ndarray) -> dict:
    """Return the ceiling, and what noise-free variances of other subjects explain below it."""
    logs = np.array([one.logs for one in found])
    n = len(found) - 1
    others, noise = (logs.sum(0) - logs) / n, (sampling.sum(0) - sampling) / n**2

    def largest(chosen: np.ndarray) -> tuple[float, float]:
        ceiling = 1 - sampling[:, chosen].mean(axis=1) / logs[:, chosen].var(axis=1)
        reliability = 1 - noise[:, chosen].mean(axis=1) / others[:, chosen].var(axis=1)
        usable = ceiling.mean() > 0 and reliability.min() > 0
        return ceiling.mean(), np.mean(ceiling * reliability) if usable else np.nan

    def signed_square(chosen: np.ndarray) -> float:
        r = [np.corrcoef(x[chosen], y[chosen])[0, 1] for x, y in zip(logs, others, strict=True)]
        corrected = np.mean(r) / np.sqrt(largest(chosen)[1])
        return np.sign(corrected) * corrected**2

    everything = np.arange(logs.shape[1])
    draws = [signed_square(np.repeat(everything, row)) for row in weights.astype(int)]
    return {
        "ceiling": largest(everything)[0],
        "shared_r2": signed_square(everything),
        "shared_r2_interval": np.quantile([d for d in draws if np.isfinite(d)], LEVEL),
    }
