"""Mean responses of regions as extracts, the form in which the erosion tests read responses."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from brainworth import files
from brainworth.errors import BrainworthError
from brainworth.nsd import betas, design
from brainworth.nsd import columns as column_kinds
from brainworth.nsd.roi_means import RoiMeans


def match(
    found: dict[str, RoiMeans], rois: list[str], sessions: str | int, min_repetitions: int
) -> pd.DataFrame:
    """List every trial used, and mark the stimuli that all subjects share.

    Parameters
    ----------
    found : dict from subject to RoiMeans
    rois : list of str
        Regions that the study uses.
    sessions : "all" or int
        Sessions to use, counted from 1.
    min_repetitions : int
        A stimulus is matched if every subject saw it at least this often.

    Returns
    -------
    DataFrame
        As `design.match` returns it. ``shared`` is what the files say, or else whether every
        subject saw the stimulus; ``image`` counts a subject's stimuli by their ids.

    Raises
    ------
    BrainworthError
        If the files differ in their regions or lack one of `rois`, two subjects have the same
        responses, no trial is left in the sessions used, one subject alone does not say which
        stimuli are shared, or no stimulus is matched.
    """
    _check_together(found, rois)
    tables = []
    for subject, item in found.items():
        used = np.ones(item.session.size, bool) if sessions == "all" else item.session <= sessions
        if not used.any():
            raise BrainworthError(
                f"{item.path} has no trial in the first {sessions} sessions; raise data.sessions"
            )
        table = pd.DataFrame({"session": item.session[used], "nsd_id": item.nsd_id[used]})
        table.insert(0, "subject", subject)
        table["row"] = np.flatnonzero(used)
        table["trial"] = table.groupby("session").cumcount()
        table["image"] = np.unique(table["nsd_id"], return_inverse=True)[1]
        table["repetition"] = table.groupby("nsd_id").cumcount()
        table["shared"] = True if item.shared is None else item.shared[used]
        tables.append(table)
    trials = pd.concat(tables, ignore_index=True)
    n_subjects = trials.groupby("nsd_id")["subject"].nunique()
    everywhere = n_subjects.index[n_subjects == len(found)]
    trials["shared"] &= trials["nsd_id"].isin(everywhere)
    counts = design.shared_counts(trials)
    matched = counts.index[(counts >= min_repetitions).all(axis=1)]
    if matched.empty:
        raise BrainworthError(
            f"no stimulus was seen at least {min_repetitions} times by all of {', '.join(found)} "
            "in the files of ROI means; lower design.min_repetitions, or check nsd_id in the files"
        )
    trials["matched"] = trials["nsd_id"].isin(matched)
    return trials


def write_extract(
    item: RoiMeans, subject: str, trials: pd.DataFrame, rois: list[str], zscore: bool, output: Path
) -> dict:
    """Write the extract of one subject: trials x regions.

    A region is missing in the subject, and named, if the file says so or if it is constant in a
    session. Each of the others is a region with one column; `column_kinds.POOLED` has all of them.

    Parameters
    ----------
    trials : DataFrame
        This subject's rows of the table made by `match`.
    zscore : bool
        Z-score each region over all trials of each session (``ddof=1``).

    Returns
    -------
    dict
        Counts, and the regions that are missing by reason.
    """
    columns = [item.rois.index(name) for name in rois]
    values = item.responses[np.ix_(trials["row"].to_numpy(), columns)]
    session = trials["session"].to_numpy()
    absent = np.isnan(values).all(axis=0)
    constant = np.zeros(len(rois), dtype=bool)
    for number in np.unique(session):
        rows = np.flatnonzero(session == number)
        block = values[rows]
        if zscore and rows.size < 2:
            raise BrainworthError(
                f"{item.path}: session {number} has {rows.size} trial, and z-scoring needs 2; take "
                "it out, or set roi_means.zscore to false"
            )
        if rows.size > 1:
            constant |= ~absent & np.all(block == block[:1], axis=0)
        if zscore:
            spread = block.std(axis=0, ddof=1)
            spread[absent | (spread == 0)] = 1
            values[rows] = (block - block.mean(axis=0)) / spread
    kept = ~(absent | constant)
    if not kept.any():
        raise BrainworthError(
            f"{item.path}: every region asked for is absent, or constant in a session; check "
            "responses"
        )
    names = np.array(rois, dtype=object)
    with files.whole(output) as part, h5py.File(part, "w") as file:
        file.attrs["schema"] = betas.SCHEMA
        file.attrs["subject"] = subject
        file.attrs["columns"] = column_kinds.ROI_MEANS
        file["betas"] = values[:, kept].astype(np.float32)
        for place, name in enumerate(rois):
            file[f"voxels/region/{name}"] = np.flatnonzero(kept) == place
        file[f"voxels/region/{column_kinds.POOLED}"] = np.ones(int(kept.sum()), dtype=bool)
        for name in ("session", "trial", "image", "nsd_id", "repetition", "shared", "matched"):
            file[f"trials/{name}"] = trials[name].to_numpy()
    return {
        "subject": subject,
        "file": item.path.name,
        "n_trials": len(trials),
        "n_sessions": int(np.unique(session).size),
        "n_rois": int(kept.sum()),
        "rois": list(rois),
        "missing_rois": {
            "absent_in_the_file": names[absent].tolist(),
            "constant_in_a_session": names[constant].tolist(),
        },
        "zscored": zscore,
    }


def _check_together(found: dict[str, RoiMeans], rois: list[str]) -> None:
    first = next(iter(found.values()))
    for item in found.values():
        if item.rois != first.rois:
            raise BrainworthError(
                f"{item.path} has the regions {', '.join(item.rois)}, but {first.path} has "
                f"{', '.join(first.rois)}; give all files the same regions in the same order, with "
                "a column of NaN where a subject lacks one"
            )
    lacking = [name for name in rois if name not in first.rois]
    if lacking:
        raise BrainworthError(
            f"{first.path} has no region {', '.join(lacking)}; it has {', '.join(first.rois)}: set "
            "rois to those you want"
        )
    seen: dict[bytes, RoiMeans] = {}
    for item in found.values():
        twin = seen.setdefault(item.responses.tobytes(), item)
        if twin is not item:
            raise BrainworthError(
                f"{twin.path} and {item.path} hold the same responses; one is a copy of the other"
            )
    if len(found) == 1 and first.shared is None:
        raise BrainworthError(
            f"{first.path} has no array shared, and with one subject nothing else says which "
            "stimuli NSD shows to all; add it (docs/roi-means.md)"
        )
    if len({item.simulated for item in found.values()}) > 1:
        raise BrainworthError(
            "some files of ROI means say that they are simulated and others do not; analyse them "
            "apart"
        )
