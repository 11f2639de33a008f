"""What the encoder predicts: one subject's responses to images, split by image.

The extracts are z-scored per voxel and session over all trials. To z-score anew by the trials of
training images undoes that exactly, since it is an affine map, and keeps what is known of test
images out of the targets. Repetitions are averaged, and the mean is not scaled again unless asked
for (`mean_z`), so that a target of three repetitions has less variance than one trial.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from brainworth import files, hdf5
from brainworth.errors import BrainworthError
from brainworth.nsd import betas, rois
from brainworth.stats import stream

SCHEMA = "brainworth-targets/1"
TRAIN, VALIDATION, TEST = 0, 1, 2
NO_GROUP, GROUP_NAMES = "none", ("early", "mid", "higher")
#: Labels of the volume `streams`, by group 1, 2, 3.
GROUPS = (
    ("early",),
    ("midventral", "midlateral", "midparietal"),
    ("ventral", "lateral", "parietal"),
)
_LEAST = 2  # images of each split, and trials of training images in a session


@dataclass(frozen=True)
class Targets:
    """Responses of one subject: N images, or trials, by V voxels.

    Attributes
    ----------
    subject : str
    nsd_id : array of shape (N,), int64
        0-based 73K id. Rows are ordered by split, nsd_id, repeat.
    split : array of shape (N,), int8
        `TRAIN`, `VALIDATION` or `TEST`.
    values : array of shape (N, V), float32
    n_repeats : array of shape (N,), int64
        Trials that a row is the mean of; 1 for a row that is a trial.
    repeat : array of shape (N,), int64
        0-based repetition of a row that is a trial, 0 of a mean.
    ncsnr : array of shape (V,), float32
        Signal SD / noise SD, NSD's own.
    ncsnr_own : array of shape (V,), float32
        The same from the repetitions of images that are not test images.
    noise_variance : array of shape (V,), float32
        Of a single trial, on the scale of `values`, from the repetitions of test images.
    trials : array of shape (T, V), float32
        The trials of test images, on the scale of `values`: what the noise of anything that is
        computed from responses follows from.
    trial_row : array of shape (T,), int64
        Row of `values` that a trial belongs to.
    ijk : array of shape (V, 3), int32
        0-based x, y, z.
    group : array of shape (V,), int8
        0 in no stream, 1 early, 2 mid, 3 higher.
    volume_shape : tuple
        (x, y, z).
    """

    subject: str
    nsd_id: np.ndarray
    split: np.ndarray
    values: np.ndarray
    n_repeats: np.ndarray
    repeat: np.ndarray
    ncsnr: np.ndarray
    ncsnr_own: np.ndarray
    noise_variance: np.ndarray
    trials: np.ndarray
    trial_row: np.ndarray
    ijk: np.ndarray
    group: np.ndarray
    volume_shape: tuple[int, int, int]

    def rows(self, split: int) -> np.ndarray:
        """Return the rows of a split, ascending."""
        return np.flatnonzero(self.split == split)


@dataclass(frozen=True)
class Trials:
    """The trials of one subject, in the order of the extract.

    Attributes
    ----------
    session, nsd_id, repetition : arrays of shape (T,), int
        Session from 1; 0-based 73K id and repetition.
    shared : array of shape (T,), bool
        Whether the image was meant for all subjects.
    """

    session: np.ndarray
    nsd_id: np.ndarray
    repetition: np.ndarray
    shared: np.ndarray


def split_images(
    trials: Trials,
    *,
    validation: float,
    test: str,
    max_train_images: int | None,
    common_sessions: int | None,
    seed: int,
    subject: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split images into training, validation and test.

    Parameters
    ----------
    validation : float
        Share of the images that are not test images.
    test : {"shared", "test515"}
        All shared images, or those that every subject saw three times.
    max_train_images : int or None
        Training images at most, drawn at random.
    common_sessions : int or None
        Sessions that every subject has. Since the order of images is the same for all subjects,
        an image that was shown three times in them was shown three times to everybody (test515).

    Returns
    -------
    train, validation, test : arrays of int64
        0-based 73K ids, ascending. Shared images that are no test images count as any other.

    Raises
    ------
    BrainworthError
        If a part has fewer than two images.
    """
    ids, first = np.unique(trials.nsd_id, return_index=True)
    is_test = trials.shared[first].astype(bool)
    if test == "test515":
        early = trials.nsd_id[trials.session <= common_sessions]
        seen, counts = np.unique(early, return_counts=True)
        is_test &= np.isin(ids, seen[counts == 3])
    rest = stream(seed, "encoder", "split", subject).permutation(ids[~is_test])
    n_validation = round(validation * len(rest))
    parts = (
        np.sort(rest[n_validation:][:max_train_images]),
        np.sort(rest[:n_validation]),
        ids[is_test],
    )
    for name, part in zip(("training", "validation", "test"), parts, strict=True):
        if len(part) < _LEAST:
            raise BrainworthError(
                f"{subject} has {len(part)} {name} images, and needs at least {_LEAST}: use more "
                "sessions (data.sessions), or change encoder.targets.validation or "
                "encoder.targets.test"
            )
    return parts


