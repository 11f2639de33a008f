"""Compiled kernels: numba with a cache where one can be kept, and threads over blocks of draws."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba
from threadpoolctl import threadpool_limits

# Sums may be reordered into vector lanes; NaN and infinity keep their meaning.
FASTMATH = {"reassoc", "contract", "nsz"}


def kernel(function: Callable) -> Callable:
    """Compile a function that runs without the interpreter lock.

    The machine code is cached beside the module, or else in the user's cache folder (or
    ``NUMBA_CACHE_DIR``); where none of them can be written to, it is compiled in each process.
    """
    options = {"nogil": True, "fastmath": FASTMATH}
    try:
        return numba.njit(function, cache=True, **options)
    except RuntimeError:
        return numba.njit(function, **options)


def in_blocks(work: Callable[[slice], None], n: int, size: int, n_threads: int) -> None:
    """Call `work` on slices of at most `size` units that cover ``range(n)``, in threads.

    BLAS is held to one thread meanwhile: blocks, not BLAS, are the unit of parallel work, and the
    same blocks on any number of threads give the same bits.
    """
    slices = [slice(start, min(start + size, n)) for start in range(0, n, size)]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(max(1, n_threads)) as pool:
        try:
            for _ in pool.map(work, slices):
                pass
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
