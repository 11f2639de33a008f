"""Mean responses of regions from the extracts of a study, to be shared or analysed elsewhere."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from brainworth import results
from brainworth.errors import BrainworthError
from brainworth.nsd import betas, columns
from brainworth.nsd.roi_means import RoiMeans, write


def export_study(study: Path, folder: Path) -> list[Path]:
    """Write one file of ROI means for every subject of a finished study.

    Parameters
    ----------
    study : path
        The results of a study, e.g. ``results/simulated``.
    folder : path
        Where the files go, ``<subject>.h5`` each; it is made if it does not exist.

    Returns
    -------
    list of path
        The files written.

    Raises
    ------
    BrainworthError
        If there is no extract of a subject, or it is damaged.
    """
    extracts = sorted((study / "data").glob("betas_*.h5"))
    if not extracts:
        raise BrainworthError(
            f"{study} has no data/betas_*.h5; give the results of a study that was run, such as "
            "results/simulated"
        )
    simulated = bool(results.read(study / "data/matching.json")["data"]["simulated"])
    written = []
    for extract in extracts:
        written.append(folder / f"{extract.stem.removeprefix('betas_')}.h5")
        try:
            write(written[-1], means_of(extract, simulated=simulated))
        except OSError as error:
            raise BrainworthError(
                f"{written[-1]} cannot be written ({error}); give a folder that can be"
            ) from None
    return written


def means_of(extract: Path, *, simulated: bool) -> RoiMeans:
    """Average the voxels of each region of an extract.

    Returns
    -------
    RoiMeans
        Means of z-scored betas; NaN where the subject lacks a region.
    """
    names = [name for name in betas.regions_in(extract) if name != columns.POOLED]
    found = [betas.read_responses(extract, name) for name in names]
    n_trials = len(found[0].session)
    with h5py.File(extract, "r") as file:
        shared = file["trials/shared"][:]
    return RoiMeans(
        path=extract,
        rois=tuple(names),
        responses=np.column_stack(
            [
                item.values.mean(axis=1, dtype=np.float64)
                if item.values.shape[1]
                else np.full(n_trials, np.nan)
                for item in found
            ]
        ),
        session=found[0].session,
        nsd_id=found[0].nsd_id,
        repetition=found[0].repetition,
        shared=shared,
        simulated=simulated,
    )
