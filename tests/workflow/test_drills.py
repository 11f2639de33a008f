"""Crashes: whatever is killed, filled or damaged, the same command finishes with the same results.

`make test-drills` runs the long one: BRAINWORTH_DRILL_KILLS (25) kills with BRAINWORTH_DRILL_SEED
(1), of the tiny study or, with BRAINWORTH_DRILL_STUDY=default, of that of config.yaml.
"""

import errno
import os
import subprocess
import time

import drills
import pytest
from every_stage import STAGES, STUDY, WHOLE
from project import Project, copy_project

pytestmark = pytest.mark.workflow


def assert_same(project: Project, reference: Project, study: str = "tiny") -> None:
    """The same results, nothing left to do, nothing half written."""
    assert project.data(study) == reference.data(study)
    assert not [
        path
        for folder in ("data", "results", "figures", "paper")
        for path in (project.folder / folder).rglob("*.part")
    ]


@pytest.mark.drills
@pytest.mark.timeout(3600)
def test_a_job_and_then_the_main_process_killed_in_each_stage(tmp_path):
    undisturbed = copy_project(tmp_path / "undisturbed")
    project = copy_project(tmp_path / "project")
    for copy in (undisturbed, project):
        copy.write_study(WHOLE)
    undisturbed.snakemake("--cores", "2")
    for rule, script in STAGES.items():
        with drills.running(project, "--until", rule) as run:
            run.wait_for_job(script).kill()
            assert run.wait() == 1
        with drills.running(project, "--until", rule) as run:
            run.wait_for_job(script)
            run.kill("main")
        refused = project.snakemake("--cores", "1", check=False)
        assert "--unlock" in refused.stdout + refused.stderr
        drills.unlock(project)
    project.snakemake("--cores", "2")
    assert_same(project, undisturbed, STUDY)
    assert project.planned() == set()


@pytest.mark.drills
def test_a_few_kills_at_random_moments(project, finished):
    seed = int(os.environ.get("BRAINWORTH_DRILL_SEED", "3"))
    kills = drills.random_kills(project, n=3, seed=seed, seconds=(1, 14))
    project.snakemake("--cores", "2")
    assert project.data() == finished.data(), f"seed {seed}: {kills}"


@pytest.mark.drills
@pytest.mark.timeout(6 * 3600)
def test_many_kills_at_random_moments(tmp_path, project, capsys):
    n = int(os.environ.get("BRAINWORTH_DRILL_KILLS", "25"))
    seed = int(os.environ.get("BRAINWORTH_DRILL_SEED", "1"))
    default = os.environ.get("BRAINWORTH_DRILL_STUDY") == "default"
    overlay, study = (None, "simulated") if default else ("study.yaml", "tiny")
    start = time.monotonic()
    undisturbed = copy_project(tmp_path / "undisturbed")
    (undisturbed.folder / "study.yaml").write_bytes((project.folder / "study.yaml").read_bytes())
    undisturbed.snakemake("--cores", "2", study=overlay)
    whole = time.monotonic() - start
    # all kills of the default study within about two runs of it
    shares = (0.02, 0.15) if default else (0.05, 0.7)
    seconds = tuple(share * whole for share in shares)
    kills = drills.random_kills(project, n=n, seed=seed, seconds=seconds, study=overlay)
    project.snakemake("--cores", "2", study=overlay)
    with capsys.disabled():
        print(f"\nseed {seed}, undisturbed {whole:.0f} s, {len(kills)} kills: {kills}")
    assert_same(project, undisturbed, study)


@pytest.mark.drills
def test_a_second_snakemake_is_refused_and_the_first_goes_on(editable, finished):
    for path in (editable.folder / "results/tiny/erosion").glob("*.json"):
        path.unlink()
    with drills.running(editable) as first:
        first.wait_for_job("rsa")
        second = editable.snakemake("--cores", "1", check=False)
        assert second.returncode == 1
        assert "lock" in (second.stdout + second.stderr).lower()
        assert first.wait() == 0, first.text()
    assert_same(editable, finished)


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 1 MB; a test that may not mount limits the size of a file instead."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
    yield folder if mounted else None
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.drills
def test_a_full_disk_leaves_no_short_file(editable, finished, small_disk):
    data = editable.folder / "results/tiny/data"
    target = editable.folder / "results/tiny/data/betas_subj01.h5"
    (target).unlink()
    target.with_suffix(".json").unlink()
    if small_disk is None:
        run = editable.snakemake("--cores", "2", check=False, file_size_limit=1_000_000)
        reason = errno.EFBIG
    else:
        for path in data.iterdir():
            path.replace(editable.folder / path.name)
        data.rmdir()
        data.symlink_to(small_disk, target_is_directory=True)
        run = editable.snakemake("--cores", "2", check=False)
        reason = errno.ENOSPC
    text = run.stdout + run.stderr
    assert run.returncode == 1
    assert os.strerror(reason) in text
    assert not target.exists()
    if small_disk is not None:
        subprocess.run(["mount", "-o", "remount,size=500m", str(small_disk)], check=True)
    editable.snakemake("--cores", "2")
    assert_same(editable, finished)


def flip(content: bytes) -> bytes:
    """Change one bit in every 4096 bytes of the second half."""
    changed = bytearray(content)
    for place in range(len(changed) // 2, len(changed), 4096):
        changed[place] ^= 1
    return bytes(changed)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


#: From the end of the pipeline to its start: what reads the one below is missing by then.
PRODUCTS = (
    "erosion/rsa.json",
    "erosion/rdms.h5",
    "data/betas_subj01.h5",
    "data/stimuli.parquet",
)


def test_damaged_products_are_refused_and_made_again(editable, finished):
    for product in PRODUCTS:
        path = editable.folder / "results/tiny" / product
        whole = path.read_bytes()
        for damage in (flip, cut):
            path.write_bytes(damage(whole))
            run = editable.snakemake("--cores", "2", check=False)
            text = run.stdout + run.stderr
            told = [line for line in text.splitlines() if path.name in line and "delete it" in line]
            assert run.returncode == 1, f"{damage.__name__} of {product} was not noticed"
            assert told, text
        path.unlink()
    editable.snakemake("--cores", "2")
    assert_same(editable, finished)


def test_what_killed_writers_left_is_removed(editable):
    left = editable.folder / "results/tiny/erosion/.rdms.h5.4711.0123abcd.part"
    left.write_bytes(b"half")
    mine = left.with_name(".mine.part")
    mine.touch()
    (editable.folder / "paper/tiny.pdf").unlink()
    editable.snakemake("--cores", "1")
    assert not left.exists()
    assert mine.exists()
