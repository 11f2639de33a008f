"""The Dockerfile fits the project; `make test-container` builds it."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import yaml


def instructions(repository) -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile: what to do, and with what."""
    text = (repository / "containers/Dockerfile").read_text()
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def argument(repository, *names: str) -> list[str]:
    return [value for name, value in instructions(repository) if name in names]


def copied(repository) -> list[str]:
    return [file for value in argument(repository, "COPY", "ADD") for file in value.split()[:-1]]


def test_the_container_is_given_what_it_copies(repository):
    ignored = (repository / ".dockerignore").read_text().split()
    for file in copied(repository):
        assert (repository / file).is_file(), file
        # the last line that fits a file counts
        fitting = [line for line in ignored if fnmatch.fnmatch(file, line.removeprefix("!"))]
        assert fitting[-1].startswith("!"), file


def test_the_container_holds_no_library_of_its_own(repository):
    """Else results might come from another library than that of the mounted checkout."""
    assert set(copied(repository)) == {"constraints.txt", "pyproject.toml"}
    environment = dict(
        pair.split("=", 1) for value in argument(repository, "ENV") for pair in shlex.split(value)
    )
    assert environment["PYTHONPATH"] == "src"
    assert argument(repository, "WORKDIR")[-1] == "/study"


def test_the_container_has_the_python_and_extras_of_the_project(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    conda = yaml.safe_load((repository / "envs/brainworth.yaml").read_text())["dependencies"]
    python = next(item for item in conda if item.startswith("python="))
    assert argument(repository, "FROM") == [f"{python.replace('=', ':')}-slim-bookworm"]
    [extras] = re.findall(r"'\.\[(.*)\]'", " ".join(argument(repository, "RUN")))
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_what_the_container_copies_can_be_installed(repository, tmp_path):
    """The files it makes beside them included; the package index is not asked."""
    for file in copied(repository):
        shutil.copy(repository / file, tmp_path)
    [before_pip] = re.findall(
        r"^(touch .*?) && +pip ", "\n".join(argument(repository, "RUN")), re.M
    )
    subprocess.run(before_pip, shell=True, check=True, cwd=tmp_path)
    build = (
        "from setuptools import build_meta; print(build_meta.prepare_metadata_for_build_wheel('.'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    [metadata] = tmp_path.glob("*.dist-info")
    assert "brainworth = brainworth.cli:main" in (metadata / "entry_points.txt").read_text()
    assert "Requires-Dist: snakemake" in (metadata / "METADATA").read_text()


def test_the_container_runs_the_library_of_the_folder_it_is_in(repository, tmp_path):
    """What PYTHONPATH=src does, where no library is installed."""
    library = tmp_path / "src/brainworth"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("")
    (library / "cli.py").write_text("")
    command = [sys.executable, "-c", "import brainworth.cli; print(brainworth.cli.__file__)"]
    environment = os.environ | {"PYTHONPATH": "src"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(library / "cli.py")
