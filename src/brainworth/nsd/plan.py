"""What a study costs in bytes, requests, disk and time, before any of it is fetched."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from brainworth.config import Config
from brainworth.errors import BrainworthError
from brainworth.nsd import manifest, ranges, registry, rois, sizes, transfer
from brainworth.nsd.progress import gigabytes
from brainworth.nsd.simulate import scales
from brainworth.sections.data import Data

FLOAT_BYTES = 4
HEADS = 3  # questions about an object: to plan, before it is fetched, and how it was uploaded
SMALL_HEADS = 2


@dataclass(frozen=True)
class Network:
    """Assumptions about the way to the bucket.

    Attributes
    ----------
    bandwidth_mbit : float
        Megabits a second of all connections together.
    latency_ms : float
        Milliseconds until the first byte of an answer.
    """

    bandwidth_mbit: float = 400.0
    latency_ms: float = 30.0


@dataclass(frozen=True)
class Mode:
    """The cost of one way to get the data.

    Attributes
    ----------
    objects : int
        Objects of the bucket that are read, whole or in part.
    bytes, requests : int
        To fetch, and to send; what is in the store already is not among them.
    disk : int
        Bytes on disk at the end, extracts included; what is in the store already is not.
    seconds : float
        Time to fetch.
    """

    objects: int
    bytes: int
    requests: int
    disk: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What a study will take.

    Attributes
    ----------
    sessions : dict from subject to int
    voxels : dict from subject to int
        Voxels of the study's regions.
    exact : list of str
        Subjects whose voxels were counted in ROI volumes on this machine; those of the others are
        estimated.
    kept_objects, kept_bytes : int
        Objects that are in the store already.
    extracts : int
        Bytes of the extracts on disk.
    largest_passing : int
        Size of the largest session file if session files are not kept, else 0.
    modes : dict from name to Mode
        ``files`` and ``ranges`` for source ``s3``, otherwise one.
    """

    study: str
    source: str
    regions: list[str]
    sessions: dict[str, int]
    voxels: dict[str, int]
    exact: list[str]
    kept_objects: int
    kept_bytes: int
    extracts: int
    largest_passing: int
    modes: dict[str, Mode]


def objects_of(study: Config) -> list[str]:
    """Return the keys of all objects of NSD that a study reads."""
    volumes = rois.volumes_of(study.rois)
    keys = [*registry.design_keys(), *registry.atlas_keys()]
    for subject in study.subjects:
        n = registry.n_sessions(subject, study.data.sessions)
        keys += registry.subject_keys(subject, n, volumes)
    if study.described_subjects:
        images = study.encoder.features.backend != "file"
        keys += registry.encoder_keys(study.described_subjects, images)
    return keys


def make(study: Config, network: Network, store: Path) -> Plan:
    """Work out what a study costs; reads no data but ROI volumes that are there.

    Parameters
    ----------
    study : Config
    network : Network
        Assumptions about the way to the bucket.
    store : path
        The store of downloads (or the local tree), for what is there already.
    """
    simulated = study.data.source == "simulated"
    sessions = {
        subject: scales.n_sessions(study.simulation.scale, subject, study.data.sessions)
        if simulated
        else registry.n_sessions(subject, study.data.sessions)
        for subject in study.subjects
    }
    counted = {
        subject: None if simulated else _counted(store, subject, study.rois) for subject in sessions
    }
    voxels = {
        subject: sizes.estimated_voxels(subject, study.rois) if n is None else n
        for subject, n in counted.items()
    }
    keys = [] if simulated or study.rdms.file else objects_of(study)
    entries = {key: manifest.kept(store, registry.describe(key)) for key in keys}
    kept = [entry for entry in entries.values() if entry is not None]
    extracts = sum(
        voxels[subject] * n * registry.TRIALS_PER_SESSION * FLOAT_BYTES
        for subject, n in sessions.items()
    )
    if study.rdms.file is not None:
        modes = {"none": Mode(0, 0, 0, 0, 0.0)}
    elif simulated:
        modes = {"simulate": Mode(0, 0, 0, _simulated_bytes(study, sessions), 0.0)}
    elif study.data.source == "local":
        modes = {"local": Mode(len(keys), 0, 0, extracts, 0.0)}
    else:
        missing = [key for key, entry in entries.items() if entry is None]
        taken = sum(voxels[subject] * n * sizes.VOXEL_BYTES for subject, n in sessions.items())
        passing = 0 if study.data.keep_sessions else taken
        modes = {
            "ranges": _ranges(missing, voxels, extracts + taken, network, study.data),
            "files": _files(missing, extracts + passing, network, study.data),
        }
    return Plan(
        study=study.study,
        source="rdms" if study.rdms.file is not None else study.data.source,
        regions=study.rois,
        sessions=sessions,
        voxels=voxels,
        exact=[subject for subject, n in counted.items() if n is not None],
        kept_objects=len(kept),
        kept_bytes=sum(entry.size for entry in kept),
        extracts=extracts,
        largest_passing=0 if study.data.keep_sessions else largest_session(study),
        modes=modes,
    )


