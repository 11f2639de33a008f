"""What the simulation writes, relative to the root of its tree."""

from __future__ import annotations

from brainworth.nsd import registry

IMAGE_TRUTH = "truth/images.h5"


def subject_truth_key(subject: str) -> str:
    """Return the truth about one subject."""
    return f"truth/{subject}.h5"


def experiment_keys() -> list[str]:
    """Return what is common to all subjects (`all_subjects.write`)."""
    return [*registry.design_keys(), registry.STIMULI, *registry.atlas_keys(), IMAGE_TRUTH]


def subject_keys(subject: str, n_sessions: int) -> list[str]:
    """Return what belongs to one subject (`one_subject.write`)."""
    volumes = list(registry.LABELS)
    hemispheres = [
        registry.roi_key(subject, volume, side) for volume in volumes for side in ("lh.", "rh.")
    ]
    nsd = registry.subject_keys(subject, n_sessions, volumes)
    return [*nsd, *hemispheres, subject_truth_key(subject)]
