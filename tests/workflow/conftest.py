"""Fixtures: copies of the project, with a tiny study to run or already run."""

from __future__ import annotations

import pytest
from project import TINY, Project, copy_project


@pytest.fixture
def project(tmp_path) -> Project:
    """Return a fresh copy with the tiny study, nothing run."""
    copy = copy_project(tmp_path)
    copy.write_study(TINY)
    return copy


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """Return a copy in which the tiny study has been run to its PDF; tests must not change it."""
    copy = copy_project(tmp_path_factory.mktemp("finished"))
    copy.write_study(TINY)
    copy.snakemake("--cores", "2")
    return copy


@pytest.fixture
def editable(finished, tmp_path) -> Project:
    """Return a copy of the finished study that a test may edit."""
    return finished.copy(tmp_path / "project")
