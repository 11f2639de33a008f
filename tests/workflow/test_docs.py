"""docs/: what a page tells one to do is done, and does what it says."""

import re

import pytest
import yaml
from project import ROOT, TINY

pytestmark = pytest.mark.workflow


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)


def test_adding_a_region(editable):
    (line,) = blocks("adding-a-region.md", "python")
    name = re.search(r'"(\w+)"', line)[1]
    rois = editable.folder / "src/brainworth/nsd/rois.py"
    rois.write_text(rois.read_text().replace('    "V1": (', f'    {line.strip()}\n    "V1": (', 1))
    config = editable.folder / "src/brainworth/config.py"
    config.write_text(config.read_text().replace('"V1", "V2"', f'"{name}", "V1", "V2"', 1))
    editable.write_study(TINY | {"rois": ["V1", name]})
    editable.snakemake("--cores", "2", "--until", "extract_betas")
    for result, data in editable.data().items():
        if result.startswith("data/betas_"):
            found = {item["region"]: item["n_voxels"] for item in data["regions"]}
            assert found[name] > 0


def test_adding_a_subject(finished, editable):
    (text,) = blocks("adding-a-subject.md", "yaml")
    study = TINY | yaml.safe_load(text)
    editable.write_study(study)
    planned = editable.planned()
    assert {"simulate", "extract_betas", "rsa"} <= planned
    # the same study with one subject more
    editable.write_study(TINY | {"subjects": ["subj01", "subj03", "subj05", "subj07"]})
    output = editable.snakemake("--cores", "1", "-n").stdout
    assert re.search(r"^simulate_subj07 +1$", output, re.MULTILINE)
    assert not re.search(r"^simulate_subj01", output, re.MULTILINE)


def test_the_places_of_a_test_exist():
    text = (ROOT / "docs/adding-a-test.md").read_text()
    named = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert len(named) > 20
    for place in named:
        assert (ROOT / place.replace("NAME", "fingerprinting")).exists(), place


def test_every_place_of_a_test_is_on_the_page():
    """Wherever the library names an existing test, the page says so."""
    text = (ROOT / "docs/adding-a-test.md").read_text()
    listed = set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))
    for place in sorted((ROOT / "src/brainworth").rglob("*.py")):
        if '"fingerprinting"' in place.read_text() and "fingerprinting" not in place.name:
            assert str(place.relative_to(ROOT)) in listed


def test_the_cluster_page_names_what_is_there():
    text = (ROOT / "docs/running-on-a-cluster.md").read_text()
    profile = (ROOT / "profiles/slurm/profile.yaml").read_text()
    for key in ("slurm_partition", "slurm_account", "slurm-status-command: squeue"):
        assert key in text
        assert f"# {key}" in profile
