"""A cluster that keeps no accounts of jobs and has no cards says so, and a run does not hang."""

import pytest
from project import ROOT, TINY, copy_project
from submissions import HERE, PROFILE, submitted

from brainworth import slurm as examined

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]


def test_a_run_that_would_wait_for_ever_says_what_to_add(cluster, tmp_path):
    project = copy_project(tmp_path)
    project.write_study(TINY)
    done = project.snakemake(*PROFILE, check=False)
    text = done.stdout + done.stderr
    assert done.returncode
    assert "Slurm accounting storage is disabled" in text
    assert "`slurm-status-command: squeue` to profiles/slurm/profile.yaml" in text
    assert submitted(text) == 0
    assert "Traceback" not in text


def test_a_job_that_asks_for_a_card_is_refused(cluster, before_stage1):
    done = before_stage1.snakemake(*HERE, "results/encoded/encoder/stage1.json", check=False)
    text = done.stdout + done.stderr
    assert done.returncode
    assert "Invalid generic resource (gres) specification" in text
    assert "--gpus=1" in text
    assert submitted(text) == 0


def test_the_doctor_says_both(cluster, tmp_path):
    shipped = ROOT / "profiles/slurm/profile.yaml"
    findings = examined.examine(shipped, asks_for_cards=True)
    assert [finding.level for finding in findings] == ["note", "note"]
    assert "Slurm accounting storage is disabled" in findings[0].text
    assert "set encoder.device to cpu" in findings[1].text
    # what the profile says in a comment
    edited = tmp_path / "profile.yaml"
    text = shipped.read_text()
    assert text.count(f"# {examined.REMEDY}") == 1
    edited.write_text(text.replace(f"# {examined.REMEDY}", examined.REMEDY))
    findings = examined.examine(edited, asks_for_cards=False)
    assert [finding.level for finding in findings] == ["good"]
