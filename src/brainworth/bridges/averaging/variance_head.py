"""A head for the variance of responses, beside the one for their mean.

A linear head for the log variance of a Gaussian is fitted by likelihood to the variances over
trials of each image (`gaussian_head.log_variance`: trials about their own mean, so that an error of
the mean head is no variance). Three sets of predictors:

images      leading components of the features of an image; fitted to training images
mse_output  what the encoder that was trained by squared error says of the image: its prediction
            for the region, and its square; fitted to training images
others      the log of the other subjects' mean relative variance for the same image; known of test
            images only, so it is fitted and tested on disjoint folds of them
true        on simulated data, the features that the subject's responses are made of

A head is scored on test images by its gain in log-likelihood over one variance for all images, in
nats per degree of freedom, and by the correlation of its log variance with the measured variance.

Two nulls. `rotation`: the contrasts between trials of test images are rotated into one another, all
regions alike, which is an exact test of homoscedastic Gaussian noise (as in
`erosion.variance_nulls`). `relabelled`: variances differ between images but not by what predicts
them: test images are relabelled among those that were shown as often, in the same way in all
subjects, so that variances that subjects share stay shared; for `others`, in each subject by
itself. Heads of training images stay as they are; those of `others` are fitted anew to each draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainworth.bridges.averaging.region_responses import Columns
from brainworth.erosion import gaussian_head
from brainworth.erosion.predicted_variance import relabellings
from brainworth.stats import stream

ROI_MEAN, COMPONENTS = "roi_mean", "components"
TARGETS = (ROI_MEAN, COMPONENTS)
IMAGES, OUTPUT, OTHERS, TRUE = "images", "mse_output", "others", "true"
NULLS = ("rotation", "relabelled")
STATISTICS = ("gain", "correlation")
_SMALL = 1e-12
#: Rotations drawn at a time, which bounds the memory.
_CHUNK = 50


@dataclass(frozen=True)
class Squares:
    """Variances over trials of the test images of one subject, R regions.

    Attributes
    ----------
    values : dict from null to dict from target to array of shape (1 + m, I, R)
        The measured ones, then those of the null: `NULLS`, and ``alone``, relabelled in this
        subject by itself.
    degrees : dict from target to array of shape (I,)
        Degrees of freedom.
    """

    values: dict[str, dict[str, np.ndarray]]
    degrees: dict[str, np.ndarray]

    def region(self, number: int) -> Squares:
        """Return those of one region, as arrays (1 + m, I, 1)."""
        values = {
            null: {target: each[:, :, number : number + 1] for target, each in of.items()}
            for null, of in self.values.items()
        }
        return Squares(values, self.degrees)


def scales(item: Columns, n_components: int) -> np.ndarray:
    """Return the SD of a trial about its image's mean, of each column, from training images."""
    pooled = item.train_degrees @ item.train_squares / item.train_degrees.sum()
    return np.sqrt(np.maximum(pooled[: 1 + n_components], _SMALL))


