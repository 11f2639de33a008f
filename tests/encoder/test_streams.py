"""What cut streams cost early and higher clusters: planted structure, and none."""

import numpy as np
import planted
import pytest

from brainworth.encoder import chasm, comparison, stream_table
from brainworth.encoder.scores import Scored
from brainworth.encoder.targets import GROUP_NAMES

SEEDS = (1, 2, 3)
TRAINING = planted.SETTINGS["train_stage1"] | {"batch": 32}


def table(seed, weights, single_streams):
    plan = planted.plan(seed, train_stage1=TRAINING)
    features, targets = planted.subject(seed=seed, weights=weights(seed), n_train=500)
    data = chasm.prepare(features, targets, plan.settings["clusters"], seed=seed)
    model = plan.new(lambda: chasm.new_stage1(data, plan.settings["stage1"]), "both")
    comparison.fit_stage1(plan, data, model, "both")
    return stream_table.table(targets, data, model, single_streams, plan)


def by_name(rows):
    return {row["row"]: row for row in rows}


@pytest.fixture(scope="module")
def streams_apart():
    return {seed: table(seed, planted.apart, True) for seed in SEEDS}


@pytest.fixture(scope="module")
def streams_together():
    return {seed: table(seed, planted.together, False) for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_planted_streams_are_found(streams_apart, seed):
    """Early clusters depend on tokens and higher ones on the vector: each loses the other's cut."""
    found = by_name(streams_apart[seed]["asymmetry"])
    for name in ("where_only", "where_retrained"):
        assert found[name]["difference"]["interval"][1] < -0.5
        assert found[name]["higher"]["interval"][0] > 0.5
        assert found[name]["early"]["estimate"] < 0.1
        assert abs(found[name]["ratio"]["estimate"]) < 0.2
    for name in ("what_only", "what_retrained"):
        assert found[name]["difference"]["interval"][0] > 0.5
        assert found[name]["early"]["interval"][0] > 0.5
        assert found[name]["higher"]["estimate"] < 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_no_asymmetry_is_found_where_none_was_planted(streams_together, seed):
    """Both groups have the same signal, of both streams, and noise of their own."""
    found = by_name(streams_together[seed]["asymmetry"])
    for name in ("where_only", "what_only"):
        assert found[name]["early"]["interval"][0] > 0.1, "a cut costs something"
        low, high = found[name]["difference"]["interval"]
        assert low <= 0 <= high
        assert high - low < 0.2, "and the interval says something"


def test_rows_and_groups(streams_apart):
    found = streams_apart[1]
    rows = by_name(found["rows"])
    assert list(rows) == [*stream_table.VARIANTS, *stream_table.RETRAINED]
    assert {name for name, row in rows.items() if row["trained"]} == {
        *("both", "where_retrained", "what_retrained")
    }
    assert {row["group"]: row["n_clusters"] for row in found["groups"]} == {
        "none": 0,
        "early": 4,
        "mid": 0,
        "higher": 4,
    }
    for row in rows.values():
        groups = row["groups"]
        assert groups["none"] is None
        assert groups["mid"] is None
        means = [groups[group]["r_mean"]["estimate"] for group in ("early", "higher")]
        assert groups["overall"]["r_mean"]["estimate"] == pytest.approx(np.mean(means))
    assert rows["both"]["gate"] + rows["swap"]["gate"] == pytest.approx(1)
    # Of one stream neither the other nor the gate is computed, trained so or not.
    for cut, alone in (("where_only", "where_retrained"), ("what_only", "what_retrained")):
        assert rows[cut]["gate"] is None
        for what in ("parameters", "macs", "macs_with_scan"):
            assert rows[cut][what] == rows[alone][what] < rows["both"][what]
        assert rows[cut]["curve"] is None
        assert len(rows[alone]["curve"]) == TRAINING["epochs"]


def test_the_group_of_a_cluster_is_that_of_most_voxels():
    labels = np.repeat(np.arange(5), 4)
    group = np.array([1, 1, 1, 3, 3, 2, 2, 2, 0, 0, 3, 3, 1, 1, 3, 3, 0, 0, 0, 1])
    # a tie with no group goes to the group, one of two groups to the lower
    assert stream_table.groups_of_clusters(group, labels).tolist() == [1, 2, 3, 1, 0]


def scored(early, higher):
    """Return scores by group from draws of r_mean; the first draw is the estimate."""
    return {
        name: None
        if draws is None
        else Scored({}, {"r_mean": draws[0]}, {"r_mean": np.array(draws)}, {}, "x", 0.05)
        for name, draws in {"early": early, "higher": higher}.items()
    }


def test_asymmetry_is_of_relative_drops():
    both = scored([0.8, 0.8, 0.8], [0.4, 0.4, 0.4])
    found = stream_table.asymmetry(both, scored([0.4, 0.32, 0.48], [0.3, 0.3, 0.3]), 0.95)
    assert found["early"]["estimate"] == pytest.approx(0.5)
    assert found["higher"]["estimate"] == pytest.approx(0.25)
    assert found["difference"]["estimate"] == pytest.approx(0.25)
    assert found["ratio"]["estimate"] == pytest.approx(2)
    np.testing.assert_allclose(found["difference"]["interval"], [0.15, 0.35], atol=0.01)
    assert found["reason"] is None


def test_what_asymmetry_cannot_be_had_is_said():
    good = scored([0.8, 0.8], [0.4, 0.4])
    assert GROUP_NAMES == ("early", "mid", "higher")
    found = stream_table.asymmetry(scored(None, [0.4, 0.4]), good, 0.95)
    assert found["difference"] is None
    assert "fewer than two early" in found["reason"]
    found = stream_table.asymmetry(scored([0.8, 0.8], [0.1, -0.1]), good, 0.95)
    assert found["difference"] is None
    assert "may not predict higher" in found["reason"]
    found = stream_table.asymmetry(good, scored([0.4, 0.4], [0.4, 0.5]), 0.95)
    assert found["difference"]["estimate"] == pytest.approx(0.5)
    assert found["ratio"] is None
    assert "no ratio" in found["reason"]
