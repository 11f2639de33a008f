"""The encoding gap: scikit-learn's LinearRegression, covariances, loops over samples and labels.

Voxel by voxel, regressions of `sharing`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.linear_model import LinearRegression

from brainworth.erosion import encoding_design
from brainworth.erosion.calibration import CALIBRATIONS
from brainworth.stats import stream
from straightforward import sharing
from straightforward.clock import Clock
from straightforward.parts import split
from straightforward.reading import Trials, matched_rows, mean_patterns, read

N_FOLDS = 5
LEVEL = [0.025, 0.975]


def analyse(extracts: dict[str, Path], region: str, clock: Clock, counts: dict, seed: int) -> dict:
    """Return R2 of both predictors, null, noise-free gap and the gap of voxels."""
    with clock.part("read"):
        found = [read(path, region, matched_rows(path)) for path in extracts.values()]
    n_stimuli = found[0].stimulus.max() + 1
    plan = encoding_design.design(
        list(extracts),
        n_stimuli,
        n_folds=N_FOLDS,
        n_permutations=counts["permutations"],
        n_bootstrap=counts["bootstrap"],
        interval=0.95,
        seed=seed,
    )
    with clock.part("estimates"):
        whole, parts, counted = profiles(found)
        subjects = [
            Subject(found[s], s, whole, parts, counted[s], plan.fold) for s in range(len(found))
        ]
        everything = np.arange(n_stimuli)
        estimate = [one.statistics(everything) for one in subjects]
    with clock.part("bootstrap", counts["bootstrap"], counts["all_bootstrap"]):
        draws = []
        for row in plan.weights.astype(int):
            chosen = np.repeat(everything, row)
            draws.append([one.statistics(chosen) for one in subjects])
    labels = np.stack([plan.labels[subject] for subject in extracts], axis=1)
    with clock.part("permutations", counts["permutations"], counts["all_permutations"]):
        null = [population_r2(whole, parts, plan.fold, orders) for orders in labels]
    answer = summary(estimate, draws)
    answer["null_mean"] = np.mean(null)
    answer["voxelwise"] = voxelwise(found, plan, clock, counts, seed)
    return answer


def profiles(found: list[Trials]) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return the region's mean response of all trials (S, I), of parts (S, 2, I), their counts."""
    whole, parts, counted = [], [], []
    for data in found:
        response = data.values.mean(axis=1, keepdims=True)
        first, n = split(data)
        whole.append(mean_patterns(response, data.stimulus)[:, 0])
        parts.append([mean_patterns(response[c], data.stimulus[c])[:, 0] for c in (first, ~first)])
        counted.append(n)
    return np.array(whole), np.array(parts), counted


class Subject:
    """Predictions of one subject, and what they are worth on some stimuli."""

    def __init__(
        self,
        data: Trials,
        s: int,
        whole: np.ndarray,
        parts: np.ndarray,
        counted: np.ndarray,
        fold: np.ndarray,
    ) -> None:
        self.y, self.targets, self.counted = whole[s], parts[s], counted
        self.population = np.delete(whole, s, axis=0).mean(axis=0)
        self.others = np.delete(parts, s, axis=0).mean(axis=0)
        residuals = data.values.mean(axis=1) - self.y[data.stimulus]
        self.squares = np.bincount(data.stimulus, residuals**2)
        self.degrees = np.bincount(data.stimulus) - 1
        self.predicted = {}
        for calibration in CALIBRATIONS:
            for part in (0, 1):
                for who, x in (
                    ("individual", self.targets[1 - part]),
                    ("population", self.population),
                ):
                    self.predicted[who, calibration, part] = calibrated(
                        x, self.targets[part], fold, calibration
                    )

    def statistics(self, chosen: np.ndarray) -> dict[str, float]:
        """Return every estimate from chosen stimuli."""
        found = {}
        for who in ("individual", "population"):
            for calibration in CALIBRATIONS:
                pairs = [self.predicted[who, calibration, part] for part in (0, 1)]
                found[f"{who}.{calibration}"] = np.mean(
                    [r2(y[chosen], predicted[chosen]) for y, predicted in pairs]
                )
        found["published_population"] = r2(self.y[chosen], self.population[chosen])
        variance = self.squares[chosen].sum() / self.degrees[chosen].sum()
        found["ceiling"] = np.mean(
            [
                1 - variance * np.mean(1 / n[chosen]) / np.var(y[chosen], ddof=1)
                for y, n in zip(self.targets, self.counted, strict=True)
            ]
        )
        between = np.cov([self.population[chosen], self.y[chosen]], bias=True)
        found["slope"] = between[0, 1] / between[0, 0]
        c = np.cov([*self.others[:, chosen], *self.targets[:, chosen]], bias=True)
        found["signal"] = c[2, 3]
        found["explained"] = (c[0, 2] * c[1, 3] + c[0, 3] * c[1, 2]) / (2 * c[0, 1])
        return found


