"""Making NSD's files appear in a study's folder, from a tree on disk or from the bucket.

A study's folder holds links: the files stay in the user's tree (source ``local``) or in the store
that all studies share (source ``s3``).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from brainworth import config
from brainworth.errors import BrainworthError
from brainworth.nsd import download, manifest, registry, s3, terms, verify
from brainworth.nsd.patience import Stop, patiently
from brainworth.nsd.progress import Progress, gigabytes, line

TREE_VARIABLE = "NSD_DATA_DIR"
NAMED = 5  # objects that a message names before it only counts

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Fetched:
    """One NSD object in a study's folder.

    Attributes
    ----------
    key : str
        Key of the object.
    path : Path
        Where it stands in the study's folder: a link to `size` bytes elsewhere.
    size : int
        Size in bytes.
    source : str
        ``local`` or ``s3``.
    etag, sha256 : str or None
        Version in the bucket and digest of the bytes; None for a local tree, which is not read.
    """

    key: str
    path: Path
    size: int
    source: str
    etag: str | None
    sha256: str | None


def fetch(
    keys: list[str],
    root: Path,
    data: config.Data,
    progress: str,
    say: Callable[[str], None] | None = None,
) -> list[Fetched]:
    """Make objects of NSD exist in a study's folder.

    Nothing appears in the folder before every object is there and verified. Objects of the store
    that were verified before are linked without asking the bucket.

    Parameters
    ----------
    keys : list of str
        Keys of the objects (see `registry`).
    root : Path
        The study's folder; an object becomes ``root/key``.
    data : config.Data
        Section ``data`` of the configuration, with source ``local`` or ``s3``.
    progress : str
        Label of the progress bar, which is drawn only on a terminal.
    say : callable
        Called with a line about each object, for a log.

    Returns
    -------
    list of Fetched
        One for each key, in the order of `keys`.

    Raises
    ------
    BrainworthError
        If the terms are not accepted, an object cannot be had or is not what it should be, the
        disk is too small, or a file of the user's own stands where a link belongs.
    """
    if data.source == "simulated":
        raise BrainworthError(
            "data.source is simulated, for which nothing is fetched; set it to local or s3"
        )
    if not data.accept_nsd_terms:
        raise BrainworthError(terms.NOT_ACCEPTED)
    objects = [registry.describe(key) for key in dict.fromkeys(keys)]
    for known in objects:
        _refuse_own_file(root / known.key)
    if data.source == "local":
        found = _from_tree(objects, tree_of(data), root)
    else:
        store = store_of(data)
        if store.resolve() == root.resolve():
            raise BrainworthError(
                f"{store} is both data.store_dir and the folder of this study, where a new run may "
                "delete files; set data.store_dir to another folder, or rename the study"
            )
        try:
            found = _from_bucket(objects, store, root, data, progress, say or (lambda _: None))
        except OSError as error:
            raise BrainworthError(
                f"{error.filename or store}: {error.strerror}; data.store_dir ({store}) must be a "
                "folder that can be written, with room for the downloads"
            ) from error
    return [found[key] for key in keys]


def store_of(data: config.Data, base: Path = Path()) -> Path:
    """Return the absolute path of the store; a relative one counts from `base`."""
    return Path(os.path.abspath(base / Path(data.store_dir).expanduser()))


def tree_of(data: config.Data) -> Path:
    """Return the user's NSD tree, from the configuration or the environment.

    Raises
    ------
    BrainworthError
        If no tree is named, or it is empty or cannot be read.
    """
    named = data.local_dir or os.environ.get(TREE_VARIABLE)
    if not named:
        raise BrainworthError(
            "data.source is local but no NSD tree is named; set data.local_dir or the environment "
            f"variable {TREE_VARIABLE} to the folder that holds nsddata/ and nsddata_betas/"
        )
    origin = "data.local_dir" if data.local_dir else TREE_VARIABLE
    # Absolute but not resolved: a tree that is itself made of links may be rearranged later.
    tree = Path(os.path.abspath(Path(named).expanduser()))
    try:
        state = None if os.listdir(tree) else "is empty"
    except OSError as error:
        state = f"cannot be read ({error.strerror})"
    if state is not None:
        raise BrainworthError(
            f"{tree} ({origin}) {state}; expected the folder that holds nsddata/ and nsddata_betas/"
        )
    return tree


def _from_tree(objects: list[registry.NsdObject], tree: Path, root: Path) -> dict[str, Fetched]:
    problems = [
        f"{known.key} {problem}"
        for known in objects
        if (problem := verify.problem(tree / known.key, known)) is not None
    ]
    if problems:
        more = f"; and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
        raise BrainworthError(
            f"{len(problems)} of {len(objects)} NSD objects cannot be used from {tree}: "
            f"{'; '.join(problems[:NAMED])}{more}. Complete the tree, or set data.source: s3"
        )
    return {
        known.key: Fetched(
            key=known.key,
            path=_link(root / known.key, tree / known.key),
            size=(tree / known.key).stat().st_size,
            source="local",
            etag=None,
            sha256=None,
        )
        for known in objects
    }


def _from_bucket(
    objects: list[registry.NsdObject],
    store: Path,
    root: Path,
    data: config.Data,
    label: str,
    say: Callable[[str], None],
) -> dict[str, Fetched]:
    entries = {known.key: manifest.kept(store, known) for known in objects}
    if data.keep_sessions:
        entries = {key: entry and manifest.claim(store, entry) for key, entry in entries.items()}
    missing = [known for known in objects if entries[known.key] is None]
    say(f"{len(objects) - len(missing)} of {len(objects)} objects are in {store} already")
    if missing:
        entries |= _download_all(missing, store, data, label, say)
    return {
        key: Fetched(
            key=key,
            path=_link(root / key, store / key),
            size=entry.size,
            source="s3",
            etag=entry.etag,
            sha256=entry.sha256,
        )
        for key, entry in entries.items()
    }


def _download_all(
    missing: list[registry.NsdObject],
    store: Path,
    data: config.Data,
    label: str,
    say: Callable[[str], None],
) -> dict[str, manifest.Entry]:
    stop = Stop()
    with s3.connect(data) as bucket, ThreadPoolExecutor(data.parallel) as connections:

        def ask(known: registry.NsdObject) -> s3.Remote:
            return patiently(lambda: download.head(bucket, known), known.key, data, stop)

        remotes = in_parallel(ask, missing, data.parallel, stop)
        there = {remote.key: download.resumable(store, remote) for remote in remotes}
        total = sum(remote.size for remote in remotes)
        occupied = sum(min(remote.size, download.occupied(store, remote.key)) for remote in remotes)
        _require_space(store, total - occupied, len(remotes))
        say(f"{len(missing)} to fetch: {gigabytes(total)}, {gigabytes(sum(there.values()))} there")
        with Progress(label, total, there) as progress:

            def bring(known: registry.NsdObject) -> manifest.Entry:
                start = time.monotonic()
                passing = not data.keep_sessions and registry.betas_subject(known.key) is not None
                entry = download.download(
                    bucket, known, store, data, connections, progress.report, stop, passing
                )
                say(line(entry, time.monotonic() - start))
                return entry

            entries = in_parallel(bring, missing, data.parallel, stop)
    return {entry.key: entry for entry in entries}


def in_parallel(work: Callable[[U], T], items: list[U], n: int, stop: Stop) -> list[T]:
    """Work on `n` items at a time; the first failure, or Ctrl-C, stops all of them."""
    with ThreadPoolExecutor(n) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in futures]


def _require_space(store: Path, needed: int, n: int) -> None:
    store.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(store).free
    if needed > free:
        raise BrainworthError(
            f"{store} (data.store_dir) has {gigabytes(free)} free but {n} NSD objects need "
            f"{gigabytes(needed)} more; make room, or set data.store_dir to a larger disk"
        )


def _refuse_own_file(link: Path) -> None:
    if link.exists() and not link.is_symlink():
        raise BrainworthError(
            f"{link} is a file of its own where a link to NSD's file belongs; move it away, or "
            "choose another study name (an NSD tree cannot be the study's own folder)"
        )


def _link(link: Path, target: Path) -> Path:
    _refuse_own_file(link)
    try:
        if link.is_symlink() and os.readlink(link) == str(target):
            return link
        link.parent.mkdir(parents=True, exist_ok=True)
        fresh = link.with_name(f".{link.name}.{os.getpid()}.link")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(link)
    except OSError as error:
        raise BrainworthError(
            f"{link} cannot be made a link to {target} ({error.strerror}); expected a folder that "
            "can be written"
        ) from error
    return link
