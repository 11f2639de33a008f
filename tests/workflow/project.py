"""Copies of the project in which Snakemake is run for real."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from dry_runs import dry_run

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    *("Snakefile", "config.yaml", "rules", "scripts", "src", "envs", "profiles", "studies"),
    "report",
    "paper/claims.yaml",
)

TINY = {
    "study": "tiny",
    "seed": 5,
    "subjects": ["subj01", "subj03", "subj05"],
    "simulation": {"scale": "tiny"},
    "rois": ["V1", "faces"],
    "erosion": {
        "rsa": {"n_permutations": 100, "n_bootstrap": 100},
        "rdm_gap": {"n_permutations": 100, "n_labellings": 100, "n_bootstrap": 100},
        "fingerprinting": {"n_subsamples": 2, "n_bootstrap": 100, "n_permutations": 100},
        "heteroscedasticity": {"n_surrogates": 100, "n_bootstrap": 100},
        "alignment": {"n_folds": 3, "n_permutations": 100, "n_bootstrap": 100},
        "encoding_gap": {"n_folds": 3, "n_permutations": 100, "n_bootstrap": 100},
        "variance_reliability": {
            "n_splits": 2,
            "n_surrogates": 100,
            "n_permutations": 100,
            "n_bootstrap": 100,
        },
        "variance_predictability": {
            "n_components": 5,
            "n_folds": 3,
            "n_surrogates": 100,
            "n_bootstrap": 100,
        },
        "direction_erosion": {
            "n_stimuli": 50,
            "n_subjects": 8,
            "n_replicates": 5,
            "n_bootstrap": 100,
            "n_samples": 100,
        },
        "variance_blindness": {
            "sizes": [100, 200],
            "n_replicates": 2,
            "n_components": 3,
            "n_surrogates": 100,
            "n_bootstrap": 100,
        },
        # has a test of its own, which reads no data
        "validity": {"run": False},
    },
    # have tests of their own
    "befs": {"run": False},
    "encoder": {"run": False},
    "bridges": {"run": False},
}


@dataclass(frozen=True)
class Project:
    """A copy of the project, and how to run it."""

    folder: Path

    def write_study(self, content: dict, name: str = "study.yaml") -> None:
        """Write a file to be laid over config.yaml."""
        (self.folder / name).write_text(yaml.safe_dump(content))

    def snakemake(
        self,
        *arguments: str,
        study: str | None = "study.yaml",
        check: bool = True,
        environment: dict[str, str] | None = None,
        file_size_limit: int | None = None,
        forked: bool = True,
    ):
        """Run Snakemake in the copy; returns the finished process with its output as text.

        A dry run is a fork of a process that has imported Snakemake, if `forked`.
        """
        environment = os.environ | {"PYTHONPATH": str(self.folder / "src")} | (environment or {})
        overlay = ["--configfile", study] if study else []
        command = [sys.executable, "-m", "snakemake", *arguments, *overlay]
        if file_size_limit:
            command = ["prlimit", f"--fsize={file_size_limit}", *command]
        if "-n" in arguments and forked:
            done = dry_run([*arguments, *overlay], self.folder, environment)
        else:
            done = subprocess.run(
                command, cwd=self.folder, env=environment, capture_output=True, text=True
            )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
        return done

    def planned(self, *arguments: str) -> set[str]:
        """Return the rules that a dry run lists; rules of one subject count as one."""
        output = self.snakemake("--cores", "1", "-n", *arguments)
        text = output.stdout + output.stderr
        if "Nothing to be done" in text:
            return set()
        table = re.search(r"^job +count\n-+ +-+\n(.*?)^total ", text, re.MULTILINE | re.DOTALL)
        assert table, text
        names = {line.split()[0] for line in table[1].splitlines()}
        return {re.sub(r"_subj\d\d$", "", name) for name in names} - {"all"}

    def copy(self, folder: Path) -> Project:
        """Return a copy with all that runs made, to be edited."""
        return Project(Path(shutil.copytree(self.folder, folder, symlinks=True)))

    def forget(self) -> None:
        """Remove all that runs made."""
        for product in ("data", "results", "figures", "logs", ".snakemake"):
            shutil.rmtree(self.folder / product, ignore_errors=True)
        for paper in (self.folder / "paper").glob("*.[ph]*"):
            paper.unlink()

    def data(self, study: str = "tiny") -> dict[str, dict]:
        """Return the `data` of every JSON of a study, by path."""
        folder = self.folder / "results" / study
        return {
            str(path.relative_to(folder)): json.loads(path.read_text())["data"]
            for path in sorted([*folder.glob("*.json"), *folder.glob("*/*.json")])
        }


def copy_project(folder: Path) -> Project:
    """Copy what the workflow consists of."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / part).parent.mkdir(exist_ok=True)
            shutil.copy(source, folder / part)
    return Project(folder)
