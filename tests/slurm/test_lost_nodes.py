"""Nodes that die in every stage, and in the middle of the default study: `make test-slurm`.

Forty minutes on two cores; half of them are the default study, on this machine and by the cluster.
"""

import time
from functools import partial

import drills
import psutil
import pytest
from every_stage import STAGES, STUDY, WHOLE
from project import Project, copy_project
from submissions import HERE, numbers, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(2 * 3600)]


def runs(project: Project, script: str) -> bool:
    """Say whether a script of the workflow runs in this copy of the project."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        if process.info["cwd"] == str(project.folder) and any(
            part.endswith(f"{script}.py") for part in command
        ):
            return True
    return False


def runs_or_ended(project: Project, script: str, run: drills.Run) -> bool:
    return runs(project, script) or run.process.poll() is not None


def submissions_of(text: str) -> dict[str, list[str]]:
    """Return Slurm's numbers of every job of a run."""
    found: dict[str, list[str]] = {}
    for job, number in numbers(text):
        found.setdefault(job, []).append(number)
    return found


def assert_only_lost_jobs_were_repeated(text: str, lost: set[str]) -> None:
    jobs = submissions_of(text).values()
    repeated = {number for of_a_job in jobs for number in of_a_job[:-1]}
    assert repeated, f"no job was lost with the node\n{text}"
    assert repeated <= lost, text
    assert max(map(len, jobs)) == 2, text


def test_a_node_that_dies_in_each_stage(cluster, tmp_path):
    local, remote = copy_project(tmp_path / "local"), copy_project(tmp_path / "remote")
    for copy in (local, remote):
        copy.write_study(WHOLE)
    local.snakemake("--cores", "2")
    for rule, script in STAGES.items():
        with drills.running(remote, "--until", rule, *HERE, cores=None) as run:
            # most of the study is run before the last stage
            wait_until(partial(runs_or_ended, remote, script, run), 1800)
            node = cluster.node_of(rule)
            assert node, f"no job of {rule}\n{run.text()}"
            lost = set(cluster.jobs_on(node))
            cluster.kill_node(node)
            try:
                assert run.wait() == 0, run.text()
            finally:
                cluster.start_node(node)
        assert_only_lost_jobs_were_repeated(run.text(), lost)
    remote.snakemake(*HERE)
    assert remote.data(STUDY) == local.data(STUDY)
    assert remote.planned() == set()


def test_a_node_that_dies_halfway_through_the_default_study(cluster, tmp_path, capsys):
    local, remote = copy_project(tmp_path / "local"), copy_project(tmp_path / "remote")
    study = "simulated"

    def made(project: Project) -> int:
        return len(list((project.folder / "results" / study).rglob("*.json")))

    begun = time.monotonic()
    local.snakemake("--cores", "2", study=None)
    took_here = time.monotonic() - begun
    halfway = made(local) // 2
    begun = time.monotonic()
    with drills.running(remote, *HERE, study=None, cores=None) as run:
        wait_until(lambda: made(remote) >= halfway or run.process.poll() is not None, 3600)
        node = wait_until(lambda: next((n for n in cluster.nodes if cluster.jobs_on(n)), None))
        lost = set(cluster.jobs_on(node))
        cluster.kill_node(node)
        try:
            assert run.wait(3600) == 0, run.text()
        finally:
            cluster.start_node(node)
    took_there = time.monotonic() - begun
    with capsys.disabled():
        print(
            f"\n{took_here:.0f} s on this machine, {took_there:.0f} s by the cluster; "
            f"{len(submissions_of(run.text()))} jobs, {len(lost)} lost with {node}"
        )
    assert remote.data(study) == local.data(study)
    assert (remote.folder / f"paper/{study}.pdf").stat().st_size > 0
    assert_only_lost_jobs_were_repeated(run.text(), lost)
    left = remote.snakemake("--cores", "1", "-n", study=None)
    assert "Nothing to be done" in left.stdout + left.stderr