def table(plan: Plan, network: Network) -> str:
    """Write a plan for people, with what it assumes."""
    subjects = f"{len(plan.sessions)} subjects, {sum(plan.sessions.values())} sessions"
    lines = [f"study {plan.study}: {subjects}, {len(plan.regions)} regions, source {plan.source}"]
    if plan.source == "rdms":
        return f"study {plan.study}: reads RDMs measured elsewhere; nothing is fetched"
    if plan.source == "simulated":
        disk = gigabytes(plan.modes["simulate"].disk)
        return "\n".join([*lines, f"nothing is fetched; about {disk} of simulated NSD is written"])
    if plan.source == "local":
        mode = plan.modes["local"]
        lines.append(f"nothing is fetched; {mode.objects} files of your tree are linked to")
        lines.append(f"disk for the extracts: {gigabytes(mode.disk)}")
        return "\n".join([*lines, *_assumptions(plan, None)])
    lines += [
        f"in the store already: {plan.kept_objects} objects, {gigabytes(plan.kept_bytes)}",
        "",
        f"{'download':<10}{'objects':>9}{'to fetch':>12}{'requests':>11}{'disk':>12}{'time':>10}",
    ]
    for name, mode in plan.modes.items():
        lines.append(
            f"{name:<10}{mode.objects:>9,}{gigabytes(mode.bytes):>12}{mode.requests:>11,}"
            f"{gigabytes(mode.disk):>12}{duration(mode.seconds):>10}"
        )
    if plan.largest_passing:
        extra = gigabytes(plan.largest_passing)
        lines.append(f"files: sessions are not kept; {extra} more for each core beyond the first")
    return "\n".join([*lines, "", *_assumptions(plan, network)])


def duration(seconds: float) -> str:
    """Write seconds as people say them."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def largest_session(study: Config) -> int:
    """Return the size of the largest session file of a study."""
    return max(sizes.session_bytes(subject) for subject in study.subjects)


def _assumptions(plan: Plan, network: Network | None) -> list[str]:
    total = f"{sum(plan.voxels.values()):,}"
    guessed = [subject for subject in plan.voxels if subject not in plan.exact]
    how = "counted in the ROI volumes on this machine"
    if guessed:
        how = "estimated from published sizes of V1, V2 and hV4 (prf-visualrois), overlaps ignored"
        how += f", but for {', '.join(plan.exact)}" if plan.exact else ""
    lines = [f"voxels of the regions: {total}, {how}"]
    if network is not None:
        lines += [
            "session files: one chunk of 1500 bytes a voxel of the volume and 4.35 % of index; "
            "other objects 0.1 MB, the stimulus table 11 MB",
            f"time: {network.bandwidth_mbit:g} Mbit/s (--bandwidth-mbit), {network.latency_ms:g} "
            "ms to the first byte (--latency-ms), as many connections as configured",
            "disk: what is fetched, the voxels taken from session files, and the extracts (trials "
            "x voxels, float32)",
        ]
    return lines


def _files(missing: list[str], beside: int, network: Network, data: Data) -> Mode:
    total, requests = _whole(missing)
    on_disk = total
    if not data.keep_sessions:
        sessions = [sizes.object_bytes(key) for key in missing if registry.betas_subject(key)]
        on_disk = total - sum(sessions) + max(sessions, default=0)
    seconds = _sending(total, network) + _waiting(requests, network, data.parallel)
    return Mode(len(missing), total, requests, on_disk + beside, seconds)


def _ranges(
    missing: list[str], voxels: dict[str, int], beside: int, network: Network, data: Data
) -> Mode:
    total, requests = _whole(key for key in missing if registry.betas_subject(key) is None)
    seconds = _waiting(requests, network, data.parallel)
    readings = _readings(data)
    for subject, n_voxels in voxels.items():
        n = sum(registry.betas_subject(key) == subject for key in missing)
        cost = ranges.estimate(registry.VOLUME_SHAPE[subject], n_voxels, n, readings=readings)
        total, requests = total + cost.bytes, requests + cost.requests
        seconds += _waiting(cost.requests, network, data.parallel_ranges * readings)
    seconds += _sending(total, network)
    return Mode(len(missing), total, requests, total + beside, seconds)


def _readings(data: Data) -> int:
    """Return how often each range is read (see verify_ranges in config.yaml)."""
    plain = data.endpoint_url is not None and not data.endpoint_url.startswith("https://")
    return 2 if data.verify_ranges == "twice" or (data.verify_ranges == "auto" and plain) else 1


def _whole(keys: Iterable[str]) -> tuple[int, int]:
    """Return bytes and requests for whole objects."""
    total = requests = 0
    for key in keys:
        size = sizes.object_bytes(key)
        heads = HEADS if size > transfer.STRETCH else SMALL_HEADS
        total += size
        requests += heads + -(-size // transfer.STRETCH)
    return total, requests


def _sending(n_bytes: int, network: Network) -> float:
    return n_bytes * 8 / (network.bandwidth_mbit * 1e6)


def _waiting(requests: int, network: Network, parallel: int) -> float:
    return requests * network.latency_ms / 1000 / parallel


def _counted(store: Path, subject: str, regions: list[str]) -> int | None:
    """Count the voxels of the regions, if the ROI volumes are there."""
    volumes = rois.volumes_of(regions)
    keys = [registry.roi_key(subject, volume) for volume in volumes]
    keys += [registry.label_table_key(subject, volume) for volume in volumes]
    if not all((store / key).exists() for key in keys):
        return None
    try:
        return len(rois.find_voxels(store, subject, regions))
    except BrainworthError:
        return None  # damaged: what reads them will say so


def _simulated_bytes(study: Config, sessions: dict[str, int]) -> int:
    scale = scales.SCALES[study.simulation.scale]
    betas = sum(
        n * math.prod(scale.volume_shape[subject]) * sizes.VOXEL_BYTES * sizes.INDEX_OVERHEAD
        for subject, n in sessions.items()
    )
    return round(betas + 3 * scale.image_size**2 * scale.n_73k)
