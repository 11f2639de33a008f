"""The bridges in the workflow: what runs, what runs again, what is left out."""

import copy
import json
import shutil

import pytest
from project import ROOT, TINY, Project, copy_project

from brainworth import codehash, config, timing, verify

pytestmark = pytest.mark.workflow

#: All bridges, on images that are described but with no encoder trained.
SMALL = TINY | {
    "study": "bridged",
    "subjects": ["subj01", "subj02", "subj05", "subj07"],
    "simulation": {"scale": "tiny", "individual_features": 4, "shared_features": 8},
    "erosion": TINY["erosion"] | {"tests": ["rsa", "alignment"]},
    "encoder": {
        "run": False,
        "features": {"grid": 2, "gabor": {"scales": 2, "orientations": 2, "image_size": 32}},
        "scores": {"n_bootstrap": 100},
    },
    "bridges": {
        "run": True,
        "subjects": ["subj01", "subj05", "subj07"],
    },
}
DATA = {"simulate_experiment", "simulate", "match_stimuli", "extract_betas"}
DESCRIBED = {"encoder_features", "encoder_targets"}
BRIDGES = {f"bridge_{name}" for name in config.load(ROOT / "config.yaml").bridges.parts}
