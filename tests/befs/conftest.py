"""Settings at which the theory is held against students fitted to raw data, run once a session."""

from __future__ import annotations

import pytest
from raw_grid import run

from brainworth.befs import model
from brainworth.stats import stream


@pytest.fixture(scope="session")
def brain():
    """A system small enough to fit raw data in milliseconds."""
    return model.calibrated(60, model.pooling(24, 6, 4, stream(0, "tests")))


@pytest.fixture(scope="session")
def raw_grid():
    """64 settings over the whole domain, 90 raw-data trials each."""
    return run(n_trials=90)
