"""An S3 service on this machine, and the settings for it."""

from __future__ import annotations

import os
from pathlib import Path

import loopback
import pytest
from fetching import CONTENT, KEY, MEBI

from brainworth import config, slurm
from brainworth.nsd import transfer

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def no_settings_of_this_machine(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("NSD_DATA_DIR", raising=False)
    monkeypatch.setattr(slurm, "examine", lambda *_: [])  # has tests of its own


@pytest.fixture
def lab():
    """The service, with `KEY` in it."""
    with loopback.running() as server:
        server.add(KEY, CONTENT)
        yield server


@pytest.fixture
def data(tmp_path, no_settings_of_this_machine):
    """Section `data` of config.yaml for a download into this test's folder."""
    return config.load(REPOSITORY / "config.yaml").data.model_copy(
        update={
            "source": "s3",
            "accept_nsd_terms": True,
            "store_dir": str(tmp_path / "store"),
            "attempts": 4,
            "backoff_s": 0.001,
        }
    )


@pytest.fixture
def at_lab(data, lab):
    return data.model_copy(update={"endpoint_url": lab.url})


@pytest.fixture
def root(tmp_path):
    return tmp_path / "study"


@pytest.fixture
def stretches(monkeypatch):
    """Objects are taken apart into stretches of 1 MiB, four of `KEY`."""
    monkeypatch.setattr(transfer, "STRETCH", MEBI)
    monkeypatch.setattr(transfer, "LARGEST_PIECE", 4 * MEBI)
