"""The shipped profile as it is, on a cluster that keeps accounts, which `sacct` is asked for."""

import contextlib
import re
import subprocess
import time
from pathlib import Path

import accounting
import cluster as loopback
import drills
import psutil
import pytest
from project import ROOT, Project
from submissions import PROFILE, numbers, submitted, wait_until
from test_slurm import results_of

from brainworth import slurm as examined

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]

# looks after one second, not after 40
SOON = (*PROFILE, "--slurm-init-seconds-before-status-checks", "1")
CARD = "n2"


@pytest.fixture(scope="module")
def accounted(slurm, tmp_path_factory):
    """Start a Slurm that keeps accounts, and has a card in one of its nodes."""
    folder = tmp_path_factory.mktemp("slurm")
    with loopback.Cluster(folder, accounting=True, cards=(CARD,)) as running:
        yield running


def of(folder: Path) -> list[psutil.Process]:
    """Return the processes that name a folder, or have a file in it open."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            opened = [file.path for file in process.open_files()]
            if any(str(folder) in text for text in [*process.cmdline(), *opened]):
                found.append(process)
    return found


def use_account(project: Project) -> None:
    """Take up the two lines of the profile that docs/running-on-a-cluster.md asks for."""
    replace(project, "# slurm_partition: cpu", "slurm_partition: cpu")
    replace(project, "# slurm_account: lab", f"slurm_account: {accounting.ACCOUNT}")


def replace(project: Project, before: str, after: str, file="profiles/slurm/profile.yaml") -> None:
    path = project.folder / file
    text = path.read_text()
    assert text.count(before) == 1, (file, before)
    path.write_text(text.replace(before, after))


def kept(job: str, *fields: str) -> dict[str, str]:
    """Return what the accounts say of a job."""
    done = subprocess.run(
        ["sacct", "-X", "-n", "-P", "-j", job, "-o", ",".join(fields)],
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    return dict(zip(fields, line.split("|"), strict=True))


def attempts(text: str, rule: str) -> list[str]:
    """Return Slurm's numbers of the jobs of one rule, in order."""
    (ours,) = set(re.findall(rf"^rule {rule}:\n(?:    .*\n)*?    jobid: (\d+)", text, re.MULTILINE))
    return [number for job, number in numbers(text) if job == ours]


def running(project: Project, *arguments: str):
    return drills.running(project, "results", *arguments, cores=None)


def test_a_cluster_with_accounts_leaves_nothing_behind(slurm, tmp_path):
    # before the tests that share one: there is room for one on a machine
    with loopback.Cluster(tmp_path, accounting=True, cards=(CARD,)):
        assert len(of(tmp_path)) >= 6
        assert examined.without_accounting() is None
        listening = {
            connection.laddr.ip
            for process in of(tmp_path)
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
    assert of(tmp_path) == []
    confs = loopback.CONF.parent.glob("*.conf")
    assert not [conf for conf in confs if loopback.MARK in conf.read_text()]


def test_the_profile_as_it_is_shipped(accounted, before_tests, local):
    use_account(before_tests)
    with running(before_tests, *PROFILE) as run:
        assert run.wait() == 0, run.text()
    assert submitted(run.text()) == 3
    for _, number in numbers(run.text()):
        assert kept(number, "State", "Account", "Partition") == {
            "State": "COMPLETED",
            "Account": accounting.ACCOUNT,
            "Partition": "cpu",
        }
    assert results_of(before_tests) == results_of(local)


def test_jobs_over_their_time_and_memory_are_given_more(accounted, before_tests, local):
    use_account(before_tests)
    replace(
        before_tests,
        "  heteroscedasticity:\n    runtime: 240 * attempt",
        "  heteroscedasticity:\n    mem_mb: 300 * attempt\n  rsa:\n    runtime: 1 * attempt",
    )
    # takes far more than its minute, the first time
    replace(
        before_tests,
        "with job(",
        "import time\n\nfirst = Path('tried')\nif not first.exists():\n    first.touch()\n"
        "    time.sleep(600)\n\nwith job(",
        "scripts/rsa.py",
    )
    with running(before_tests, *SOON) as run:
        assert run.wait() == 0, run.text()
    text = run.text()
    slow, large = attempts(text, "rsa"), attempts(text, "heteroscedasticity")
    asked = [kept(number, "State", "TimelimitRaw") for number in slow]
    assert asked == [
        {"State": "TIMEOUT", "TimelimitRaw": "1"},
        {"State": "COMPLETED", "TimelimitRaw": "2"},
    ]
    assert "SLURM status is: 'TIMEOUT'" in text
    states = [kept(number, "State", "ReqMem") for number in large]
    # OUT_OF_MEMORY where Slurm limits memory by cgroups, as this one does not
    assert states[0]["State"] in ("FAILED", "OUT_OF_MEMORY")
    assert states[0]["ReqMem"] == "300M"
    assert states[-1] == {"State": "COMPLETED", "ReqMem": f"{300 * len(large)}M"}
    assert len(large) > 1
    assert results_of(before_tests) == results_of(local)


def test_a_node_that_dies_costs_a_retry(accounted, before_tests, local):
    use_account(before_tests)
    with running(before_tests, *SOON) as run:
        node = wait_until(lambda: next((n for n in accounted.nodes if accounted.jobs_on(n)), None))
        time.sleep(2)
        lost = accounted.jobs_on(node)
        accounted.kill_node(node)
        try:
            assert run.wait() == 0, run.text()
        finally:
            accounted.start_node(node)
            wait_until(accounted.all_up)
    text = run.text()
    assert {kept(number, "State")["State"] for number in lost} == {"NODE_FAIL"}
    assert "nodes failed" in text
    assert submitted(text) == 3 + len(lost)
    # of one try less, and elsewhere
    again = [number for _, number in numbers(text)][3:]
    assert node not in {kept(number, "NodeList")["NodeList"] for number in again}
    assert results_of(before_tests) == results_of(local)


def test_a_job_that_asks_for_a_card_is_put_where_one_is(accounted, before_stage1):
    use_account(before_stage1)
    done = before_stage1.snakemake(*SOON, "results/encoded/encoder/stage1.json")
    ((_, number),) = numbers(done.stdout + done.stderr)
    found = kept(number, "State", "NodeList", "AllocTRES")
    assert (found["State"], found["NodeList"]) == ("COMPLETED", CARD)
    assert "gres/gpu=1" in found["AllocTRES"].split(",")
    rows = before_stage1.data("encoded")["encoder/stage1.json"]["rows"]
    assert [row["row"] for row in rows] == ["dual_mamba", "mlp"]


def test_the_doctor_finds_accounts_and_cards(accounted):
    findings = examined.examine(ROOT / "profiles/slurm/profile.yaml", asks_for_cards=True)
    assert [finding.level for finding in findings] == ["good", "good"]
    assert "['cpu']" in findings[1].text
