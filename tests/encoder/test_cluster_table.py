"""Rows of the table of clusters: the study's own, and one change each."""

import numpy as np
import planted
import pytest

from brainworth.encoder import chasm, cluster_table, clusters
from brainworth.encoder.cluster_table import name_of, variants

OWN = {"kind": "sequential", "size": 30, "top": 0.7, "atlas": None}


def changes(row, own):
    return [key for key in ("kind", "size", "top") if row[key] != own[key]]


def test_rows_are_the_own_one_and_one_change_each():
    found = variants(OWN, ["sequential", "compact", "atlas"], [10, 30, 100], [0.7, 1.0])
    assert [row["size"] for row in found] == sorted(row["size"] for row in found)
    assert sorted(map(name_of, found)) == sorted(
        [
            *("sequential-30-top70", "sequential-10-top70", "sequential-100-top70"),
            *("compact-30-top70", "atlas-top70", "sequential-30-top100"),
        ]
    )
    assert sorted(len(changes(row, OWN)) for row in found) == [0, 1, 1, 1, 1, 1]


def test_the_own_row_is_there_if_nothing_names_it_and_once_if_all_do():
    assert variants(OWN, [], [], []) == [{"kind": "sequential", "size": 30, "top": 0.7}]
    assert len(variants(OWN, ["sequential"] * 2, [30, 30], [0.7, 0.7])) == 1
    assert len(variants(OWN, [], [10, 10, 30], [1.0, 1.0])) == 3


def test_an_atlas_has_no_size_to_vary():
    own = OWN | {"kind": "atlas", "atlas": "x.nii.gz"}
    found = variants(own, ["atlas", "compact"], [10, 30, 100], [1.0])
    assert sorted(map(name_of, found)) == ["atlas-top100", "atlas-top70", "compact-30-top70"]


def test_the_table_of_a_small_subject():
    training = planted.SETTINGS["train_stage1"] | {"batch": 32, "epochs": 2, "patience": 2}
    plan = planted.plan(1, train_stage1=training, train_stage2=training)
    features, targets = planted.subject(seed=1, n_train=200)
    atlas = np.repeat([3, 9], 20).reshape(40, 1, 1)
    prepare = lambda given: chasm.prepare(features, targets, given, seed=1, atlas=atlas)  # noqa: E731
    found = cluster_table.table(
        targets, prepare, ["sequential", "atlas"], [5, 10], [0.6, 1.0], plan
    )
    rows = {row["row"]: row for row in found["rows"]}
    assert {name: row["n_clusters"] for name, row in rows.items()} == {
        "sequential-5-top100": 8,
        "sequential-10-top100": 4,
        "atlas-top100": 2,
        "sequential-5-top60": 8,
    }
    assert found["n_images"] == {"train": 200, "validation": 80, "test": 100}
    assert rows["atlas-top100"]["size"] is None
    assert rows["atlas-top100"]["largest"] == 20
    # All voxels: the target is their mean. The most active ones lie above it.
    own, most_active = rows["sequential-5-top100"], rows["sequential-5-top60"]
    train = targets.values[:200]
    assert own["mean_target"]["all_voxels"] == pytest.approx(train.mean(), abs=1e-5)
    assert own["mean_target"]["estimate"] == pytest.approx(train.mean(), abs=1e-5)
    expected = clusters.aggregate(train, np.arange(40) // 5, 0.6).mean()
    assert most_active["mean_target"]["estimate"] == pytest.approx(expected, abs=1e-5)
    assert expected > train.mean() + 0.1
    # Of all voxels none are chosen: what is left is how the trials happen to differ.
    trials = targets.trials.reshape(100, 3, 40)
    for row, chosen in zip(own["selection_bias"], most_active["selection_bias"], strict=True):
        n = row["n_trials"]
        chance = (trials[:, :n].mean(axis=1) - trials[:, n]).mean()
        assert row["estimate"] == pytest.approx(chance, abs=1e-6)
        assert chosen["estimate"] > chance + 0.1
    differences = found["differences"]
    assert differences["reference"] == "sequential-5-top100"
    assert set(differences["rows"]) == set(rows) - {"sequential-5-top100"}
    for name, each in differences["rows"].items():
        apart = [row["voxels"]["mse"]["estimate"] for row in (rows[name], own)]
        assert each["mse"]["estimate"] == pytest.approx(np.subtract(*apart))
