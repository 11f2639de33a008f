"""Profiles, environments and rules say the same things."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

import brainworth


def constraints(repository) -> dict[str, str]:
    lines = (repository / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    return {name.lower().replace("_", "-"): version for name, version in pins.items()}


def profile(repository, name: str) -> dict:
    return yaml.safe_load((repository / f"profiles/{name}/profile.yaml").read_text())


@pytest.mark.parametrize("name", ["slurm", "workstation"])
def test_a_profile_repeats_the_default_one(repository, name):
    assert profile(repository, "default").items() <= profile(repository, name).items()


def test_partition_and_account_are_the_profile_s(repository):
    for file in [repository / "Snakefile", *(repository / "rules").glob("*.smk")]:
        assert "slurm_" not in file.read_text(), file


def test_the_slurm_profile_names_rules_that_exist(repository):
    rules = "\n".join(file.read_text() for file in (repository / "rules").glob("*.smk"))
    slurm = profile(repository, "slurm")
    assert all(f"rule {rule}:" in rules for rule in slurm["set-resources"])
    for item in slurm["groups"]:
        rule, group = item.split("=")
        assert f"rule {rule}:" in rules
        assert any(each.startswith(f"{group}=") for each in slurm["group-components"])


def test_every_job_may_ask_for_more_memory(repository):
    for file in (repository / "rules").glob("*.smk"):
        asked = re.findall(r"(?:mem_mb|runtime)=(.*),", file.read_text())
        first = [re.fullmatch(r"(?:growing|for_tokens)\((\d+)\b.*\)", each) for each in asked]
        assert all(first), file
        assert all(int(each[1]) >= 1000 for each in first), "two Snakemakes hold 280 MB of it"


def rules_of(repository, file: str) -> dict[str, str]:
    """Return the text of every rule of a file, by name."""
    text = (repository / "rules" / file).read_text()
    return dict(re.findall(r"^ *rule (\w+):\n(.*?)(?=^ *rule |\Z)", text, re.MULTILINE | re.DOTALL))


def test_every_rule_of_the_encoder_says_what_it_needs(repository):
    """Memory in the rule, minutes in the profile of a cluster, or an hour as by default."""
    minutes = profile(repository, "slurm")["set-resources"]
    default = profile(repository, "slurm")["default-resources"]
    assert default["runtime"] == "60 * attempt"
    for name, text in rules_of(repository, "encoder.smk").items():
        if "localrule: True" in text:
            continue
        assert "mem_mb=" in text, name
        if name != "encoder_targets":  # half a minute a subject
            assert "attempt" in minutes[name]["runtime"], name


def test_rules_that_train_ask_for_a_card(repository):
    """All that read the device, and no others; how many is in common.smk."""
    for name, text in rules_of(repository, "encoder.smk").items():
        assert ("encoder.device" in text) == ("gpu=" in text), name
    assert "gpu=1" in profile(repository, "workstation")["resources"]


def test_conda_has_the_versions_of_pip(repository):
    pins = constraints(repository)
    environment = yaml.safe_load((repository / "envs/brainworth.yaml").read_text())
    named = {"matplotlib-base": "matplotlib", "pytorch": "torch"}
    there = set()
    for item in environment["dependencies"]:
        name, version = item.split("=")
        if name != "python":
            there.add(named.get(name, name))
            assert pins[named.get(name, name)] == version, name
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    # what jobs import; the other two are the workflow's own
    jobs = {*project["dependencies"], *project["optional-dependencies"]["dinov2"]}
    assert jobs - {"snakemake", "pygments"} == there


def test_everything_installed_is_pinned(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    pins = constraints(repository)
    listed = sum(project["optional-dependencies"].values(), project["dependencies"])
    for name in listed:
        assert re.sub(r"\[.*", "", name).lower() in pins, name


def test_versions_of_the_library_agree(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert project["version"] == brainworth.__version__
