"""The variance over repetitions, measured twice in one subject: by voxels and by contrasts.

*Halves of the voxels* come from the same trials, so noise that is common to voxels (arousal,
motion, global gain) makes them agree, also where no stimulus differs from another. *Contrasts*:
three repetitions hold two orthogonal within-stimulus contrasts, which for Gaussian noise are
independent of each other given one variance for the three trials. They agree as far as the
variance depends on the stimulus, or differs between trials for another reason (arousal, motion): a
loud trial is in both contrasts. The choice of the repetition that is compared with the mean of the
other two is averaged over.

The null of both: contrasts of all stimuli rotated into one another (Langsrud 2005, Statistics and
Computing 15, 53-60), with all their voxels. It is exact for Gaussian noise of one variance in all
trials and any voxel covariance, the common part included. Rotations work within blocks of stimuli,
twice, with different blocks: rotating once would leave the differences between blocks in the null.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from brainworth.erosion import responses as shared
from brainworth.erosion import rotated_grams, variance
from brainworth.erosion.variance_nulls import random_rotations

# Stimuli whose contrasts are rotated into one another; the time grows with them. After both
# rotations, the spread of variances over contrasts is down to itself over the number of contrasts
# of a block: to a few percent.
_BLOCK = 16
_CHUNK = 20  # surrogates whose statistics are computed at a time
# Voxels that are rotated at a time, and of fewer voxels as many surrogates as make so many columns:
# the products stay in the cache.
_COLUMNS = 512
# With fewer voxels a rotated contrast may be so short that inner products round it away.
_FEWEST_FOR_GRAM = 128
_TURNS = np.array([0.0, 2.0, 4.0]) * np.pi / 3  # each repetition once the odd one out


@dataclass(frozen=True)
class Measured:
    """Squared contrasts of one subject and region, of data or of m surrogates.

    Attributes
    ----------
    halves : array of shape (..., 2, K, I)
        Variance profiles of two halves of the voxels in K random splits; K is 0 for one voxel.
    profile : array of shape (..., I)
        Variance profile of all voxels.
    pairs : array of shape (..., 3, J)
        Of the J stimuli with three trials: both squared contrasts and their product, averaged over
        voxels.
    """

    halves: np.ndarray
    profile: np.ndarray
    pairs: np.ndarray


@dataclass(frozen=True)
class Region:
    """One subject and region, as surrogates need it.

    Attributes
    ----------
    values : array of shape (D, V), float32
        Contrasts.
    members : array of shape (V, K), float32
        1 where a voxel is in the first half of a split.
    layout : Contrasts
        Which stimulus each contrast belongs to, without values.
    """

    subject: str
    region: str
    values: np.ndarray
    members: np.ndarray
    layout: variance.Contrasts

    @property
    def n_voxels(self) -> int:
        """Number of voxels V."""
        return self.values.shape[1]


def region_of(item: shared.SharedResponses, n_splits: int, rng: np.random.Generator) -> Region:
    """Take the contrasts of a region, and draw the halves of its voxels."""
    contrasts = variance.contrasts_of(item.values, item.stimulus, item.n_stimuli)
    n = item.n_voxels
    members = np.zeros((n, n_splits if n > 1 else 0), dtype=np.float32)
    for column in members.T:
        column[rng.permutation(n)[: n // 2]] = 1
    values = contrasts.values.astype(np.float32)
    return Region(item.subject, item.region, values, members, layout_of(contrasts))


def layout_of(contrasts: variance.Contrasts) -> variance.Contrasts:
    """Return contrasts without their values, which take memory."""
    return replace(contrasts, values=np.empty((contrasts.stimulus.size, 0)))


def measure(region: Region) -> Measured:
    """Return the squared contrasts of the data as they are."""
    first, second = _contrasts_of_three(region.layout)
    squares = _squares(region.values, region.members)[None]
    products = np.einsum("iv,iv->i", region.values[first], region.values[second])
    found = _measured(region, squares, products[None], first, second)
    return Measured(found.halves[0], found.profile[0], found.pairs[0])


def split_half(found: Measured) -> np.ndarray:
    """Return the correlation of halves of the voxels, averaged over splits, shape (...,)."""
    centred = found.halves - found.halves.mean(axis=-1, keepdims=True)
    first, second = np.moveaxis(centred, -3, 0)
    size = np.sqrt(np.sum(first**2, axis=-1) * np.sum(second**2, axis=-1))
    return np.mean(np.sum(first * second, axis=-1) / size, axis=-1)


def split_half_resampled(found: Measured, weights: np.ndarray) -> np.ndarray:
    """Return `split_half` of bootstrap samples of the stimuli with multiplicities (B, I)."""
    first, second = found.halves
    share = weights / weights.sum(axis=1, keepdims=True)
    a, b = share @ first.T, share @ second.T
    both = share @ (first * second).T - a * b
    size = (share @ (first**2).T - a**2) * (share @ (second**2).T - b**2)
    return np.mean(both / np.sqrt(size), axis=1)


def disjoint(found: Measured, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlation of two orthogonal contrasts' squares, and the squared CV it implies.

    Covariance and variances over stimuli are pooled over the three choices of the odd repetition.
    The product of both squares estimates the square of the true variance; over products of squares
    of *different* stimuli, less 1, it estimates the squared CV of the true variance.

    Parameters
    ----------
    weights : array of shape (B, J), optional
        Multiplicities of the stimuli with three trials, for one `found` that is no surrogate.

    Returns
    -------
    correlation, cv2 : arrays of shape (...,) or (B,)
    """
    taken = np.ones(found.pairs.shape[-1]) if weights is None else weights.T
    size = taken.sum(axis=0)
    n_pairs = size**2 - (taken**2).sum(axis=0)
    covariance = variances = fourth = squared_mean = 0.0
    for a, b in _turned(found):
        mean_a, mean_b, both = a @ taken / size, b @ taken / size, (a * b) @ taken / size
        covariance = covariance + both - mean_a * mean_b
        variances = variances + (a * a + b * b) @ taken / size / 2 - (mean_a**2 + mean_b**2) / 2
        fourth = fourth + both
        squared_mean = squared_mean + (mean_a * mean_b * size**2 - (a * b) @ taken**2) / n_pairs
    return covariance / variances, fourth / squared_mean - 1


