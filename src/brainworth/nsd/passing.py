"""Taking the voxels out of a session file that is not kept (``data.keep_sessions: false``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brainworth.errors import BrainworthError
from brainworth.nsd import betas, download, manifest, registry, voxels
from brainworth.nsd.patience import Stop


def take_voxels(
    root: Path, subject: str, session: int, regions: list[str], n_sessions: int, store: Path
) -> None:
    """Write the voxels of one session where an extract looks for them, and drop the session.

    The session file is deleted from the store only if it was fetched for this: not if it was
    there before, or if another study keeps its sessions.

    Parameters
    ----------
    root : path
        The study's folder, with the session file and the subject's volumes; the voxels become
        ``root / registry.voxels_key(subject, session)``.
    session : int
        Counted from 1.
    regions : list of str
        Keys of `rois.REGIONS`.
    n_sessions : int
        Sessions of the study, in all of which a voxel must be valid.
    store : path
        Root of the store.

    Raises
    ------
    BrainworthError
        If the session is not from the store, or as `betas.find_candidates`, `betas.read_session`
        and `voxels.write`.
    """
    key = registry.betas_key(subject, session)
    entry = manifest.read(store, key)
    if entry is None:
        raise BrainworthError(f"{store} (data.store_dir) does not know {key}; fetch it again")
    table = betas.find_candidates(root, subject, regions, range(1, n_sessions + 1)).usable
    values = betas.read_session(root / key, table)
    voxels.write(
        root / registry.voxels_key(subject, session),
        table,
        values,
        np.full(len(table), -1),
        key=key,
        etag=entry.etag,
        size=entry.size,
    )
    with download.locked(store, key, Stop()):
        manifest.drop(store, key)
