"""Whether the objects of a study are where they should be, and what they should be.

Reads headers and listings only: no contents, but for the first bytes of files on disk.
"""

from __future__ import annotations

import re
from pathlib import Path

from tqdm import tqdm

from brainworth import config
from brainworth.errors import BrainworthError
from brainworth.findings import Finding, good, note, problem
from brainworth.nsd import manifest, registry, s3, sizes, verify
from brainworth.nsd.patience import Stop, patiently
from brainworth.nsd.progress import gigabytes
from brainworth.nsd.store import in_parallel

NAMED = 5

#: Files that NSD's manual describes beside those that the registry knows.
DESCRIBED = re.compile(
    r"(betas|R2|R2run|meanbeta|HRFindex|HRFindexrun|FRACvalue)_session\d\d\.(hdf5|nii\.gz|mat)"
    r"|(meanbeta|R2|ncsnr|ncsnr_split[12])\.nii\.gz"
)
HELD_BACK = (
    "old mirrors hold back the last three sessions of each subject, which NSD released on "
    "2023-08-20; use NSD's own bucket (data.bucket, data.endpoint_url) or fewer sessions "
    "(data.sessions)"
)


def tree(root: Path, keys: list[str]) -> list[Finding]:
    """Examine a tree on disk: files, kinds, sizes."""
    findings = []
    for key in keys:
        wrong = verify.problem(root / key, registry.describe(key))
        if wrong is None:
            wrong = sizes.implausible(key, (root / key).stat().st_size)
        if wrong is not None:
            findings.append(problem(f"{key} {wrong}"))
    n = len(keys) - len(findings)
    return [good(f"{n} of {len(keys)} objects of the study are in {root}"), *findings]


def bucket(data: config.Data, keys: list[str], store: Path) -> list[Finding]:
    """Examine the bucket: ask for the head of every object, and list what is beside it.

    Parameters
    ----------
    data : config.Data
    keys : list of str
        Objects of the study.
    store : path
        Store of downloads, whose entries are compared with the bucket.
    """
    stop = Stop()
    with s3.connect(data) as place:

        def ask(key: str) -> s3.Remote | BrainworthError:
            try:
                return patiently(lambda: s3.head(place, key), key, data, stop)
            except BrainworthError as error:
                return error
            finally:
                bar.update()

        with tqdm(desc="objects", total=len(keys), disable=None) as bar:
            first = ask(keys[0])
            if isinstance(first, BrainworthError) and not _about_the_object(first):
                return [problem(str(first))]
            answers = dict(
                zip(keys, [first, *in_parallel(ask, keys[1:], data.parallel, stop)], strict=True)
            )
        findings = _answers(answers, store)
        remotes = [answer for answer in answers.values() if isinstance(answer, s3.Remote)]
        total = gigabytes(sum(remote.size for remote in remotes))
        summary = (
            f"{len(remotes)} of {len(keys)} objects of the study are in {place.place}, {total}"
        )
        return [good(summary), *findings, *_beside(place, data, keys, stop)]


def _about_the_object(error: BrainworthError) -> bool:
    return isinstance(error, s3.Forbidden | s3.Missing) or " is empty in " in str(error)


def _answers(answers: dict[str, s3.Remote | BrainworthError], store: Path) -> list[Finding]:
    findings = []
    forbidden = [key for key, answer in answers.items() if isinstance(answer, s3.Forbidden)]
    for key, answer in answers.items():
        if isinstance(answer, s3.Forbidden):
            findings.append(problem(f"{key} is forbidden (403)"))
        elif isinstance(answer, s3.Missing):
            findings.append(problem(f"{key} is missing (404); check data.bucket"))
        elif isinstance(answer, BrainworthError):
            findings.append(problem(str(answer)))
        else:
            findings += _one(answer, store)
    if forbidden:
        findings.append(note(f"{len(forbidden)} objects are forbidden: {HELD_BACK}"))
    return findings


def _one(remote: s3.Remote, store: Path) -> list[Finding]:
    known = registry.describe(remote.key)
    findings = []
    if known.size not in (None, remote.size):
        findings.append(
            problem(f"{remote.key} has {remote.size:,} bytes where NSD's has {known.size:,}")
        )
    wrong = sizes.implausible(remote.key, remote.size)
    if wrong is not None:
        findings.append(problem(f"{remote.key} {wrong}"))
    entry = manifest.read(store, remote.key)
    if entry is not None and (entry.size, entry.etag) != (remote.size, remote.etag):
        kind = "resized" if entry.size != remote.size else "changed"
        versions = f"{entry.size:,} bytes {entry.etag}, now {remote.size:,} bytes {remote.etag}"
        findings.append(
            problem(
                f"{remote.key} was {kind} in the bucket since it was fetched ({versions}); delete "
                f"{store / remote.key} to fetch it anew"
            )
        )
    elif entry is not None and not _dropped(store, entry) and not manifest.kept(store, known):
        findings.append(
            problem(f"{store / remote.key} is not the file that was fetched; a run fetches it anew")
        )
    return findings


def _dropped(store: Path, entry: manifest.Entry) -> bool:
    return entry.passing and not (store / entry.key).exists()


def _beside(place: s3.Bucket, data: config.Data, keys: list[str], stop: Stop) -> list[Finding]:
    """List the folders of the session files for what the registry does not know."""
    subjects = dict.fromkeys(filter(None, map(registry.betas_subject, keys)))
    findings = []
    for subject in subjects:
        folder = registry.betas_folder(subject) + "/"
        try:
            listed = patiently(
                lambda folder=folder: list(s3.listing(place, folder)), folder, data, stop
            )
        except BrainworthError as error:
            return [*findings, note(f"new objects cannot be looked for: {error}")]
        names = [item.key.removeprefix(folder) for item in listed]
        found = [re.fullmatch(r"betas_session(\d\d)\.hdf5", name) for name in names]
        last = max((int(match[1]) for match in found if match), default=0)
        if last > registry.SESSIONS[subject]:
            findings.append(
                note(
                    f"{subject} has {last} sessions in the bucket where the registry knows "
                    f"{registry.SESSIONS[subject]}: the new ones are not used"
                )
            )
        strange = [name for name in names if not DESCRIBED.fullmatch(name)]
        if strange:
            more = f" and {len(strange) - NAMED} more" if len(strange) > NAMED else ""
            names = ", ".join(strange[:NAMED])
            findings.append(note(f"new since the registry was written: {folder}{names}{more}"))
    return findings or [good("the bucket holds no session or file that the registry does not know")]
