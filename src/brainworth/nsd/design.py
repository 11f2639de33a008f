"""Which stimulus was shown in which trial: the 73K matching.

``masterordering`` (trial -> 10K image, the same for all subjects) -> ``subjectim`` (10K image of
a subject -> 73K id) -> ``sharedix`` (the shared 73K ids). Fields and bases follow the NSD Data
Manual (Experiments) and nsdexamples' example02: everything in ``nsd_expdesign.mat`` is 1-based;
``nsdId`` in ``nsd_stim_info_merged.csv`` is 0-based. From here on `nsd_id` is 0-based.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from brainworth import matlab
from brainworth.errors import BrainworthError
from brainworth.nsd import registry

#: Shared images seen by all eight subjects at least once, twice, three times in all their
#: sessions (manual: Technical notes). A wrong id chain cannot reproduce them.
OFFICIAL_COUNTS = (907, 766, 515)

#: What the simulation writes in the column cocoSplit; NSD has train2017 and val2017.
SIMULATED_SPLIT = "simulated"

COLUMNS = ("subject", "session", "trial", "image", "nsd_id", "repetition", "shared", "matched")


@dataclass(frozen=True)
class ExpDesign:
    """The checked content of ``nsd_expdesign.mat``; all ids 0-based.

    Attributes
    ----------
    order : array of shape (T,), int64
        Image (index into a subject's list) of each trial, the same for all subjects.
    images : array of shape (8, N), int64
        73K id of each subject's images; the first columns are the shared ones.
    shared : array of shape (M,), int64
        73K ids of the shared images, ascending.
    """

    order: np.ndarray
    images: np.ndarray
    shared: np.ndarray


def read_expdesign(path: Path) -> ExpDesign:
    """Read and check ``nsd_expdesign.mat``.

    Raises
    ------
    BrainworthError
        If it is missing or damaged, a field is missing or not of integers, or an invariant does
        not hold: every image as often as every other, no stimulus twice in a subject's list,
        ``sharedix`` equal to the first columns of ``subjectim`` in every row, no other stimulus
        shared, whole sessions of 750 trials.
    """
    try:
        content = matlab.load(path)
    except FileNotFoundError:
        raise BrainworthError(
            f"{path} does not exist; fetch it, or check the data folder"
        ) from None
    except (ValueError, OSError) as error:
        raise BrainworthError(
            f"{path} cannot be read as MATLAB ({error}); fetch or simulate it again"
        ) from None
    order = _integers(content, "masterordering", path).ravel() - 1
    images = _integers(content, "subjectim", path) - 1
    shared = _integers(content, "sharedix", path).ravel() - 1
    pattern = _integers(content, "stimpattern", path)

    def require(holds: bool, expected: str) -> None:
        if not holds:
            raise BrainworthError(
                f"{path}: {expected}, which this file violates; it is damaged or not NSD's design: "
                "fetch or simulate it again"
            )

    n_subjects = len(registry.SUBJECTS)
    require(
        images.ndim == 2 and len(images) == n_subjects, f"subjectim must have {n_subjects} rows"
    )
    n_images = images.shape[1]
    require(0 < shared.size <= n_images, "sharedix must name between one and all images")
    require(
        order.min() >= 0 and order.max() < n_images, f"masterordering must lie in 1..{n_images}"
    )
    times = np.bincount(order, minlength=n_images)
    require(bool(np.all(times == times[0])), "masterordering must show every image equally often")
    require(
        order.size % registry.TRIALS_PER_SESSION == 0, "masterordering must hold whole sessions"
    )
    per_session = pattern.reshape(len(pattern), -1).sum(axis=1)
    require(
        len(pattern) * registry.TRIALS_PER_SESSION == order.size
        and bool(np.all(per_session == registry.TRIALS_PER_SESSION)),
        "stimpattern must mark 750 trials in every session of masterordering",
    )
    require(bool(np.all(np.diff(shared) > 0)), "sharedix must be ascending")
    require(images.min() >= 0, "subjectim must be 1-based")
    require(
        bool(np.all(images[:, : shared.size] == shared)),
        "sharedix must equal the first columns of subjectim in every row",
    )
    require(
        np.unique(images).size == shared.size + n_subjects * (n_images - shared.size),
        "no stimulus may be seen by two subjects but the shared ones, nor be listed twice",
    )
    return ExpDesign(order, images, shared)


def check_stim_info(path: Path, design: ExpDesign) -> None:
    """Check that ``nsd_stim_info_merged.csv`` names the same trials as the .mat file.

    Raises
    ------
    BrainworthError
        If the file is missing, damaged, lacks a column, or one id disagrees after the base shift
        (``nsdId`` 0-based; ``subjectS_repR`` 1-based trials, 0 = not shown).
    """
    n_subjects, n_images = design.images.shape
    n_repetitions = design.order.size // n_images
    names = [f"subject{s}_rep{r}" for s in range(1, n_subjects + 1) for r in range(n_repetitions)]
    needed = ["nsdId", "shared1000", "cocoSplit", *names]
    try:
        table = pd.read_csv(path, usecols=needed)
    except FileNotFoundError:
        raise BrainworthError(
            f"{path} does not exist; fetch it, or check the data folder"
        ) from None
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise BrainworthError(
            f"{path} cannot be read as NSD's stimulus table ({error}); fetch or simulate it again"
        ) from None

    def disagree(what: str) -> BrainworthError:
        return BrainworthError(
            f"{path}: {what} disagrees with nsd_expdesign.mat after the shift of id bases; "
            "the two files do not belong together: fetch or simulate both again"
        )

    numeric = all(pd.api.types.is_numeric_dtype(table[name]) for name in ("nsdId", *names))
    if table.isna().any(axis=None) or not numeric:
        raise BrainworthError(
            f"{path} has empty cells or text in {needed[:2]} or subjectS_repR; "
            "fetch or simulate it again"
        )
    shared = table.loc[table["shared1000"].astype(bool), "nsdId"].to_numpy()
    if not np.array_equal(np.sort(shared), design.shared):
        raise disagree("shared1000")
    table = table.set_index("nsdId")
    if not table.index.is_unique or not np.isin(design.images, table.index).all():
        raise disagree("nsdId")
    trials = np.argsort(design.order, kind="stable").reshape(n_images, n_repetitions) + 1
    for row, number in zip(design.images, range(1, n_subjects + 1), strict=True):
        columns = [f"subject{number}_rep{r}" for r in range(n_repetitions)]
        if not np.array_equal(np.sort(table.loc[row, columns].to_numpy(), axis=1), trials):
            raise disagree(f"subject{number}_rep0..{n_repetitions - 1}")


def is_simulated(path: Path) -> bool:
    """Say whether a ``nsd_stim_info_merged.csv`` was written by this project's simulation.

    Simulated files can be read as a local tree; what is found in them is still not about brains.
    """
    splits = pd.read_csv(path, usecols=["cocoSplit"])["cocoSplit"]
    return bool((splits == SIMULATED_SPLIT).all())


def match(design: ExpDesign, sessions: dict[str, int], min_repetitions: int) -> pd.DataFrame:
    """List every trial of the sessions used, and mark the stimuli that all subjects share.

    Parameters
    ----------
    sessions : dict from subject to int
        Sessions that are present, counted from the first.
    min_repetitions : int
        A shared stimulus is matched if every subject saw it at least this often.

    Returns
    -------
    DataFrame
        One row a trial, in order of subject, session, trial: subject; session (NSD's number,
        from 1); trial (0-based within the session); image (0-based index into the subject's
        list); nsd_id (0-based 73K id); repetition (0-based, within the sessions used); shared;
        matched.

    Raises
    ------
    BrainworthError
        If a subject has more sessions than the design, or no stimulus is matched.
    """
    planned = design.order.size // registry.TRIALS_PER_SESSION
    tables = []
    for subject, n_sessions in sessions.items():
        if not 1 <= n_sessions <= planned:
            raise BrainworthError(
                f"{subject} has {n_sessions} sessions, but the design has 1 to {planned}; "
                "check data.sessions and the design file"
            )
        image = design.order[: n_sessions * registry.TRIALS_PER_SESSION]
        session, trial = np.divmod(np.arange(image.size), registry.TRIALS_PER_SESSION)
        row = registry.SUBJECTS.index(subject)
        table = pd.DataFrame(
            {
                "subject": subject,
                "session": session + 1,
                "trial": trial,
                "image": image,
                "nsd_id": design.images[row, image],
            }
        )
        table["repetition"] = table.groupby("image").cumcount()
        table["shared"] = image < design.shared.size
        tables.append(table)
    trials = pd.concat(tables, ignore_index=True)
    counts = shared_counts(trials)
    matched = counts.index[(counts >= min_repetitions).all(axis=1)]
    if matched.empty:
        raise BrainworthError(
            f"no shared stimulus was seen at least {min_repetitions} times by all of "
            f"{', '.join(sessions)} in the sessions used; lower design.min_repetitions or raise "
            "data.sessions"
        )
    trials["matched"] = trials["nsd_id"].isin(matched)
    return trials


def shared_counts(trials: pd.DataFrame) -> pd.DataFrame:
    """Count the presentations of every shared stimulus (rows, nsd_id) in every subject."""
    shared = trials[trials["shared"]]
    counts = pd.crosstab(shared["nsd_id"], shared["subject"])
    # A subject who saw no shared stimulus has no column yet.
    return counts.reindex(columns=trials["subject"].unique(), fill_value=0)


def summarise(
    trials: pd.DataFrame, sessions: dict[str, int], min_repetitions: int, *, real: bool
) -> dict:
    """Count trials and stimuli, and check the counts against what must hold.

    Parameters
    ----------
    real : bool
        Whether these are NSD's own files: with all subjects and sessions the counts must then be
        the published ones.

    Raises
    ------
    BrainworthError
        If the shared stimuli of all subjects are not those of the subject with the fewest
        sessions (the order of presentation is common), or the published counts are not met.
    """
    counts = shared_counts(trials)
    in_all = counts.min(axis=1)
    fewest = counts[min(sessions, key=lambda subject: sessions[subject])]
    at_least = {times: int((in_all >= times).sum()) for times in (1, 2, 3)}
    if not (in_all == fewest).all():
        raise BrainworthError(
            "the shared stimuli seen by all subjects are not those of the subject with the fewest "
            "sessions, though the order of trials is common; the design is damaged: "
            "fetch or simulate it again"
        )
    complete = sessions == registry.SESSIONS
    if real and complete and tuple(at_least.values()) != OFFICIAL_COUNTS:
        raise BrainworthError(
            f"shared stimuli in all subjects >= 1, 2, 3 times: {tuple(at_least.values())}, but NSD "
            f"publishes {OFFICIAL_COUNTS}; the design file is not NSD's: fetch or simulate it again"
        )
    return count_trials(trials, sessions, min_repetitions) | {
        "official_counts_checked": real and complete
    }


def count_trials(trials: pd.DataFrame, sessions: dict[str, int], min_repetitions: int) -> dict:
    """Count trials and stimuli, in all and of each subject.

    Parameters
    ----------
    trials : DataFrame
        As `match` returns it.
    sessions : dict from subject to int
        How many sessions are used.
    """
    in_all = shared_counts(trials).min(axis=1)
    at_least = {times: int((in_all >= times).sum()) for times in (1, 2, 3)}
    per_subject = trials.groupby("subject", sort=False)
    matched = trials[trials["matched"]]
    repetitions = matched.groupby(["subject", "nsd_id"]).size()
    return {
        "n_trials": len(trials),
        "min_repetitions": min_repetitions,
        "n_matched": int(matched["nsd_id"].nunique()),
        "shared_in_all_subjects": {f"at_least_{k}": n for k, n in at_least.items()},
        "official_counts_checked": False,
        "subjects": [
            {
                "subject": subject,
                "sessions": sessions[subject],
                "trials": len(table),
                "images": int(table["nsd_id"].nunique()),
                "shared_images": int(table.loc[table["shared"], "nsd_id"].nunique()),
                "matched_trials": int(table["matched"].sum()),
                "mean_repetitions_matched": float(repetitions[subject].mean()),
            }
            for subject, table in per_subject
        ],
    }


def read_trials(path: Path) -> pd.DataFrame:
    """Read the trial table that `match` made.

    Raises
    ------
    BrainworthError
        If it is missing, damaged, or lacks a column.
    """
    try:
        table = pd.read_parquet(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise BrainworthError(f"{path} does not exist; run the rule that writes it") from None
    except Exception as error:  # pyarrow raises several kinds for damaged files, over lines
        said = " ".join(str(error).split())
        raise BrainworthError(f"{path} cannot be read ({said}); delete it and run again") from None
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise BrainworthError(f"{path} lacks {', '.join(missing)}; delete it and run again")
    return table


def _integers(content: dict, name: str, path: Path) -> np.ndarray:
    if name not in content:
        raise BrainworthError(
            f"{path} has no field {name}; it is not NSD's design: fetch or simulate it again"
        )
    values = np.asarray(content[name])
    if values.dtype.kind not in "iuf" or not values.size:
        raise BrainworthError(f"{path}: {name} must hold numbers; fetch or simulate it again")
    if not (np.isfinite(values).all() and np.array_equal(values, np.rint(values))):
        raise BrainworthError(f"{path}: {name} must hold whole numbers; fetch or simulate it again")
    return values.astype(np.int64)
