"""A cluster to submit to, and what a run without it finds."""

from __future__ import annotations

import importlib.util

import cluster as loopback
import pytest
from project import TINY, Project, copy_project
from test_encoder import merged


@pytest.fixture(scope="session")
def slurm():
    """Say what is missing where Slurm cannot be started; tests fail there."""
    missing = loopback.missing()
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        missing = "snakemake-executor-plugin-slurm is not installed; run `make test-slurm`"
    if missing:
        pytest.fail(missing)


# A machine has room for one cluster: each is ended before another module starts its own.
@pytest.fixture(scope="module")
def cluster(slurm, tmp_path_factory):
    """Start a Slurm without accounts and cards for the tests of a module."""
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
    project = local.copy(tmp_path / "project")
    for test in ("rsa", "fingerprinting", "heteroscedasticity"):
        (project.folder / f"results/tiny/erosion/{test}.json").unlink()
    return project


@pytest.fixture(scope="session")
def described(tmp_path_factory) -> Project:
    """Return a copy in which all is there that one job of the encoder needs, which wants a GPU."""
    copy = copy_project(tmp_path_factory.mktemp("described"))
    encoder = {"device": "auto", "subjects": ["subj01"], "parts": ["stage1"]}
    copy.write_study(merged({"subjects": ["subj01", "subj02"], "encoder": encoder}))
    encoded = "results/encoded/encoder"
    copy.snakemake("--cores", "2", f"{encoded}/features.h5", f"{encoded}/targets_subj01.h5")
    return copy


@pytest.fixture
def before_stage1(described, tmp_path) -> Project:
    """Return a copy in which that job is to be run."""
    return described.copy(tmp_path / "project")
