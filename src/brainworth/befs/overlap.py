"""How a learned subspace lies to the one that the brain sees, in the few numbers that matter.

Theory (`stage1`) fills them with expectations, simulation (`sample_stage1`) with one value a draw,
averaged over rotations of what the brain ignores; all that follows takes either.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from brainworth.befs.model import Task


@dataclass(frozen=True)
class Overlap:
    """Moments of the complement Q = I - P_hat of the learned subspace.

    Parameters
    ----------
    d, k : int
        Dimensions of the input and of the subspace.
    aligned : array
        a' Q a for a unit vector a that the brain sees: the share of the aligned part of a task that
        the learned subspace misses.
    misaligned : array
        b' Q b for a unit vector b that the brain ignores.
    leak : array
        tr(Q P), 0 for a perfectly learned subspace.
    on_aligned, on_misaligned : array
        Squared length of P Q a and of P Q b.
    misaligned_square : array
        (b' Q b)^2.
    """

    d: int
    k: int
    aligned: np.ndarray
    misaligned: np.ndarray
    leak: np.ndarray
    on_aligned: np.ndarray
    on_misaligned: np.ndarray
    misaligned_square: np.ndarray

    @property
    def p(self) -> int:
        """Dimension of the complement."""
        return self.d - self.k

    def missed(self, task: Task) -> np.ndarray:
        """Return the squared length of the part of the task outside the learned subspace."""
        return task.aligned * self.aligned + task.misalignment * self.misaligned

    def reshaped(self, *shape: int) -> Overlap:
        """Return the same moments in another shape, e.g. (-1, 1) to lie across a second grid."""
        return self._each(lambda values: np.reshape(values, shape))

    def at(self, index: object) -> Overlap:
        """Return the moments at an index of the grid."""
        return self._each(lambda values: values[index])

    def mean(self, axis: int) -> Overlap:
        """Return the average over an axis, e.g. of draws."""
        return self._each(lambda values: np.mean(values, axis=axis))

    def _each(self, function) -> Overlap:
        names = [item.name for item in fields(self)][2:]
        return Overlap(self.d, self.k, *(function(getattr(self, name)) for name in names))
