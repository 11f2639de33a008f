"""What is found of a cluster; the programs of Slurm are scripts of these tests."""

import shutil
from pathlib import Path

import pytest
import yaml

from brainworth import cli, slurm

REPOSITORY = Path(__file__).parents[1]
DISABLED = "Slurm accounting storage is disabled"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A cluster on which all is well, as the only programs on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(slurm, "EXECUTOR", "pathlib")  # installed

    def write(name: str, text: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)

    for name in ("sbatch", "scontrol", "sacct"):
        write(name, "exit 0")
    write("sinfo", "echo 'cpu* (null)'; echo 'cards gpu:a100:4(S:0)'")
    return write


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "profile.yaml"
    shutil.copy(REPOSITORY / "profiles/slurm/profile.yaml", path)
    return path


def test_where_there_is_no_slurm_nothing_is_said(tmp_path, monkeypatch, profile):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert slurm.examine(profile, asks_for_cards=True) == []


def test_all_is_well(programs, profile):
    findings = slurm.examine(profile, asks_for_cards=True)
    assert [finding.level for finding in findings] == ["good", "good"]
    assert "['cards']" in findings[1].text


def test_no_accounts(programs, profile):
    programs("sacct", f"echo '{DISABLED}' >&2; exit 1")
    (finding,) = slurm.examine(profile, asks_for_cards=False)
    assert finding.level == "note"
    assert f"({DISABLED})" in finding.text
    assert f"add the line `{slurm.REMEDY}`" in finding.text
    with profile.open("a") as handle:
        handle.write(f"\n{slurm.REMEDY}\n")
    (finding,) = slurm.examine(profile, asks_for_cards=False)
    assert finding.level == "good"


def test_what_says_why_sacct_cannot_tell(programs, tmp_path):
    assert slurm.without_accounting() is None
    programs("sacct", "echo; echo 'sacct: error: refused' >&2; exit 1")
    assert slurm.without_accounting() == "sacct: error: refused"
    programs("sacct", "exit 3")
    assert slurm.without_accounting() == "sacct ended with status 3"
    (tmp_path / "bin/sacct").write_text("of no known kind")
    assert "Exec format error" in slurm.without_accounting()
    (tmp_path / "bin/sacct").unlink()
    assert slurm.without_accounting() is None


def test_no_cards(programs, profile):
    programs("sinfo", "echo 'cpu* (null)'")
    finding = slurm.examine(profile, asks_for_cards=True)[-1]
    assert finding.level == "note"
    assert "set encoder.device to cpu" in finding.text
    programs("sinfo", "exit 1")
    finding = slurm.examine(profile, asks_for_cards=True)[-1]
    assert "does not say which partitions have GPUs" in finding.text


def test_a_controller_that_does_not_answer(programs, profile):
    programs("scontrol", "echo 'Slurmctld(primary) at head is DOWN'; exit 1")
    (finding,) = slurm.examine(profile, asks_for_cards=True)
    assert finding.level == "note"
    assert "is DOWN" in finding.text


def test_the_executor_is_not_installed(programs, profile, monkeypatch):
    monkeypatch.setattr(slurm, "EXECUTOR", "no_such_executor")
    first = slurm.examine(profile, asks_for_cards=False)[0]
    assert (first.level, "'.[slurm]'" in first.text) == ("note", True)


DINOV2 = {"backend": "dinov2", "weights": "weights"}


@pytest.mark.parametrize(
    ("encoder", "asks"),
    [
        ({}, False),
        ({"device": "auto"}, True),
        ({"device": "cuda", "parts": ["linear"], "features": DINOV2}, True),
    ],
)
def test_cards_are_looked_for_where_the_study_asks_for_them(
    programs, tmp_path, capsys, encoder, asks
):
    programs("sinfo", "echo 'cpu* (null)'")
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({"study": "mine", "encoder": encoder}))
    for name in ("config.yaml", "profiles"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    status = cli.main(["doctor", str(study), "--base", str(tmp_path / "config.yaml")])
    assert ("Slurm has no GPUs" in capsys.readouterr().out) is asks
    # which may be run without Slurm
    assert status == 0
