"""The published tables, and which of their rows can be true."""

from __future__ import annotations

import numpy as np
import pytest

from brainworth.errors import BrainworthError
from brainworth.report.encoder import encoder_published as published

#: Row of table 1, then the range in which the least error for its correlation was computed before.
BOUNDS = {
    "ridge": (0.379, 0.381),
    "probe_layer_3": (0.380, 0.382),
    "probe_layer_6": (0.362, 0.366),
    "probe_layer_9": (0.359, 0.363),
    "probe_layer_12": (0.360, 0.364),
    "chasm": (0.350, 0.354),
}


@pytest.mark.parametrize("row", BOUNDS)
def test_bounds_are_those_of_the_population_model(row):
    pair = published.find("1", row).voxels
    low, high = BOUNDS[row]
    found = published.judge(pair.mse, pair.r).bound
    assert low <= round(found[0], 3) <= round(found[1], 3) <= high


def test_model_agrees_with_simulated_voxels():
    """z-scored trials of voxels with Beta-distributed ceilings, three averaged, planted r."""
    rng = np.random.default_rng(4)
    n_images, n_voxels, target = 2000, 1500, 0.429
    ceiling = rng.beta(0.36 * 5, 0.64 * 5, n_voxels)
    signal = ceiling / (3 - 2 * ceiling)
    truth = np.sqrt(signal) * rng.standard_normal((n_images, n_voxels))
    trials = np.sqrt(1 - signal) * rng.standard_normal((3, n_images, n_voxels)) + truth
    assert trials[0].var(axis=0) == pytest.approx(1, abs=0.2)
    observed = trials.mean(axis=0)
    # What a linear model explains of each voxel's signal, the same share in all
    share = (target / np.sqrt(ceiling).mean()) ** 2
    extra = np.sqrt(share * (1 - share) * signal) * rng.standard_normal(truth.shape)
    predicted = share * truth + extra
    r = np.array([np.corrcoef(p, y)[0, 1] for p, y in zip(predicted.T, observed.T, strict=True)])
    verdict = published.judge(0.3, r.mean())
    assert r.mean() == pytest.approx(target, abs=0.01)
    error = np.mean((predicted - observed) ** 2)
    assert verdict.bound[0] - 0.004 < error < verdict.bound[1] + 0.004
    assert verdict.zero[0] - 0.004 < np.mean(observed**2) < verdict.zero[1] + 0.004
    oracle = np.mean((truth - observed) ** 2)
    assert verdict.oracle[0] - 0.004 < oracle < verdict.oracle[1] + 0.004


def test_flags_of_all_rows_of_voxels():
    flags = {
        (row.table, row.row): published.flag(row.voxels.mse, row.voxels.r)
        for row in published.ROWS
        if row.voxels and row.voxels.mse and row.voxels.r
    }
    violating = {key for key, flag in flags.items() if flag == published.VIOLATES}
    assert violating == {
        *(("1", "chasm"), ("2b", "dual_vae"), ("3", "10"), ("3", "30")),
        *(("5", row.row) for row in published.rows("5")),
    }
    useless = {key for key, flag in flags.items() if flag == published.NO_BETTER}
    assert useless == {
        *(("1", row) for row in ("mlp", "gru", "lstm", "synbrain")),
        *(("2b", "mlp"), ("2b", "dual_diffusion"), ("3", "100"), ("3", "atlas")),
    }


def test_headline_is_below_a_perfect_model():
    headline = published.find("1", "chasm").voxels
    verdict = published.judge(headline.mse, headline.r)
    assert verdict.flag == "violates bound"
    assert headline.mse < verdict.oracle[0]
    assert 0.26 < verdict.oracle[0] < verdict.oracle[1] < 0.28
    assert 0.44 < verdict.zero[0] < verdict.zero[1] < 0.465
    assert published.judge(0.239, 0.451).below_oracle
    assert not published.judge(0.371, 0.368).below_oracle


def test_tables_are_whole():
    sizes = {table: len(published.rows(table)) for table in ("1", "2a", "2b", "3", "4", "5")}
    assert sizes == {"1": 11, "2a": 3, "2b": 4, "3": 4, "4": 4, "5": 5}
    # The same model in several tables
    full = published.find("2b", "dual_vae").voxels
    assert full == published.find("1", "chasm").voxels == published.find("3", "30").voxels
    clusters = published.find("2a", "dual_mamba").clusters
    assert clusters == published.find("3", "30").clusters
    assert clusters.r == published.find("4", "both").clusters.r
    assert published.find("1", "unknown") is None
    with pytest.raises(BrainworthError, match="no table"):
        published.rows("6")
