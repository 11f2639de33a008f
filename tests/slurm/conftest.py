"""A cluster to submit to, and what a run without it finds."""

from __future__ import annotations

import importlib.util
import shutil

import cluster as loopback
import pytest
from project import TINY, Project, copy_project


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Start Slurm for these tests; where it cannot be, they fail and say what is missing."""
    missing = loopback.missing()
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        missing = "snakemake-executor-plugin-slurm is not installed; run `make test-slurm`"
    if missing:
        pytest.fail(missing)
    with loopback.Cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture(scope="session")
def local(tmp_path_factory) -> Project:
    """Return a copy in which the tiny study has been run without a cluster."""
    copy = copy_project(tmp_path_factory.mktemp("local"))
    copy.write_study(TINY)
    copy.snakemake("--cores", "2")
    return copy


@pytest.fixture
def before_tests(local, tmp_path) -> Project:
    """Return a copy of the finished study in which the results of the tests are to be made."""
    folder = tmp_path / "project"
    shutil.copytree(local.folder, folder, symlinks=True)
    project = Project(folder)
    for test in ("rsa", "fingerprinting", "heteroscedasticity"):
        (folder / f"results/tiny/erosion/{test}.json").unlink()
    return project
