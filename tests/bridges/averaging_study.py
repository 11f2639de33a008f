"""The bridge on averaging, on a tiny simulated NSD whose images show a rotation of its features."""

import sys
from pathlib import Path

import numpy as np

from brainworth.bridges.averaging import averaging
from brainworth.bridges.averaging.averaging_inputs import Truth
from brainworth.encoder import targets
from brainworth.encoder.features.store import Features
from brainworth.nsd import betas, design, registry
from brainworth.nsd.simulate import paths, truth

sys.path.append(str(Path(__file__).parents[1] / "encoder"))
import configurations

SUBJECTS = ("subj01", "subj02", "subj03", "subj05")
REGIONS = ["V1", "V2"]
SETTINGS = {
    "models": ["ridge"],
    "n_dimensions": 4,
    "n_features": 40,
    "token_features": 64,
    "max_network_images": None,
    "n_bootstrap": 100,
    "min_ceiling": 0.05,
    "n_permutations": 1000,
    "variance": {
        "n_features": 6,
        "n_components": 2,
        "prior_sd": 0.5,
        "n_folds": 3,
        "n_surrogates": 99,
        "power_log_sds": [0.0, 0.5],
        "power_unrelated_log_sd": 0.0,
        "power_replicates": 10,
    },
}
NETWORK = {
    "stage1": configurations.TINY_STAGE1 | {"dropout": 0.0, "token_drop": 0.0, "local_blocks": 1},
    "train_stage1": configurations.TRAINING | {"epochs": 3, "patience": 3, "lr": 0.01},
    "loss_stage1": configurations.LOSS1,
    "compile": False,
}


def make(tiny, folder):
    """Return extracts and targets of four subjects, what is planted, and a reader of features."""
    sessions = {subject: tiny.sessions[subject] for subject in SUBJECTS}
    trials = design.match(design.read_expdesign(tiny.root / registry.EXPDESIGN), sessions, 2)
    extracts, splits = {}, {}
    for subject in SUBJECTS:
        extracts[subject] = folder / f"betas_{subject}.h5"
        betas.extract(
            tiny.root, subject, REGIONS, trials[trials["subject"] == subject], extracts[subject]
        )
        splits[subject] = folder / f"targets_{subject}.h5"
        made = targets.make(
            extracts[subject],
            tiny.root / registry.roi_key(subject, registry.STREAMS),
            tiny.root / registry.label_table_key(subject, registry.STREAMS),
            zscore_fit="train",
            repeat_target="mean",
            validation=0.1,
            test="shared",
            max_train_images=None,
            common_sessions=None,
            seed=3,
        )
        targets.write(splits[subject], made)
    images = truth.read_images(tiny.root / paths.IMAGE_TRUTH)
    known = Truth(
        images,
        {s: truth.read_subject(tiny.root / paths.subject_truth_key(s)) for s in SUBJECTS},
        tiny.simulation,
    )

    def read(ids):
        """Return a rotation of the true features, as global vector and two tokens."""
        phi = images.features[ids]
        turn = np.linalg.qr(np.random.default_rng(0).normal(size=(phi.shape[1],) * 2))[0]
        seen = (phi @ turn).astype(np.float32)
        tokens = seen[:, 24:].reshape(len(ids), 2, -1).astype(np.float16)
        return Features(np.asarray(ids), seen[:, :24], tokens, {}, "gabor", "")

    return extracts, splits, known, read


def analyse(study, **changes):
    extracts, splits, known, read = study
    given = {
        "settings": SETTINGS,
        "alignment": None,
        "known": known,
        "plan": None,
        "interval": 0.95,
        "seed": 3,
    }
    return averaging.analyse(extracts, splits, REGIONS, read, **(given | changes))
