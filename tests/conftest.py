"""What several test files share: the default study and one simulated NSD of the smallest size."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from brainworth import config
from brainworth.nsd import registry
from brainworth.nsd.simulate import all_subjects, one_subject, scales

#: Markers of tests that run only when `-m` names them.
ON_REQUEST = ("slurm", "drills", "browser", "container", "cuda")
REPOSITORY = Path(__file__).parents[1]
SEED = 7


@dataclass(frozen=True)
class SimulatedTree:
    """A simulated NSD on disk; tests read it, and copy what they change."""

    root: Path
    simulation: config.Simulation
    seed: int
    sessions: dict[str, int]


def pytest_collection_modifyitems(config, items):
    """Leave out what was not asked for, whatever else `-m` says."""
    unasked = [name for name in ON_REQUEST if name not in config.getoption("markexpr")]
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in unasked)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """Let `os.fsync` return at once: only a power cut could tell, and a disk may take 20 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # which refuses a closed descriptor too
        yield


@pytest.fixture(scope="session")
def repository():
    return REPOSITORY


@pytest.fixture(scope="session")
def default_config():
    return config.load(REPOSITORY / "config.yaml")


@pytest.fixture(scope="session")
def tiny_simulation(default_config):
    return default_config.simulation.model_copy(update={"scale": "tiny"})


@pytest.fixture(scope="session")
def tiny(tiny_simulation, tmp_path_factory):
    """All subjects and sessions of simulated NSD at scale tiny."""
    root = tmp_path_factory.mktemp("tiny")
    sessions = {name: scales.n_sessions("tiny", name, "all") for name in registry.SUBJECTS}
    all_subjects.write(root, tiny_simulation, SEED)
    for subject, n in sessions.items():
        one_subject.write(root, tiny_simulation, subject, n, SEED)
    return SimulatedTree(root, tiny_simulation, SEED, sessions)