def training_squares(item: Columns, n_components: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return variances (n_repeated,) and degrees of freedom of training images, by target."""
    relative = item.train_squares[:, : 1 + n_components] / scales(item, n_components) ** 2
    return {
        ROI_MEAN: (relative[:, 0], item.train_degrees),
        COMPONENTS: (relative[:, 1:].mean(axis=1), item.train_degrees * n_components),
    }


def test_squares(
    found: Sequence[Columns],
    n_components: int,
    orders: np.ndarray,
    alone: np.ndarray,
    rng: np.random.Generator,
) -> Squares:
    """Return the variances of test images of one subject, with both nulls.

    Parameters
    ----------
    found : sequence of R Columns
        Regions of one subject.
    n_components : int
        Components that make the target of this name.
    orders, alone : arrays of shape (m, I)
        Relabellings of test images: in common, and of this subject by itself.
    rng : numpy.random.Generator
        Draws as many rotations.
    """
    first = found[0]
    width = 1 + n_components
    contrasts = np.hstack(
        [item.contrasts[:, :width] / scales(item, n_components) for item in found]
    )
    observed = contrasts.reshape(1, len(contrasts), len(found), width)
    parts = {target: [_by_image(observed, first)[target]] for target in TARGETS}
    for start in range(0, len(orders), _CHUNK):
        m = min(_CHUNK, len(orders) - start)
        turned = rotated(contrasts, m, rng).reshape(m, len(contrasts), len(found), width)
        for target, values in _by_image(turned, first).items():
            parts[target].append(values)
    rotation = {target: np.concatenate(values) for target, values in parts.items()}
    values = {"rotation": rotation}
    for name, drawn in (("relabelled", orders), ("alone", alone)):
        values[name] = {
            target: np.concatenate([each[:1], each[0][drawn]]) for target, each in rotation.items()
        }
    return Squares(
        values,
        {ROI_MEAN: first.degrees, COMPONENTS: first.degrees * n_components},
    )


def rotated(contrasts: np.ndarray, m: int, rng: np.random.Generator) -> np.ndarray:
    """Rotate rows (D, C) into one another, uniformly at random, m times: (m, D, C).

    With fewer columns than rows, only the C columns of the rotation that act on them are drawn.
    """
    n, width = contrasts.shape
    _, size, right = np.linalg.svd(contrasts, full_matrices=False)
    drawn = rng.standard_normal((m, n, min(n, width)))
    # the factor with a positive diagonal makes the distribution uniform (Mezzadri 2007)
    q, r = np.linalg.qr(drawn)
    q *= np.sign(np.einsum("mii->mi", r))[:, None, :]
    return q @ (size[:, None] * right)


def _by_image(contrasts: np.ndarray, item: Columns) -> dict[str, np.ndarray]:
    """Return variances over trials by target, (m, I, R), from contrasts (m, D, R, C)."""
    squares = contrasts**2
    of = {ROI_MEAN: squares[..., 0], COMPONENTS: squares[..., 1:].mean(axis=-1)}
    answer = {}
    for target, values in of.items():
        total = np.zeros((len(values), item.degrees.size, values.shape[2]))
        # contrasts come in rounds: within one, each image appears at most once
        start = 0
        for step in range(item.degrees.max()):
            has = np.flatnonzero(item.degrees > step)
            total[:, has] += values[:, start : start + has.size]
            start += has.size
        answer[target] = total / item.degrees[:, None]
    return answer


@dataclass(frozen=True)
class Head:
    """A head that was fitted to training images: standardisation, weights (R, P), level (R,)."""

    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    level: np.ndarray
    same: np.ndarray

    def relative(self, features: np.ndarray) -> np.ndarray:
        """Return log variances (I, R) less that of one variance for all training images."""
        standard = (features - self.centre) / self.scale
        return standard @ self.weights.T + self.level - self.same


def fit(features: np.ndarray, squares: np.ndarray, degrees: np.ndarray, prior_sd: float) -> Head:
    """Fit a head for R regions.

    Parameters
    ----------
    features : array of shape (N, P)
    squares : array of shape (N, R)
        Variances over trials.
    degrees : array of shape (N,)
    prior_sd : float
        As in `gaussian_head.log_variance`.
    """
    centre, scale = features.mean(axis=0), np.maximum(features.std(axis=0), _SMALL)
    standard = (features - centre) / scale
    weights, level = gaussian_head.log_variance(standard[None], squares.T, degrees, prior_sd)
    same = np.log(degrees @ squares / degrees.sum())
    return Head(centre, scale, weights, level, same)


def score(relative: np.ndarray, same: np.ndarray, squares: np.ndarray, degrees: np.ndarray) -> dict:
    """Score log variances on test images.

    Parameters
    ----------
    relative : array of shape (1 or 1 + m, I, R)
        Predicted, less the log of one variance for all.
    same : array of shape (1 or 1 + m, R)
        That log.
    squares : array of shape (1 + m, I, R)
    degrees : array of shape (I,)

    Returns
    -------
    dict
        ``by_image`` (I, R), the gain of each image for the measured variances; ``gain`` and
        ``correlation``, (1 + m, R).
    """
    ratio = squares * np.exp(-same)[:, None, :]
    gain = (
        0.5 * (degrees / degrees.mean())[:, None] * (ratio - relative - ratio * np.exp(-relative))
    )
    p = relative - relative.mean(axis=1, keepdims=True)
    y = squares - squares.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.sum(p**2, axis=1) * np.sum(y**2, axis=1))
    cross = np.sum(p * y, axis=1)
    # a head without weights predicts one variance, which correlates with nothing
    correlation = np.where(norm > _SMALL, cross / np.maximum(norm, _SMALL), 0.0)
    return {"by_image": gain[0], "gain": gain.mean(axis=1), "correlation": correlation}


def from_training(
    train: np.ndarray,
    test: np.ndarray,
    squares: np.ndarray,
    train_degrees: np.ndarray,
    tested: Squares,
    target: str,
    prior_sd: float,
) -> dict[str, dict]:
    """Fit a head to training images, and score it on test images under both nulls.

    Parameters
    ----------
    train, test : arrays of shape (N, P), (I, P)
        Predictors.
    squares : array of shape (N, R)
    train_degrees : array of shape (N,)
    tested : Squares
    """
    head = fit(train, squares, train_degrees, prior_sd)
    relative, same = head.relative(test)[None], head.same[None]
    return {
        null: score(relative, same, tested.values[null][target], tested.degrees[target])
        for null in NULLS
    }


def from_others(
    own: Squares, rest: Sequence[Squares], fold: np.ndarray, prior_sd: float
) -> dict[str, dict[str, dict]]:
    """Predict the variance of one subject, one region, from other subjects', fold by fold.

    Parameters
    ----------
    own : Squares
        Of one region: arrays (1 + m, I, 1).
    rest : sequence of Squares
        The other subjects' components; each is taken relative to its mean, so that none dominates.
    fold : array of shape (I,)

    Returns
    -------
    dict
        Target to null to scores.
    """
    answer: dict[str, dict[str, dict]] = {target: {} for target in TARGETS}
    for null, drawn in zip(NULLS, ("rotation", "alone"), strict=True):
        profiles = [each.values[drawn][COMPONENTS][:, :, 0] for each in rest]
        predictor = np.log(sum(p / p.mean(axis=1, keepdims=True) for p in profiles) / len(profiles))
        for target in TARGETS:
            squares, degrees = own.values[drawn][target][:, :, 0], own.degrees[target]
            relative, same = np.empty(squares.shape), np.empty(squares.shape)
            for number in np.unique(fold):
                test = fold == number
                train = ~test
                centre = predictor[:, train].mean(axis=1, keepdims=True)
                scale = np.maximum(predictor[:, train].std(axis=1, keepdims=True), _SMALL)
                standard = ((predictor - centre) / scale)[:, :, None]
                weights, level = gaussian_head.log_variance(
                    standard[:, train], squares[:, train], degrees[train], prior_sd
                )
                known = np.log(squares[:, train] @ degrees[train] / degrees[train].sum())
                same[:, test] = known[:, None]
                fitted = gaussian_head.predict(standard[:, test], weights) + level[:, None]
                relative[:, test] = fitted - known[:, None]
            # with a level a fold, scores are of variances relative to it
            answer[target][null] = score(
                relative[:, :, None],
                np.zeros((len(squares), 1)),
                (squares * np.exp(-same))[:, :, None],
                degrees,
            )
    return answer


def orders_of(degrees: Sequence[np.ndarray], n: int, seed: int, subject: str | None) -> np.ndarray:
    """Draw relabellings (n, I) of test images among those shown as often.

    Parameters
    ----------
    degrees : sequence of arrays of shape (I,)
        Of all subjects, for relabellings that they have in common; of one.
    subject : str or None
        None for those in common.
    """
    rng = stream(seed, "averaging", "variance", "relabelled", subject or "all")
    return relabellings(np.stack(degrees), n, rng)
