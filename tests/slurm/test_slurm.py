"""The shipped profile under a real Slurm of two nodes: `make test-slurm`."""

import subprocess
import time

import cluster as loopback
import drills
import psutil
import pytest
from project import TINY, Project, copy_project
from submissions import HERE, submitted, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(1800)]


def results_of(project: Project) -> dict:
    return {name: data for name, data in project.data().items() if name.startswith("erosion/")}


def test_a_cluster_leaves_nothing_behind(tmp_path):
    # before the tests that share one: there is room for one on a machine
    with loopback.Cluster(tmp_path) as alone:
        subprocess.run(["sbatch", "--wrap", "sleep 600"], check=True, capture_output=True)
        wait_until(alone.n_jobs)
        assert loopback.CONF.exists()
    assert not loopback.CONF.exists()
    commands = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    assert not [line for line in commands if str(tmp_path) in line or line == "sleep 600"]


def test_the_tiny_study(cluster, local, tmp_path):
    project = copy_project(tmp_path)
    project.write_study(TINY)
    done = project.snakemake(*HERE)
    text = done.stdout + done.stderr
    assert project.data() == local.data()
    assert (project.folder / "paper/tiny.pdf").stat().st_size > 0
    # 33 jobs, of which 10 figures make 3 submissions
    assert submitted(text) == 26
    assert len(list((project.folder / "logs/slurm").glob("group_figures*"))) == 1
    assert list((project.folder / "logs/slurm").rglob("*.log"))
    assert project.planned() == set()


def test_a_node_that_dies_costs_a_retry(cluster, before_tests, local):
    with running_here(before_tests) as run:
        node = wait_until(lambda: next((n for n in cluster.nodes if cluster.jobs_on(n)), None))
        time.sleep(2)
        cluster.kill_node(node)
        try:
            assert run.wait() == 0, run.text()
        finally:
            cluster.start_node(node)
    text = run.text()
    assert "NODE_FAIL" in text or "nodes failed" in text, text
    assert "Trying to restart" in text, text
    assert results_of(before_tests) == results_of(local)


def test_a_login_node_that_dies(cluster, before_tests, local):
    """As docs/running-on-a-cluster.md says: cancel what still runs, unlock, the same command."""
    with running_here(before_tests) as run:
        wait_until(cluster.n_jobs)
        run.kill("main")
    assert cluster.n_jobs(), "no job outlived the main process"
    subprocess.run(["scancel", "-u", "root"], check=True, capture_output=True)
    wait_until(lambda: not cluster.n_jobs())
    refused = before_tests.snakemake(*HERE, check=False)
    assert "--unlock" in refused.stdout + refused.stderr
    drills.unlock(before_tests)
    before_tests.snakemake(*HERE)
    assert results_of(before_tests) == results_of(local)
    assert before_tests.planned() == set()


def test_an_edited_configuration_does_not_reach_queued_jobs(cluster, before_tests, local):
    edited = TINY | {"erosion": TINY["erosion"] | {"rsa": {"n_permutations": 150}}}
    edited["interval"] = 0.8
    with running_here(before_tests, "--jobs", "1") as run:
        wait_until(lambda: submitted(run.text()))
        before_tests.write_study(edited)
        assert run.wait() == 0, run.text()
    assert submitted(run.text()) == 3
    assert results_of(before_tests) == results_of(local)
    # the next run sees the edit, since what was recorded is what was used
    assert before_tests.planned() >= {"rsa", "fingerprinting", "heteroscedasticity"}


def test_a_job_over_its_memory_is_given_more(cluster, before_tests, local):
    rules = before_tests.folder / "rules/erosion.smk"
    before, rule, after = rules.read_text().partition("\nrule heteroscedasticity:")
    assert "mem_mb=growing(4000)" in after.partition("\nrule ")[0]
    rules.write_text(before + rule + after.replace("growing(4000)", "growing(300)", 1))
    with running_here(before_tests) as run:
        assert run.wait() == 0, run.text()
    text = run.text()
    assert "Trying to restart" in text, text
    assert "mem_mb=300," in text
    assert "mem_mb=600," in text
    assert results_of(before_tests) == results_of(local)


def running_here(project: Project, *arguments: str):
    return drills.running(project, "results", *HERE, *arguments, cores=None)


def test_a_configuration_of_somebody_else_is_not_touched(tmp_path, monkeypatch):
    foreign = tmp_path / "slurm.conf"
    foreign.write_text("ClusterName=real\n")
    monkeypatch.setattr(loopback, "CONF", foreign)
    with pytest.raises(RuntimeError, match="not of these tests"):
        loopback.Cluster(tmp_path / "lab").__enter__()
    assert foreign.read_text() == "ClusterName=real\n"
