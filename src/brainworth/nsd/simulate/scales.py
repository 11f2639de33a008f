"""How big simulated NSD is: from a test's size to NSD's own."""

from __future__ import annotations

from dataclasses import dataclass

from brainworth.nsd import registry


@dataclass(frozen=True)
class Scale:
    """Sizes of a simulated NSD.

    Attributes
    ----------
    volume_shape : dict from subject to (x, y, z)
        Voxels of the functional volumes.
    sessions : dict from subject to int
        Sessions of 750 trials each subject completed.
    planned_sessions : int
        Sessions of the whole experiment; ``3 * images`` trials.
    images : int
        Images of each subject (the "10K" of NSD), each shown three times in the whole experiment.
    shared : int
        Images seen by all subjects, the first ones of each subject's list.
    image_size : int
        Height and width of a stimulus in pixels.
    label_scale : float
        Share of cortex that an ROI label of average size takes.
    """

    volume_shape: dict[str, tuple[int, int, int]]
    sessions: dict[str, int]
    planned_sessions: int
    images: int
    shared: int
    image_size: int
    label_scale: float

    @property
    def n_73k(self) -> int:
        """Number of stimuli of all subjects together (73,000 in NSD)."""
        return self.shared + len(registry.SUBJECTS) * (self.images - self.shared)


def _reduced(planned_sessions: int, shape: tuple[int, int, int], image_size: int) -> Scale:
    """Shrink NSD to fewer sessions: images in proportion, volumes near `shape`."""
    images = registry.TRIALS_PER_SESSION * planned_sessions // 3
    x, y, z = shape
    return Scale(
        # Subjects differ in size, as in NSD, so that no axis order or shape can be taken for
        # granted.
        volume_shape={
            subject: (x + number % 3, y + (number + 1) % 4, z + number % 2)
            for number, subject in enumerate(registry.SUBJECTS)
        },
        sessions={
            subject: planned_sessions * sessions // 40
            for subject, sessions in registry.SESSIONS.items()
        },
        planned_sessions=planned_sessions,
        images=images,
        shared=images // 10,
        image_size=image_size,
        label_scale=0.035,
    )


SCALES = {
    "tiny": _reduced(3, (12, 14, 12), 24),
    "small": _reduced(8, (18, 20, 17), 48),
    "full": Scale(
        volume_shape=registry.VOLUME_SHAPE,
        sessions=registry.SESSIONS,
        planned_sessions=40,
        images=10_000,
        shared=1_000,
        image_size=425,
        label_scale=0.004,
    ),
}


def n_sessions(scale: str, subject: str, limit: str | int) -> int:
    """Sessions of a simulated subject that a study uses: all, or the first `limit`."""
    completed = SCALES[scale].sessions[subject]
    return completed if limit == "all" else min(int(limit), completed)
