import subprocess
import sys
import threading

import numba
import pytest
from threadpoolctl import threadpool_info

from brainworth.erosion import compiled


def test_blocks_cover_the_range_once():
    seen, lock = [], threading.Lock()

    def work(part):
        with lock:
            seen.extend(range(103)[part])

    compiled.in_blocks(work, 103, 10, 4)
    assert sorted(seen) == list(range(103))


def test_blas_is_held_to_one_thread():
    seen = []
    compiled.in_blocks(
        lambda _: seen.extend(
            i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"
        ),
        1,
        1,
        2,
    )
    assert set(seen) == {1}


def test_an_error_in_a_block_is_raised_and_the_rest_is_cancelled():
    done = []

    def work(part):
        if part.start == 0:
            raise ZeroDivisionError
        done.append(part)

    with pytest.raises(ZeroDivisionError):
        compiled.in_blocks(work, 10_000, 1, 1)


def test_kernels_compile_where_no_cache_can_be_written(monkeypatch):
    real = numba.njit

    def refusing(function, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(function, **options)

    monkeypatch.setattr(numba, "njit", refusing)
    assert compiled.kernel(lambda x: x + 1)(2) == 3


def test_kernels_are_cached_elsewhere_if_the_package_folder_is_read_only(tmp_path):
    """A process whose package folder refuses writes still runs, and fills the user's cache."""
    program = """
import sys
from numba.core import caching
def refuse(self):
    raise OSError("read-only")
caching.InTreeCacheLocator.ensure_cache_path = refuse
import numpy as np
from brainworth.erosion import relabel
permutations = relabel.draw(1, "ab", 3, 6)
print(relabel.similarities(np.random.default_rng(0).random((2, 15)), permutations)[1].shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "(3, 1)"
    assert list(tmp_path.rglob("*.nbi"))
