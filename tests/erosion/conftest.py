"""A tiny simulated study: three subjects, two regions, extracted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from brainworth import config
from brainworth.nsd import betas, design, registry
from brainworth.nsd.simulate import all_subjects, one_subject, paths, scales

ROOT = Path(__file__).resolve().parents[2]
SEED = 7
REGIONS = ["V1", "faces"]


@dataclass(frozen=True)
class TinyStudy:
    """Paths and settings of the study."""

    root: Path
    simulation: config.Simulation
    trials: pd.DataFrame
    extracts: dict[str, Path]
    truths: dict[str, Path]
    images: Path


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> TinyStudy:
    root = tmp_path_factory.mktemp("tiny")
    settings = config.load(ROOT / "config.yaml")
    simulation = settings.simulation.model_copy(update={"scale": "tiny"})
    subjects = ("subj01", "subj03", "subj05")
    all_subjects.write(root, simulation, SEED)
    sessions = {subject: scales.n_sessions("tiny", subject, "all") for subject in subjects}
    trials = design.match(design.read_expdesign(root / registry.EXPDESIGN), sessions, 2)
    extracts = {}
    for subject in subjects:
        one_subject.write(root, simulation, subject, sessions[subject], SEED)
        extracts[subject] = root / f"{subject}.h5"
        mine = trials[trials["subject"] == subject]
        betas.extract(root, subject, REGIONS, mine, extracts[subject])
    truths = {subject: root / paths.subject_truth_key(subject) for subject in subjects}
    return TinyStudy(root, simulation, trials, extracts, truths, root / paths.IMAGE_TRUTH)
