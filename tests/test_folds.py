"""Folds are balanced, random and complete."""

import numpy as np
import pytest

from brainworth.folds import folds


def test_sizes():
    found = folds(23, 5, np.random.default_rng(0))
    assert sorted(np.bincount(found)) == [4, 4, 5, 5, 5]


def test_the_stream_decides():
    assert not np.array_equal(
        folds(50, 5, np.random.default_rng(0)), folds(50, 5, np.random.default_rng(1))
    )


@pytest.mark.parametrize(("n", "n_folds"), [(3, 4), (10, 1)])
def test_refuses(n, n_folds):
    with pytest.raises(ValueError, match="cannot be split"):
        folds(n, n_folds, np.random.default_rng(0))