def make(
    extract: Path,
    streams: Path,
    stream_labels: Path,
    *,
    zscore_fit: str,
    repeat_target: str,
    validation: float,
    test: str,
    max_train_images: int | None,
    common_sessions: int | None,
    seed: int,
) -> Targets:
    """Make the targets of one subject.

    Parameters
    ----------
    extract : path
        ``betas_subjXX.h5``.
    streams, stream_labels : path
        NSD's volume of streams in the subject's space, and its label table.
    zscore_fit : {"train", "all"}
        Trials whose mean and SD (ddof=1) make the z-score of a voxel in a session: of images that
        are not test images, or all.
    repeat_target : {"mean", "single", "mean_z"}
        What training rows are: means of an image's trials, trials, or means that are z-scored once
        more by those of the training images. Other rows are means always.
    validation, test, max_train_images, common_sessions, seed
        As in `split_images`.

    Raises
    ------
    BrainworthError
        If a file is missing or damaged, volumes do not belong together, or there are too few
        images, trials or repetitions.
    """
    with betas.open_extract(extract) as file:
        subject = str(file.attrs["subject"])
        shape = tuple(int(n) for n in file.attrs["volume_shape"])
        trials = Trials(
            *(file[f"trials/{name}"][:] for name in ("session", "nsd_id", "repetition", "shared"))
        )
        ijk, ncsnr = file["voxels/ijk"][:], file["voxels/ncsnr"][:]
        train, held_out, tested = split_images(
            trials,
            validation=validation,
            test=test,
            max_train_images=max_train_images,
            common_sessions=common_sessions,
            seed=seed,
            subject=subject,
        )
        is_test = np.isin(trials.nsd_id, tested)
        fitted = ~is_test if zscore_fit == "train" else np.ones_like(is_test)
        means = _Means(trials.nsd_id, len(ijk))
        wanted = is_test | (np.isin(trials.nsd_id, train) & (repeat_target == "single"))
        singles = np.empty((int(wanted.sum()), len(ijk)), dtype=np.float32)
        filled = 0
        for rows, values in _sessions(file, trials.session):
            scores = _zscore(values, fitted[rows], subject, int(trials.session[rows][0]))
            means.add(rows, scores)
            chosen = scores[wanted[rows]]
            singles[filled : filled + len(chosen)] = chosen
            filled += len(chosen)
    ids, counts, averages = means.ids, means.counts, means.averages()
    test_ids = np.isin(ids, tested)
    noise, _ = means.variances(test_ids, averages, subject, "test")
    own_noise, own_total = means.variances(~test_ids, averages, subject, "training")
    signal = np.maximum(own_total - own_noise, 0)
    ncsnr_own = np.sqrt(signal / np.where(own_noise > 0, own_noise, 1.0))
    parts = [np.searchsorted(ids, part) for part in (train, held_out, tested)]
    if repeat_target == "mean_z":
        mean = averages[parts[TRAIN]].mean(axis=0, dtype=np.float64)
        spread = averages[parts[TRAIN]].std(axis=0, ddof=1, dtype=np.float64)
        averages = ((averages - mean) / spread).astype(np.float32)
        noise = noise / spread**2
        singles = ((singles - mean) / spread).astype(np.float32)
    single_id, repeat = trials.nsd_id[wanted], trials.repetition[wanted]
    tests, single_order = is_test[wanted], np.lexsort([repeat, single_id])
    if repeat_target == "single":
        order = single_order[~tests[single_order]]
        first = (single_id[order], np.ones(len(order), dtype=int), repeat[order], singles[order])
    else:
        first = _of_means(parts[TRAIN], ids, counts, averages)
    blocks = [first, *(_of_means(part, ids, counts, averages) for part in parts[1:])]
    test_order = single_order[tests[single_order]]
    test_start = sum(len(block[0]) for block in blocks[:2])
    nsd_id, n_repeats, repeat, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return Targets(
        subject=subject,
        nsd_id=nsd_id.astype(np.int64),
        split=np.repeat(np.arange(3, dtype=np.int8), [len(block[0]) for block in blocks]),
        values=values,
        n_repeats=n_repeats.astype(np.int64),
        repeat=repeat.astype(np.int64),
        ncsnr=ncsnr.astype(np.float32),
        ncsnr_own=ncsnr_own.astype(np.float32),
        noise_variance=noise.astype(np.float32),
        trials=singles[test_order],
        trial_row=test_start + np.searchsorted(ids[parts[TEST]], single_id[test_order]),
        ijk=ijk.astype(np.int32),
        group=read_groups(streams, stream_labels, ijk, shape),
        volume_shape=shape,
    )


