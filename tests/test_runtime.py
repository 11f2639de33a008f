"""What the main process of a run leaves to its jobs."""

from __future__ import annotations

import os

from brainworth import frozen, runtime


def test_a_job_reads_what_was_frozen(default_config, tmp_path, monkeypatch):
    monkeypatch.setenv(runtime.FROZEN_CONFIG, "")
    kept = runtime.freeze_config(default_config, tmp_path)
    assert kept == frozen.path_of(default_config, tmp_path)
    # what Snakemake has laid together in the job, from files that were edited since
    edited = default_config.model_dump() | {"interval": 0.5, "unknown": 1}
    runtime.read_frozen_config(edited)
    assert edited == default_config.model_dump()


def test_without_a_frozen_configuration_nothing_is_changed(monkeypatch):
    monkeypatch.delenv(runtime.FROZEN_CONFIG, raising=False)
    given = {"study": "mine"}
    runtime.read_frozen_config(given)
    assert given == {"study": "mine"}


def test_jobs_import_the_library_of_the_checkout_first(tmp_path, monkeypatch):
    monkeypatch.setenv(runtime.GIT_COMMIT, "")
    mine = str(tmp_path / "src")
    for before, after in (("", [mine]), ("src", [mine, "src"]), (f"/old:{mine}", [mine, "/old"])):
        monkeypatch.setenv("PYTHONPATH", before)
        runtime.prepare_jobs(tmp_path)
        assert os.environ["PYTHONPATH"].split(os.pathsep) == after