def cv2_slopes(found: Measured, weights: np.ndarray) -> np.ndarray:
    """Return how the squared CV of `disjoint` changes with the weight of each stimulus, (B, J)."""
    size = weights.sum(axis=1, keepdims=True)
    n_pairs = size**2 - (weights**2).sum(axis=1, keepdims=True)
    fourth = squared_mean = slope_fourth = slope_mean = 0.0
    for a, b in _turned(found):
        sum_a, sum_b, both = ((weights @ each)[:, None] for each in (a, b, a * b))
        different = (sum_a * sum_b - (weights**2 @ (a * b))[:, None]) / n_pairs
        fourth, squared_mean = fourth + both / size, squared_mean + different
        slope_fourth = slope_fourth + (a * b - both / size) / size
        slope = sum_a * b + sum_b * a - 2 * weights * a * b - 2 * different * (size - weights)
        slope_mean = slope_mean + slope / n_pairs
    return (slope_fourth - fourth / squared_mean * slope_mean) / squared_mean


def _turned(found: Measured) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the squares of both contrasts for each repetition as the odd one out."""
    one, other, product = np.moveaxis(found.pairs, -2, 0)
    for turn in _TURNS:
        c, s = np.cos(turn), np.sin(turn)
        a = c * c * one + s * s * other + 2 * c * s * product
        yield a, one + other - a


def surrogates(
    regions: list[Region],
    n: int,
    rng: np.random.Generator,
    keep: Callable[[int, Measured], tuple[np.ndarray, ...]],
) -> list[tuple[np.ndarray, ...]]:
    """Draw surrogates of all regions of one subject under common rotations.

    Parameters
    ----------
    regions : list of Region
        The same trials, different voxels.
    keep : callable
        From the number of a region and some surrogates to arrays whose first axis is surrogates;
        only those are kept.

    Returns
    -------
    list over regions of what `keep` returned, joined over surrogates
    """
    layout = regions[0].layout
    inner, outer = (_blocks(layout, rng) for _ in range(2))
    # Data and surrogates are all rotated, by rotations of one law, from the same hidden point, so
    # that they are exchangeable (Besag & Clifford 1989, Biometrika 76, 633-642).
    back = [(block, _rotations(rng, 1, block.size)[0]) for block in [*outer, *inner]]
    pairs = rotated_grams.wanted(inner, outer)
    hidden = [_hidden(region, back, pairs) for region in regions]
    first, second = _contrasts_of_three(layout)
    places = [_places(block, first, second) for block in outer]
    kept: list[list[tuple[np.ndarray, ...]]] = [[] for _ in regions]
    for start in range(0, n, _CHUNK):
        m = min(_CHUNK, n - start)
        turns = [
            [(block, _rotations(rng, m, block.size)) for block in blocks]
            for blocks in (inner, outer)
        ]
        for number, (region, values) in enumerate(zip(regions, hidden, strict=True)):
            squares = np.zeros((m, len(values), 1 + region.members.shape[1]))
            products = np.zeros((m, first.size))
            if _by_gram(region):
                _from_gram(values, turns, pairs, places, squares, products)
            else:
                _add_rotated(values, region.members, turns, pairs, places, squares, products)
            found = _measured(region, squares, products, first, second)
            kept[number].append(keep(number, found))
    return [tuple(np.concatenate(column) for column in zip(*parts, strict=True)) for parts in kept]


def _by_gram(region: Region) -> bool:
    """Say whether all that is asked of a region follows from inner products of its contrasts."""
    return region.members.size == 0 and region.n_voxels >= _FEWEST_FOR_GRAM


def _hidden(
    region: Region, back: list[tuple[np.ndarray, np.ndarray]], pairs: rotated_grams.Wanted
) -> np.ndarray:
    """Return rotated contrasts (D, V), or their inner products (D, D), in the order of `pairs`."""
    values = _rotated(region.values, back)[pairs.order]
    return values @ values.T if _by_gram(region) else values


def _from_gram(
    gram: np.ndarray,
    turns: list[list[tuple[np.ndarray, np.ndarray]]],
    pairs: rotated_grams.Wanted,
    places: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
    squares: np.ndarray,
    products: np.ndarray,
) -> None:
    """Do what `_add_rotated` does from the inner products of contrasts, where K is 0."""
    inner, outer = turns
    grams = rotated_grams.rotated(gram, [turn for _, turn in inner], pairs)
    for number, ((block, turn), (here, one, other)) in enumerate(zip(outer, places, strict=True)):
        half = turn @ grams[:, number, : block.size, : block.size]
        squares[:, block, 0] = np.einsum("mij,mij->mi", half, turn)
        products[:, here] = np.einsum("mij,mij->mi", half[:, one], turn[:, other])


def _add_rotated(
    values: np.ndarray,
    members: np.ndarray,
    turns: list[list[tuple[np.ndarray, np.ndarray]]],
    pairs: rotated_grams.Wanted,
    places: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
    squares: np.ndarray,
    products: np.ndarray,
) -> None:
    """Rotate contrasts (D, V) m times, and add up their squares and products over voxels.

    Parameters
    ----------
    values : array of shape (D, V), float32
        Contrasts in the order of `pairs.order`, inner block after inner block.
    turns : two lists of (block, rotations)
        Blocks of contrasts and rotations of shape (m, n, n), one after the other.
    places : list over blocks of the second rotation
        From `_places`.
    squares : array of shape (m, D, 1 + K)
    products : array of shape (m, J)
    """
    inner, outer = turns
    counted = np.hstack([np.ones((len(members), 1), dtype=members.dtype), members])
    # Between the rotations, contrasts are put in the order of the outer blocks.
    target = np.concatenate([block for block, _ in outer])
    reordered = np.argsort(pairs.order)[target]
    outer_first = _starts([block for block, _ in outer])
    pair = np.concatenate([here for here, _, _ in places])
    one, other = (
        np.concatenate(
            [first + place[side] for first, place in zip(outer_first, places, strict=False)]
        )
        for side in (1, 2)
    )
    m, n_voxels = len(squares), values.shape[1]
    at_once = max(1, _COLUMNS // n_voxels)
    for left in range(0, n_voxels, _COLUMNS):
        tile = np.ascontiguousarray(values[:, left : left + _COLUMNS])
        for start in range(0, m, at_once):
            draws = slice(start, min(start + at_once, m))
            mixed = np.empty((draws.stop - start, *tile.shape), dtype=np.float32)
            for (_, turn), rows in zip(inner, _parts(pairs.first), strict=True):
                np.matmul(turn[draws], tile[rows], out=mixed[:, rows])
            moved = mixed[:, reordered]
            for (_, turn), rows in zip(outer, _parts(outer_first), strict=True):
                np.matmul(turn[draws], moved[:, rows], out=mixed[:, rows])
            products[draws, pair] += np.einsum("miv,miv->mi", mixed[:, one], mixed[:, other])
            np.square(mixed, out=moved)
            squares[draws, target] += moved @ counted[left : left + _COLUMNS]


def _starts(blocks: list[np.ndarray]) -> np.ndarray:
    """Return where each block starts in all of them, and where the last one ends."""
    return np.cumsum([0, *(block.size for block in blocks)])


def _parts(first: np.ndarray) -> Iterator[slice]:
    """Yield the rows of each block."""
    return itertools.starmap(slice, itertools.pairwise(first))


def _blocks(layout: variance.Contrasts, rng: np.random.Generator) -> list[np.ndarray]:
    """Deal stimuli to blocks at random, and return the contrasts of each block."""
    n = layout.degrees.size
    shuffled = np.array_split(rng.permutation(n), -(-n // _BLOCK))
    return [np.flatnonzero(np.isin(layout.stimulus, block)) for block in shuffled]


def _rotations(rng: np.random.Generator, m: int, size: int) -> np.ndarray:
    return random_rotations(rng, m, size).astype(np.float32)


def _places(
    block: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which pairs of contrasts are in a block, and where in it their members are."""
    here = np.flatnonzero(np.isin(first, block))
    return here, np.searchsorted(block, first[here]), np.searchsorted(block, second[here])


