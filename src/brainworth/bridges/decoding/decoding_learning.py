"""What one subject's trials teach: decoders of all sizes and how well they do on the test images.

Only what is small is kept of a subject: scores on resampled test images, what was decoded of each
test image, and sums in the common space of `pooled_decoder`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from brainworth.bridges.decoding import decoder, decoding_scores, pooled_decoder
from brainworth.bridges.decoding.decoding_scores import KINDS, MEAN, SINGLE
from brainworth.bridges.decoding.decoding_spaces import Standardised
from brainworth.bridges.decoding.trials import Trials, nested_subsets
from brainworth.stats import permutation_p, stream


@dataclass
class Learned:
    """What one subject's trials teach about one space, for K sizes.

    Attributes
    ----------
    test : array of shape (t,), int
        Image of each test trial.
    r, null : dict from kind of test to array of shape (K, 1 + B)
        Mean correlation over features, of the data and of resampled test images, mean over
        subsets; of decoders as they are, and of those of the first subset trained on features of
        other images.
    r2, spread, p : dict from kind to array of shape (K,)
        R2, the SD over subsets (NaN where there is one), and the p-value of relabelled test images.
    penalty, penalties : lists of float
        Of each size, the median over subsets; and of every decoder.
    n_subsets, n_images : lists of int
        Subsets of each size, and images of the first of them.
    decoded : dict from kind to list of Decoded
        Of the first subset: an image's mean over trials, and its first trial.
    members : list of pooled_decoder.Member
        Of the first subset; empty where subjects are not pooled.
    """

    test: np.ndarray
    r: dict[str, np.ndarray] = field(default_factory=dict)
    null: dict[str, np.ndarray] = field(default_factory=dict)
    r2: dict[str, np.ndarray] = field(default_factory=dict)
    spread: dict[str, np.ndarray] = field(default_factory=dict)
    p: dict[str, np.ndarray] = field(default_factory=dict)
    penalty: list[float] = field(default_factory=list)
    penalties: list[float] = field(default_factory=list)
    n_subsets: list[int] = field(default_factory=list)
    n_images: list[int] = field(default_factory=list)
    decoded: dict[str, list] = field(default_factory=dict)
    members: list = field(default_factory=list)


def learn(
    trials: Trials,
    spaces: Sequence[Standardised],
    sizes: list[int],
    settings: Mapping[str, Any],
    seed: int,
    pooled: bool,
) -> list[Learned]:
    """Train decoders of all sizes on one subject.

    Parameters
    ----------
    settings : mapping
        Section ``bridges.decoding`` of the configuration.
    pooled : bool
        Whether to bring the subject to the common space as well.

    Returns
    -------
    list of Learned
        One a space.
    """
    name = ("bridges", "decoding", trials.subject)
    subsets = nested_subsets(
        trials.train, sizes, settings["n_subsets"], stream(seed, *name, "subsets")
    )
    other = _of_another_image(trials.train, stream(seed, *name, "null"))
    truths = [space.read(trials.train).astype(np.float32) for space in spaces]
    columns = np.hstack([part for truth in truths for part in (truth, truth[other])])
    # penalties are shared by the features of a space, and by those of its null
    group = np.repeat(np.arange(2 * len(spaces)), np.repeat([t.shape[1] for t in truths], 2))
    penalties = np.geomspace(*settings["alpha_range"], settings["n_alphas"])
    answer = [Learned(trials.test) for _ in spaces]
    found: list[list[dict[int, np.ndarray]]] = []
    for size in tqdm(sizes, desc=f"decode {trials.subject}", disable=None):
        fits = []
        for number, rows in enumerate(subsets[size]):
            # the null is asked for once a size
            used = np.flatnonzero(group % 2 == 0) if number else np.arange(len(group))
            fitted = decoder.fit(
                trials.train_x[rows],
                columns[np.ix_(rows, used)],
                trials.train[rows],
                penalties,
                group[used],
            )
            decoded = fitted.predict(trials.test_x)
            fits.append({part: decoded[:, group[used] == part] for part in np.unique(group[used])})
            for place, one in enumerate(answer):
                one.penalties.append(float(fitted.penalty[group[used] == 2 * place][0]))
            if number == 0:
                held_out = fitted.held_out
        found.append(fits)
        first = subsets[size][0]
        for number, (one, space) in enumerate(zip(answer, spaces, strict=True)):
            n = len(fits)
            one.penalty.append(float(np.median(one.penalties[-n:])))
            one.n_subsets.append(n)
            one.n_images.append(len(np.unique(trials.train[first])))
            if pooled:
                one.members.append(
                    pooled_decoder.join(
                        trials.train_x[first],
                        truths[number][first],
                        space.components,
                        trials.train[first],
                        trials.test_x,
                        (held_out[:, group == 2 * number], fits[0][2 * number]),
                        [trials.regions.get(region) for region in settings["regions"]],
                        settings["n_folds"],
                        stream(seed, *name, "folds", size),
                    )
                )
    for number, (one, space) in enumerate(zip(answer, spaces, strict=True)):
        _score(one, found, number, space, settings, stream(seed, *name, "p"))
    return answer


def _score(
    one: Learned,
    found: list[list[dict[int, np.ndarray]]],
    number: int,
    space: Standardised,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> None:
    """Score what was decoded, `found[size][subset][2 * space + null]`, on the test images."""
    image, tested = one.test, space.tested
    for kind in KINDS:
        rows, nulls, p, first = [], [], [], []
        relabelled = None
        for subsets in found:
            gathered = [
                decoding_scores.gather(each[2 * number], image, tested, kind) for each in subsets
            ]
            rows.append([decoding_scores.score(each, space.samples) for each in gathered])
            null = decoding_scores.gather(subsets[0][2 * number + 1], image, tested, kind)
            nulls.append(decoding_scores.score(null, space.samples)[0])
            if relabelled is None:
                relabelled = decoding_scores.relabellings(
                    gathered[0].n, settings["n_permutations"], rng
                )
            chance = decoding_scores.permuted(gathered[0], space.samples.truth, relabelled)
            p.append(permutation_p(float(rows[-1][0][0][0]), chance))
            decoded = subsets[0][2 * number]
            if kind == MEAN:
                first.append(gathered[0])
            else:
                once = np.unique(image, return_index=True)[1]
                first.append(decoding_scores.gather(decoded[once], image[once], tested, SINGLE))
        one.r[kind] = np.array([np.mean([r for r, _ in each], axis=0) for each in rows])
        one.r2[kind] = np.array([np.mean([r2[0] for _, r2 in each]) for each in rows])
        one.spread[kind] = np.array(
            [np.std([r[0] for r, _ in each], ddof=1) if len(each) > 1 else np.nan for each in rows]
        )
        one.null[kind] = np.array(nulls)
        one.p[kind] = np.array(p)
        one.decoded[kind] = first


def _of_another_image(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return for each trial a trial of the image whose features it gets under the null.

    Images are permuted, all trials of one together.
    """
    _, first, of_trial = np.unique(image, return_index=True, return_inverse=True)
    return first[rng.permutation(len(first))[of_trial]]