def read_groups(
    streams: Path, stream_labels: Path, ijk: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Return the group of streams of each voxel: 0 none, 1 early, 2 mid, 3 higher.

    Raises
    ------
    BrainworthError
        If the volume has another shape, or its table lacks a label.
    """
    volume = rois.read_labels(streams)
    if volume.shape != tuple(shape):
        raise BrainworthError(
            f"{streams} has shape {volume.shape}, and the voxels are of volumes of {tuple(shape)}; "
            "they are not of one subject: fetch or simulate them again"
        )
    table = rois.read_label_table(stream_labels)
    label = volume[tuple(ijk.T)]
    group = np.zeros(len(ijk), dtype=np.int8)
    for number, names in enumerate(GROUPS, start=1):
        for name in names:
            if name not in table:
                raise BrainworthError(
                    f"{stream_labels} has no label {name}; it is not the table of NSD's streams: "
                    "fetch or simulate it again"
                )
            group[label == table[name]] = number
    return group


def write(path: Path, targets: Targets) -> None:
    """Write targets (HDF5)."""
    with files.whole(path) as part, h5py.File(part, "w") as file:
        file.attrs["schema"] = SCHEMA
        file.attrs["subject"] = targets.subject
        file.attrs["volume_shape"] = targets.volume_shape
        for name, values in vars(targets).items():
            if name not in ("subject", "volume_shape"):
                hdf5.store(file, name, values)


def read(path: Path) -> Targets:
    """Read what `write` wrote.

    Raises
    ------
    BrainworthError
        If the file is missing or damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("schema") != SCHEMA:
                raise BrainworthError(
                    f"{path} is no file of targets of schema {SCHEMA}; delete it and run again"
                )
            names = set(Targets.__dataclass_fields__) - {"subject", "volume_shape"}
            return Targets(
                subject=str(file.attrs["subject"]),
                volume_shape=tuple(int(n) for n in file.attrs["volume_shape"]),
                **{name: file[name][:] for name in sorted(names)},
            )
    except FileNotFoundError:
        raise BrainworthError(f"{path} does not exist; run the rule that writes it") from None
    except (OSError, RuntimeError, KeyError) as error:
        raise BrainworthError(f"{path} cannot be read ({error}); delete it and run again") from None


def summary(targets: Targets) -> dict[str, Any]:
    """Say what targets hold: images, voxels, groups, noise."""
    splits = {}
    for name, split in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        rows = targets.rows(split)
        repeats = targets.n_repeats[rows]
        splits[name] = {
            "n_images": len(np.unique(targets.nsd_id[rows])),
            "n_rows": len(rows),
            "repeats": [
                {"n": int(n), "n_rows": int(np.sum(repeats == n))} for n in np.unique(repeats)
            ],
            "variance": float(np.mean(np.var(targets.values[rows], axis=0))),
        }
    return {
        "subject": targets.subject,
        "n_voxels": len(targets.ijk),
        "groups": [
            {"group": name, "n_voxels": int(np.sum(targets.group == number))}
            for number, name in enumerate((NO_GROUP, *GROUP_NAMES))
        ],
        "splits": splits,
        "median_ncsnr": float(np.median(targets.ncsnr)),
        "median_ncsnr_own": float(np.median(targets.ncsnr_own)),
        "mean_noise_variance": float(np.mean(targets.noise_variance)),
    }


class _Means:
    """Sums over the trials of each image, from which means and variances follow."""

    def __init__(self, nsd_id: np.ndarray, n_voxels: int) -> None:
        self.ids, self._image = np.unique(nsd_id, return_inverse=True)
        self.counts = np.bincount(self._image)
        self._sum = np.zeros((len(self.ids), n_voxels), dtype=np.float32)
        self._squares = np.zeros((len(self.ids), n_voxels), dtype=np.float32)

    def add(self, rows: np.ndarray, scores: np.ndarray) -> None:
        """Add trials; `rows` are places in `nsd_id`, scores have shape (rows, V)."""
        for image, score in zip(self._image[rows], scores, strict=True):
            self._sum[image] += score
            self._squares[image] += score**2

    def averages(self) -> np.ndarray:
        """Return the mean of each image, shape (images, V), float32."""
        return self._sum / self.counts[:, None].astype(np.float32)

    def variances(
        self, images: np.ndarray, averages: np.ndarray, subject: str, what: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the variance of a trial about its image's mean, and the total variance, (V,).

        Parameters
        ----------
        images : array of bool
            Which images count.
        """
        counts = self.counts[images]
        degrees = int(np.sum(counts - 1))
        if not degrees:
            raise BrainworthError(
                f"{subject}: no {what} image was shown twice, and the noise of a trial cannot be "
                "known; use more sessions (data.sessions)"
            )
        within = total = mean = np.zeros(self._sum.shape[1])
        for row, count in zip(np.flatnonzero(images), counts, strict=True):
            average = averages[row].astype(np.float64)
            within = within + (self._squares[row] - count * average**2)
            total = total + self._squares[row]
            mean = mean + count * average
        n = counts.sum()
        return np.maximum(within, 0) / degrees, (total - mean**2 / n) / (n - 1)


def _sessions(file: h5py.File, session: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give the rows and the values of each session, float32."""
    for number in np.unique(session):
        rows = np.flatnonzero(session == number)
        yield rows, file["betas"][rows[0] : rows[-1] + 1][rows - rows[0]]


def _zscore(values: np.ndarray, fitted: np.ndarray, subject: str, session: int) -> np.ndarray:
    """Z-score the trials of a session, (T, V), by some of them."""
    if fitted.sum() < _LEAST:
        raise BrainworthError(
            f"{subject}, session {session}: {fitted.sum()} trials are of images that are not test "
            f"images, and a z-score needs at least {_LEAST}; set encoder.targets.zscore_fit to all"
        )
    chosen = values[fitted]
    mean = chosen.mean(axis=0, dtype=np.float64)
    spread = chosen.std(axis=0, ddof=1, dtype=np.float64)
    if not np.all(spread > 0):
        raise BrainworthError(
            f"{subject}, session {session}: voxel {int(np.argmin(spread))} does not vary over the "
            "trials by which it is z-scored; set encoder.targets.zscore_fit to all"
        )
    return ((values - mean) / spread).astype(np.float32)


def _of_means(rows: np.ndarray, ids: np.ndarray, counts: np.ndarray, averages: np.ndarray) -> tuple:
    return ids[rows], counts[rows], np.zeros(len(rows), dtype=int), averages[rows]
