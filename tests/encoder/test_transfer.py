"""A backbone of another subject: it helps if both depend on the same features, and not if not."""

from dataclasses import replace

import numpy as np
import planted
import pytest
import torch
from planted import C, G, P, V

from brainworth.encoder import backbone, clusters, comparison, transfer
from brainworth.encoder.targets import TEST, TRAIN, VALIDATION
from brainworth.errors import BrainworthError

SEEDS = (1, 2, 3)
N_TRAIN, N_LATENT = 400, 4
TRANSFER = {
    "target": "subj07",
    # subj01 depends on the target's features, subj02 on others
    "sources": [["subj01"], ["subj02"]],
    "fractions": [0.1, 1.0],
    "head": planted.SETTINGS["train_stage1"] | {"batch": 32, "epochs": 30, "patience": 30},
}


def subjects(seed):
    """Return targets by subject: four features of tokens, or of the vector, and maps of their own.

    What subj01 and subj07 share is the map from images to features, not that from features on.
    """
    rng = np.random.default_rng([seed, 11])
    shared, other = np.zeros((2, P * C + G, N_LATENT))
    shared[: P * C] = np.linalg.qr(rng.normal(size=(P * C, N_LATENT)))[0]
    other[P * C :] = np.linalg.qr(rng.normal(size=(G, N_LATENT)))[0]
    features = {"subj01": shared, "subj02": other, "subj07": shared}
    return {
        name: planted.subject(
            name, 10 * seed + int(name[-1]), each @ planted.alike(rng, N_LATENT), n_train=N_TRAIN
        )[1]
        for name, each in features.items()
    }


def plan_of(seed):
    training = planted.SETTINGS["train_stage1"] | {"batch": 32, "epochs": 6, "patience": 6}
    return planted.plan(seed, train_stage1=training, transfer=TRANSFER)


@pytest.fixture(scope="module")
def tables():
    answer = {}
    for seed in SEEDS:
        given = subjects(seed)
        labels = {
            name: clusters.make("sequential", 5, one.ijk, seed=seed) for name, one in given.items()
        }
        answer[seed] = transfer.table(planted.read, given, labels, None, plan_of(seed))
    return answer


def by_name(found):
    return {row["row"]: row for row in found["rows"]}