def calibrated(
    x: np.ndarray, y: np.ndarray, fold: np.ndarray, calibration: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the target and its held-out prediction."""
    if calibration == "raw":
        return y, x
    if calibration == "zscored":
        x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    return y, held_out(x, y, fold, intercept=calibration == "offset_slope")


def held_out(x: np.ndarray, y: np.ndarray, fold: np.ndarray, *, intercept: bool) -> np.ndarray:
    """Predict each fold by a line through the others."""
    predicted = np.empty_like(y)
    for number in range(fold.max() + 1):
        train, test = fold != number, fold == number
        model = LinearRegression(fit_intercept=intercept).fit(x[train, None], y[train])
        predicted[test] = model.predict(x[test, None])
    return predicted


def r2(y: np.ndarray, predicted: np.ndarray) -> float:
    """Return 1 - squared error / squared deviation from the mean."""
    return 1 - np.sum((y - predicted) ** 2) / np.sum((y - y.mean()) ** 2)


def population_r2(
    whole: np.ndarray, parts: np.ndarray, fold: np.ndarray, orders: np.ndarray
) -> float:
    """Return the mean R2 of the others' mean with the stimuli of each subject relabelled."""
    relabelled = np.take_along_axis(whole, orders, axis=1)
    values = []
    for s, targets in enumerate(parts):
        x = np.delete(relabelled, s, axis=0).mean(axis=0)
        for y in targets[:, orders[s]]:
            values.append(r2(y, held_out(x, y, fold, intercept=True)))
    return np.mean(values)


def summary(estimate: list[dict], draws: list[list[dict]]) -> dict:
    """Average over subjects; the gap divides sums over subjects."""
    answer = {}
    for name in estimate[0]:
        of_draws = [np.mean([one[name] for one in draw]) for draw in draws]
        answer[name] = {
            "estimate": np.mean([one[name] for one in estimate]),
            "interval": np.quantile(of_draws, LEVEL),
        }

    def noise_free(found: list[dict]) -> float:
        return sum(one["explained"] for one in found) / sum(one["signal"] for one in found)

    values = np.array([noise_free(draw) for draw in draws])
    answer["noise_free"] = {
        "estimate": noise_free(estimate),
        "interval": np.quantile(values, LEVEL),
    }
    return answer


def voxelwise(found: list[Trials], plan, clock: Clock, counts: dict, seed: int) -> dict:
    """Predict voxels from own other trials and from the other subjects."""
    with clock.part("patterns"):
        patterns = [sharing.patterns_of(data) for data in found]
        members = [one.of_size_one() for one in patterns]
    share = counts["subjects"], len(found)
    draws = []
    for s in range(counts["subjects"]):
        rest = [member for t, member in enumerate(members) if t != s]
        rng = stream(seed, "encoding", "halves")
        shared = sharing.predict(patterns[s], rest, plan.fold, rng, clock, share)
        with clock.part("voxels from own trials", *share):
            gained = own(patterns[s], plan.fold)
        samples = np.vstack([np.ones(plan.fold.size), plan.weights])
        with clock.part(
            "voxels, bootstrap", counts["bootstrap"] * share[0], counts["all_bootstrap"] * share[1]
        ):
            ceiling, population, noise_free = shared.shares(samples).T
            individual = [
                np.sum(row * gained) / (2 * np.sum(row * shared.signal)) for row in samples
            ]
        draws.append([individual, population / ceiling, noise_free])
    values = np.mean(draws, axis=0)
    return {
        name: {"estimate": row[0], "interval": np.quantile(row[1:], LEVEL)}
        for name, row in zip(("individual", "population", "noise_free"), values, strict=True)
    }


def own(patterns: sharing.Patterns, fold: np.ndarray) -> np.ndarray:
    """Return what a prediction of each part from the other explains, by stimulus."""
    gained = np.zeros(len(fold))
    first, second = patterns.first, patterns.second
    for x, y in ((first, second), (second, first)):
        for number in range(fold.max() + 1):
            train, test = fold != number, fold == number
            x_train, y_train = x[train] - x[train].mean(axis=0), y[train] - y[train].mean(axis=0)
            slope = np.sum(x_train * y_train) / np.sum(x_train**2)
            deviation = y[test] - y[train].mean(axis=0)
            error = deviation - slope * (x[test] - x[train].mean(axis=0))
            gained[test] += np.sum(deviation**2, axis=1) - np.sum(error**2, axis=1)
    return gained
