"""What tables share: images that are drawn, and paired differences, against a direct bootstrap."""

import numpy as np
import planted
import pytest
import torch

from brainworth.encoder import chasm, comparison
from brainworth.encoder.targets import TRAIN
from brainworth.errors import BrainworthError
from brainworth.stats import multiplicities, percentile_interval, stream


@pytest.fixture(scope="module")
def subject():
    features, targets = planted.subject(seed=1, n_train=120)
    return targets, chasm.prepare(features, targets, planted.SETTINGS["clusters"], seed=1)


def predictions(data, noise, seed):
    """Return responses with noise, as predictions of voxels."""
    draws = torch.Generator().manual_seed(seed)
    return {
        name: part["voxels"] + noise * torch.randn(part["voxels"].shape, generator=draws)
        for name, part in data.parts.items()
    }


def test_differences_are_those_of_a_paired_bootstrap(subject):
    targets, data = subject
    plan = planted.plan(7)
    predicted = {"good": predictions(data, 0.5, 1), "bad": predictions(data, 0.8, 2)}
    found = comparison.differences(
        {
            name: comparison.score_voxels(plan, targets, data, each)
            for name, each in predicted.items()
        },
        "bad",
        0.9,
    )
    assert found["reference"] == "bad"
    assert list(found["rows"]) == ["good"]
    observed = data.parts["test"]["voxels"].numpy().astype(float)
    weights = multiplicities(stream(7, "encoder", "scores", targets.subject), 100, len(observed))

    def of(images):
        values = []
        for name in ("good", "bad"):
            p, y = predicted[name]["test"].numpy().astype(float)[images], observed[images]
            r = [np.corrcoef(p[:, v], y[:, v])[0, 1] for v in range(y.shape[1])]
            values.append([np.mean((p - y) ** 2), np.mean(r)])
        return np.subtract(*values)

    estimate = of(np.arange(len(observed)))
    draws = np.array([of(np.repeat(np.arange(len(observed)), w.astype(int))) for w in weights])
    for column, name in enumerate(("mse", "r_mean")):
        row = found["rows"]["good"][name]
        assert row["estimate"] == pytest.approx(estimate[column], abs=1e-5)
        # moved by the bias of the draws, as `scores` says
        moved = draws[:, column] - 2 * (draws[:, column].mean() - estimate[column])
        np.testing.assert_allclose(row["interval"], percentile_interval(moved, 0.9), atol=1e-5)
    assert found["rows"]["good"]["mse"]["interval"][1] < 0
    assert found["rows"]["good"]["r_mean"]["interval"][0] > 0


def test_pairing_makes_intervals_narrow(subject):
    targets, data = subject
    plan = planted.plan(7)
    first = predictions(data, 0.8, 1)
    second = {name: each + 0.01 for name, each in first.items()}
    scored = [comparison.score_voxels(plan, targets, data, each) for each in (first, second)]
    found = comparison.differences(dict(zip("ab", scored, strict=True)), "a", 0.95)
    low, high = found["rows"]["b"]["mse"]["interval"]
    alone = percentile_interval(scored[0].draws["mse"], 0.95)
    assert high - low < 0.1 * (alone[1] - alone[0])


def test_without_the_reference_there_is_nothing_to_compare(subject):
    targets, data = subject
    one = comparison.score_voxels(planted.plan(), targets, data, predictions(data, 1, 1))
    assert comparison.differences({"a": one}, "b", 0.95) == {"reference": None, "rows": {}}


def test_other_resamples_are_refused(subject):
    targets, data = subject
    given = predictions(data, 1, 1)
    scored = {
        name: comparison.score_voxels(planted.plan(seed), targets, data, given)
        for name, seed in (("a", 1), ("b", 2))
    }
    with pytest.raises(BrainworthError, match="not of the same resamples"):
        comparison.differences(scored, "a", 0.95)


def test_fewer_images(subject):
    targets, data = subject
    assert comparison.fewer_images(data, targets, None, 1) is data
    assert comparison.fewer_images(data, targets, 120, 1) is data
    few, more = (comparison.fewer_images(data, targets, most, 1) for most in (20, 50))
    assert len(few.rows["train"]) == 20
    assert set(few.rows["train"]) < set(more.rows["train"]) < set(targets.rows(TRAIN))
    np.testing.assert_array_equal(few.parts["train"]["voxels"], targets.values[few.rows["train"]])
    assert few.parts["test"] is data.parts["test"]
    other = comparison.fewer_images(data, targets, 20, 2)
    assert set(other.rows["train"]) != set(few.rows["train"])
