"""A small subject to fit, run as a script too, so that it can be killed.

Arguments: folder of checkpoints, output, the step of stage 2 at which it kills itself (-1: never).
"""

import json
import os
import signal
import sys
from pathlib import Path

import configurations
import numpy as np
import torch

from brainworth.encoder import chasm, chasm_results, losses
from brainworth.encoder.features.store import Features
from brainworth.encoder.targets import Targets
from brainworth.results import to_plain

N, G, P, C, V = 160, 12, 4, 6, 23
SETTINGS = {
    "clusters": {"kind": "sequential", "size": 5, "top": 0.7, "atlas": None},
    "stage1": configurations.TINY_STAGE1,
    "stage2": configurations.TINY_STAGE2,
    "train_stage1": configurations.TRAINING,
    "train_stage2": configurations.TRAINING,
    "loss_stage1": configurations.LOSS1,
    "loss_stage2": configurations.LOSS2,
    "compile": False,
}


def subject():
    """Return features, and responses that are linear in them, with noise."""
    rng = np.random.default_rng(2)
    global_, tokens = rng.normal(3, 5, (N, G)), rng.normal(-2, 0.1, (N, P, C))
    early = (tokens - tokens.mean(0)).reshape(N, -1) @ rng.normal(size=(P * C, V)) * 2
    values = early + (global_ - 3) @ rng.normal(size=(G, V)) / 18
    split = np.repeat([0, 1, 2], [100, 30, 30]).astype(np.int8)
    values = (values + 0.3 * rng.normal(size=(N, V))).astype(np.float32)
    test = np.flatnonzero(split == 2)
    noise = 0.3 * np.sqrt(3) * np.random.default_rng(1).normal(size=(len(test), 3, V))
    trials = values[test, None] + noise - noise.mean(axis=1, keepdims=True)
    features = Features(
        np.arange(N) * 3,
        global_.astype(np.float32),
        tokens.astype(np.float32),
        {},
        "gabor",
        "",
    )
    ones = np.ones(V, dtype=np.float32)
    responses = Targets(
        subject="subj01",
        nsd_id=features.nsd_id,
        split=split,
        values=values,
        n_repeats=np.full(N, 3),
        repeat=np.zeros(N, dtype=int),
        ncsnr=ones,
        ncsnr_own=ones,
        noise_variance=0.27 * ones,
        trials=trials.reshape(-1, V).astype(np.float32),
        trial_row=np.repeat(test, 3),
        ijk=np.argwhere(np.ones((23, 1, 1))).astype(np.int32),
        group=np.ones(V, dtype=np.int8),
        volume_shape=(23, 1, 1),
    )
    return features, responses


def fit(checkpoints=None, device="cpu", **changes):
    features, responses = subject()
    return chasm.fit_subject(
        features,
        responses,
        SETTINGS | changes,
        seed=5,
        checkpoints=checkpoints,
        device=device,
    )


def describe(found, others=None):
    return chasm_results.describe(
        found,
        subject()[1],
        {"clusters": SETTINGS["clusters"], "scores": {"n_bootstrap": 100, "min_ceiling": 0.05}},
        others or {},
        backend="gabor",
        weights_sha256="",
        interval=0.95,
        seed=5,
    )


def main():
    torch.set_num_threads(1)
    deadline, plain, steps = int(sys.argv[3]), losses.stage2_terms, []

    def deadly(*arguments):
        if len(steps) == deadline:
            os.kill(os.getpid(), signal.SIGKILL)
        steps.append(1)
        return plain(*arguments)

    losses.stage2_terms = deadly
    found = fit(Path(sys.argv[1]))
    Path(sys.argv[2]).write_text(json.dumps(to_plain(describe(found), "data"), indent=1))


if __name__ == "__main__":
    main()