@pytest.mark.parametrize("readout", ["head", "ridge"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_backbone_of_the_same_features_helps_and_one_of_others_does_not(tables, seed, readout):
    rows = by_name(tables[seed])
    shared = rows[f"subj01-{readout}-0.1"]["against"]
    assert shared["random"]["r_mean"]["interval"][0] > 0.3
    assert shared["random"]["mse"]["interval"][1] < 0
    assert abs(shared["within"]["r_mean"]["estimate"]) < 0.15, "nearly as good as the target's own"
    other = rows[f"subj02-{readout}-0.1"]["against"]
    assert other["random"]["r_mean"]["interval"][0] <= 0
    assert other["within"]["r_mean"]["interval"][1] < -0.3


def test_rows_and_backbones(tables):
    found = tables[1]
    assert found["subject"] == "subj07"
    kinds = {row["backbone"]: row["kind"] for row in found["backbones"]}
    assert kinds == {
        "subj01": "transfer",
        "random": "random",
        "subj02": "transfer",
        "within": "within",
    }
    for row in found["backbones"]:
        trained = row["kind"] != "random"
        assert row["n_images"] == (N_TRAIN if trained else 0)
        assert (row["curve"] is not None) == trained
        assert row["sources"] == {"within": ["subj07"], "random": []}.get(
            row["backbone"], [row["backbone"]]
        )
    rows = by_name(found)
    names = [f"{name}-{readout}" for name in kinds for readout in ("head", "ridge")]
    assert set(rows) == {
        f"{name}-{share}" for name in [*names, "features-ridge"] for share in ("0.1", "1")
    }
    for row in rows.values():
        assert row["n_images"] == {0.1: N_TRAIN // 10, 1.0: N_TRAIN}[row["fraction"]]
        assert (row["curve"] is None) == (row["readout"] == "ridge")
        assert row["voxels"]["n_images"] == 100
        n_features = G + C if row["backbone"] is None else 16
        assert row["macs"] == n_features * V
        assert row["parameters"] == (n_features + 1) * V


def test_differences_are_from_the_same_share_and_readout(tables):
    rows = by_name(tables[2])
    for row in rows.values():
        own = row["backbone"] or "features"
        assert set(row["against"]) == {"within", "random"} - {own}
        for control, difference in row["against"].items():
            base = rows[f"{control}-{row['readout']}-{row['fraction']:g}"]
            for name in ("r_mean", "mse"):
                expected = (each["voxels"][name]["estimate"] for each in (row, base))
                assert difference[name]["estimate"] == pytest.approx(np.subtract(*expected))


def test_shares_are_nested_and_hold_no_test_image():
    target = subjects(1)["subj07"]
    # single trials: two rows an image
    train = target.rows(TRAIN)
    twice = np.concatenate([np.repeat(train, 2), np.arange(len(train), len(target.nsd_id))])
    target = replace(
        target,
        **{name: getattr(target, name)[twice] for name in ("nsd_id", "split", "values")},
    )
    rows = backbone.target_rows(target, 200, 1)
    before = {"train": set(), "validation": set()}
    for fraction in (0.01, 0.1, 0.5, 1.0):
        share = transfer.share_of_images(target, rows, fraction, 1)
        ids = {part: target.nsd_id[rows[part][place]] for part, place in share["places"].items()}
        assert not set(ids["train"]) & (set(ids["validation"]) | set(ids["test"]))
        assert len(set(ids["train"])) == share["n_images"] == max(10, 200 * fraction)
        assert len(ids["train"]) == 2 * share["n_images"], "all trials of an image, or none"
        assert len(set(ids["validation"])) == max(10, 80 * fraction)
        np.testing.assert_array_equal(ids["test"], target.nsd_id[target.split == TEST])
        for part, smaller in before.items():
            assert smaller <= set(ids[part])
            before[part] = set(ids[part])


def test_too_few_images():
    target = planted.subject("subj07", n_train=9)[1]
    rows = backbone.target_rows(target, None, 1)
    with pytest.raises(BrainworthError, match=r"subj07 has 9 train images, .* at least 10; use"):
        transfer.share_of_images(target, rows, 1.0, 1)


def test_what_a_backbone_of_two_subjects_learns_from():
    given = subjects(1)
    one, two, target = given.values()
    labels = [clusters.make("sequential", size, one.ijk, seed=1) for size in (5, 8)]
    found = backbone.gather(planted.read, [(one, labels[0]), (two, labels[1])], target, 150, 0.7, 1)
    assert found.n_rois == [8, 5]
    assert found.n_images == 300
    train = found.sources["train"]
    rows = [comparison.training_rows(each, 150, 1) for each in (one, two)]
    assert train["source"].tolist() == [0] * 150 + [1] * 150
    assert not train["rois"][:150, 8:].any()
    assert not train["rois"][150:, :8].any()
    for each, chosen, label, block in (
        (one, rows[0], labels[0], train["rois"][:150, :8]),
        (two, rows[1], labels[1], train["rois"][150:, 8:]),
    ):
        np.testing.assert_allclose(block, clusters.aggregate(each.values[chosen], label, 0.7))
    # features on the scale of the sources' training images, the target's too
    ids = np.concatenate(
        [each.nsd_id[chosen] for each, chosen in zip((one, two), rows, strict=True)]
    )
    raw = planted.read(ids)
    for name, values, axes in (("global", raw.global_, 0), ("tokens", raw.tokens, (0, 1))):
        mean, spread = values.mean(axis=axes), values.std(axis=axes)
        np.testing.assert_allclose(train[name], (values - mean) / spread, atol=1e-4)
        for part, split in (("train", None), ("validation", VALIDATION), ("test", TEST)):
            places = target.rows(split) if split else comparison.training_rows(target, 150, 1)
            mine = planted.read(target.nsd_id[places])
            mine = mine.global_ if name == "global" else mine.tokens
            np.testing.assert_allclose(found.target[part][name], (mine - mean) / spread, atol=1e-4)


def test_a_subject_learns_from_its_own_columns_only():
    rois = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    source = torch.tensor([0, 0, 0, 0, 1, 1])
    predicted = torch.zeros(6, 5, requires_grad=True)
    error, _ = backbone.by_source(predicted, rois, source, [3, 2])
    own = torch.zeros(6, 5, dtype=torch.bool)
    own[:4, :3] = own[4:, 3:] = True
    expected = 4 / 6 * rois[:4, :3].square().mean() + 2 / 6 * rois[4:, 3:].square().mean()
    torch.testing.assert_close(error, expected)
    gradient = torch.autograd.grad(error, predicted)[0]
    assert ((gradient != 0) == own).all()
