"""Keeping a study's own files apart from the user's data and from downloads.

The files under ``data/<study>`` are products: Snakemake deletes products before it makes them
anew. Nothing of the user's may therefore lie there.
"""

from __future__ import annotations

import os
from pathlib import Path

from brainworth.errors import BrainworthError
from brainworth.sections.data import Data


def check(root: Path, data: Data) -> None:
    """Refuse a study whose folder holds, or lies in, what must not be deleted.

    Parameters
    ----------
    root : path
        The study's own folder, ``data/<study>``.

    Raises
    ------
    BrainworthError
        If the user's NSD tree (source ``local``) or the store of downloads is that folder, lies
        in it, or (for the store) holds it; symbolic links are followed.
    """
    here = root.resolve()
    store = Path(data.store_dir).expanduser().resolve()
    if store == here or here in store.parents or store in here.parents:
        raise BrainworthError(
            f"data.store_dir: {data.store_dir} and the study's own folder {root} overlap, and the "
            "study's folder is written anew by runs; give the study another name, or move the store"
        )
    tree = data.local_dir or os.environ.get("NSD_DATA_DIR")
    if data.source != "local" or not tree:
        return
    users = Path(tree).expanduser().resolve()
    if users == here or here in users.parents:
        raise BrainworthError(
            f"data.local_dir (or NSD_DATA_DIR): {tree} lies in the study's own folder {root}, "
            "whose files are deleted and written anew by runs; move your data, or give the "
            "study another name"
        )
