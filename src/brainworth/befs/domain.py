"""Arguments outside their domain are refused with a sentence that says why.

Each function returns its argument as a float array, so that grids and single numbers take the same
way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from brainworth.errors import BrainworthError


def sizes(d: int, k: int, n: int | None = None) -> None:
    """Check the dimensions of a system: 1 <= k < d and, with channels, n >= k.

    Raises
    ------
    BrainworthError
        If a size is no whole number or they do not fit together.
    """
    for name, size in (("d", d), ("k", k), ("n", n)):
        whole = isinstance(size, int | np.integer) and not isinstance(size, bool)
        if size is not None and (not whole or size < 1):
            raise BrainworthError(f"{name} = {size} is no dimension; give a whole number from 1 up")
    if k >= d:
        raise BrainworthError(
            f"k = {k} latents do not fit into d = {d} inputs with a subspace left that the brain "
            "ignores, where all its value comes from; give k < d"
        )
    if n is not None and n < k:
        raise BrainworthError(
            f"n = {n} channels cannot tell k = {k} latents apart; give at least as many channels "
            "as latents"
        )


def brain_samples(n_brain: ArrayLike, d: int) -> np.ndarray:
    """Check numbers of brain samples: d + 2 or more each, infinity allowed.

    Raises
    ------
    BrainworthError
        If one is smaller: the encoding model is a regression on d inputs.
    """
    values = real("n_brain", n_brain, infinite=True)
    if (values < d + 2).any():
        raise BrainworthError(
            f"n_brain = {values.min():g} is too small: the encoding model regresses on d = {d} "
            f"inputs and needs at least d + 2 = {d + 2} brain samples; collect more or lower d "
            "(no brain data at all is the task-only student, not a limit of these formulas)"
        )
    return values


def task_samples(n_task: ArrayLike, free: int, what: str = "the unpenalised latents") -> np.ndarray:
    """Check numbers of task samples: free + 2 or more, where `free` coefficients are unpenalised.

    Raises
    ------
    BrainworthError
        If one is smaller: the expected error is infinite.
    """
    values = real("n_task", n_task)
    if (values <= free + 1).any():
        raise BrainworthError(
            f"n_task = {values.min():g} is too small: {what} ({free} coefficients) are fitted by "
            f"least squares, whose expected error is infinite up to {free} + 1 samples; give at "
            f"least {free + 2}"
        )
    return values


def real(name: str, value: ArrayLike, *, infinite: bool = False) -> np.ndarray:
    """Check numbers for NaN and, unless allowed, infinity.

    Raises
    ------
    BrainworthError
    """
    try:
        values = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise BrainworthError(f"{name} = {value!r} is not a number; give numbers") from None
    if np.isnan(values).any() or (not infinite and np.isinf(values).any()):
        raise BrainworthError(f"{name} holds NaN or infinity; give finite numbers")
    return values


def positive(name: str, value: ArrayLike) -> np.ndarray:
    """Check that numbers are above 0.

    Raises
    ------
    BrainworthError
    """
    values = real(name, value)
    if (values <= 0).any():
        raise BrainworthError(f"{name} = {values.min():g} must be above 0")
    return values


def non_negative(name: str, value: ArrayLike, *, infinite: bool = False) -> np.ndarray:
    """Check that numbers are 0 or above.

    Raises
    ------
    BrainworthError
    """
    values = real(name, value, infinite=infinite)
    if (values < 0).any():
        raise BrainworthError(f"{name} = {values.min():g} must not be negative")
    return values
