"""How large NSD's objects are, and how many voxels its regions have, before any of it is there.

Sizes of session files follow from the geometry: one chunk of 1500 bytes (750 trials of int16) a
voxel of the volume, and the index of the chunks. Published counts of voxels are those of
Brain-Score's notebooks on the real data (brain-score/vision, allen2022_fmri: prf-visualrois in the
1.8-mm volumes).
"""

from __future__ import annotations

import math

from brainworth.nsd import registry, rois

VOXEL_BYTES = 2 * registry.TRIALS_PER_SESSION

#: Size of a session file over that of its chunks: reported of subj01 (1043.7 MiB for 1000.2).
INDEX_OVERHEAD = 1.0435

#: What a session file can measure, over its chunks: less is truncated, more is something else.
PLAUSIBLE = (1.0, 1.1)

#: nsd_stim_info_merged.csv (reported, 11 MB), and any other object (a guess on the safe side).
STIM_INFO_BYTES = 11_000_000
OTHER_BYTES = 100_000

#: nsd_stimuli.hdf5: 73,000 images of 425 x 425 pixels in three colours, uncompressed.
STIMULI_BYTES = 73_000 * 425 * 425 * 3

#: Voxels of V1, V2 and hV4 of prf-visualrois in each subject (five labels).
PUBLISHED_VOXELS = dict(
    zip(
        registry.SUBJECTS,
        (
            (1350, 1433, 687),
            (1102, 1075, 483),
            (1254, 1141, 426),
            (877, 863, 475),
            (1113, 1081, 542),
            (1127, 1180, 477),
            (1142, 986, 397),
            (1074, 1033, 495),
        ),
        strict=True,
    )
)
PUBLISHED_LABELS = 5

#: Voxels of nsdgeneral in each subject, of the same source.
NSDGENERAL_VOXELS = dict(
    zip(
        registry.SUBJECTS,
        (15724, 14278, 15226, 13153, 13039, 17907, 12682, 14386),
        strict=True,
    )
)


def session_bytes(subject: str) -> int:
    """Return the expected size of a session file of a subject."""
    return round(math.prod(registry.VOLUME_SHAPE[subject]) * VOXEL_BYTES * INDEX_OVERHEAD)


def object_bytes(key: str) -> int:
    """Return the expected size of any object of the registry."""
    subject = registry.betas_subject(key)
    if subject is not None:
        return session_bytes(subject)
    return {registry.STIM_INFO: STIM_INFO_BYTES, registry.STIMULI: STIMULI_BYTES}.get(
        key, OTHER_BYTES
    )


def implausible(key: str, size: int) -> str | None:
    """Say what is wrong with the size of a session file, or None (also for other objects)."""
    subject = registry.betas_subject(key)
    if subject is None:
        return None
    shape = registry.VOLUME_SHAPE[subject]
    chunks = math.prod(shape) * VOXEL_BYTES
    if PLAUSIBLE[0] * chunks <= size <= PLAUSIBLE[1] * chunks:
        return None
    volume = " x ".join(map(str, shape))
    return (
        f"has {size:,} bytes; expected {PLAUSIBLE[0] * chunks:,.0f} to "
        f"{PLAUSIBLE[1] * chunks:,.0f} for {volume} voxels and 750 trials"
    )


def estimated_voxels(subject: str, regions: list[str]) -> int:
    """Estimate the voxels of a study's regions.

    Each label counts as an average one of the subject's V1v, V1d, V2v, V2d and hV4 (published);
    labels that a subject lacks count as none, and overlaps are ignored, so this is on the safe
    side. The voxels of nsdgeneral are published.
    """
    general = NSDGENERAL_VOXELS[subject] if "nsdgeneral" in regions else 0
    regions = [region for region in regions if region != "nsdgeneral"]
    labels = {(rois.REGIONS[region][0], label) for region in regions for label in _labels(region)}
    present = [label for _, label in labels if subject not in registry.ABSENT_LABELS.get(label, ())]
    return general + round(len(present) * sum(PUBLISHED_VOXELS[subject]) / PUBLISHED_LABELS)


def _labels(region: str) -> tuple[str, ...]:
    return rois.REGIONS[region][1]