def rotated(region: Region, rng: np.random.Generator) -> variance.Contrasts:
    """Draw one surrogate of a region, with all its voxels."""
    blocks = [*_blocks(region.layout, rng), *_blocks(region.layout, rng)]
    turns = [(block, _rotations(rng, 1, block.size)[0]) for block in blocks]
    values = _rotated(region.values, turns)
    return variance.Contrasts(values, region.layout.stimulus, region.layout.degrees)


def _rotated(values: np.ndarray, turns: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Rotate blocks of contrasts (D, V), one after the other."""
    values = values.copy()
    for block, turn in turns:
        values[block] = turn @ values[block]
    return values


def _squares(values: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Return squared lengths of contrasts (..., V), of all voxels and of the members of halves."""
    squared = np.square(values)
    if not members.size:
        return squared.sum(axis=-1, keepdims=True)
    everyone = np.ones((len(members), 1), dtype=members.dtype)
    return squared @ np.hstack([everyone, members])


def _contrasts_of_three(layout: variance.Contrasts) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the first and of the second contrast of the stimuli with three trials."""
    three = np.flatnonzero(layout.degrees == 2)
    # Rows are sorted by the round and then by stimulus.
    order = np.argsort(layout.stimulus, kind="stable")
    starts = np.concatenate([[0], np.cumsum(layout.degrees)[:-1]])[three]
    return order[starts], order[starts + 1]


def _measured(
    region: Region,
    squares: np.ndarray,
    products: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
) -> Measured:
    m, n_contrasts, columns = squares.shape
    n = region.n_voxels
    sums = np.moveaxis(squares, 2, 1).reshape(-1, n_contrasts)
    profiles = variance.by_stimulus(sums, region.layout).reshape(m, columns, -1)
    total, half = profiles[:, :1], profiles[:, 1:]
    halves = np.stack([half / max(1, n // 2), (total - half) / (n - n // 2)], axis=1)
    pairs = np.stack([squares[:, first, 0], squares[:, second, 0], products], axis=1)
    return Measured(halves, total[:, 0] / n, pairs / n)
