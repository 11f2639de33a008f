"""The whole bridge on a tiny simulated NSD; networks in the place of ridge; what is refused."""

import json

import h5py
import numpy as np
import pytest
import torch
from averaging_study import NETWORK, REGIONS, SETTINGS, SUBJECTS, analyse, make

from brainworth import results
from brainworth.bridges.averaging import averaging, averaging_inputs, image_inputs, network_encoder
from brainworth.bridges.averaging.average_encoder import (
    ALL,
    AVERAGE,
    INDIVIDUAL,
    MATCHED,
    OTHERS,
    POOLED,
)
from brainworth.encoder import comparison
from brainworth.encoder.features.store import Features
from brainworth.erosion import responses
from brainworth.errors import BrainworthError


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def study(tiny, tmp_path_factory):
    return make(tiny, tmp_path_factory.mktemp("averaging"))


@pytest.fixture(scope="module")
def found(study):
    return analyse(study)


def test_the_result_is_json_and_the_same_again(study, found):
    assert json.dumps(results.to_plain(found, "data")) == json.dumps(
        results.to_plain(analyse(study), "data")
    )
    assert found["regions"] == REGIONS
    assert found["missing"] == []
    assert [each["subject"] for each in found["subjects"]] == list(SUBJECTS)


def test_costs_stand_beside_what_is_planted(found):
    rows = {(row["inputs"], row["space"], row["encoder"]): row for row in found["costs"]}
    assert len(rows) == 8
    for (inputs, _, _), row in rows.items():
        assert (inputs == "true_features") == ("planted" in row)
        assert 0 <= row.get("planted", 0) <= 1
        assert row["n_pairs"] + row["n_unusable"] == 8
        for subject in row["subjects"]:
            if subject["estimate"] is not None:
                assert subject["interval"][0] <= subject["interval"][1]
    true = rows["true_features", "roi_mean", OTHERS]
    low, high = true["interval"]
    assert low - 0.05 <= true["planted"] <= high + 0.05
    assert found["summary"]["cost"]["estimate"] == rows["images", "roi_mean", OTHERS]["estimate"]


def test_every_encoder_has_a_row_of_each_size(found):
    names = {
        (row["inputs"], row["space"], row["size"], row["encoder"]) for row in found["encoders"]
    }
    assert names == {
        (inputs, space, size, encoder)
        for inputs in ("images", "true_features")
        for space in ("roi_mean", "components")
        for size in (MATCHED, ALL)
        for encoder in (INDIVIDUAL, POOLED, AVERAGE, OTHERS)
    }
    for row in found["encoders"]:
        assert (row["encoder"] == INDIVIDUAL) == ("loss_of_share" not in row)


def test_shared_fractions_of_the_alignment_test_are_taken_up(study, found):
    values = {subject: 0.9 - 0.1 * s for s, subject in enumerate(SUBJECTS)}
    alignment = {
        "regions": [
            {
                "region": "V1",
                "subjects": [
                    {"subject": subject, "share": {"corrected": {"estimate": value}}}
                    for subject, value in values.items()
                ]
                + [{"subject": "subj08", "share": {"corrected": {"estimate": 0.1}}}],
            },
            {"region": "V2", "subjects": [{"subject": "subj01", "share": None}]},
        ]
    }
    again = analyse(study, alignment=alignment)
    measured = {each["subject"]: each for each in again["shared_fraction"]["alignment"]}
    assert {name: each["fraction"] for name, each in measured.items()} == pytest.approx(values)
    assert all(each["n_regions"] == 1 for each in measured.values())
    sources = {row["fraction"] for row in again["relations"]}
    assert sources == {"alignment", "planted"}
    assert {row["fraction"] for row in found["relations"]} == {"planted"}


def test_real_data_have_no_planted_numbers(study):
    again = analyse(study, known=None)
    assert {row["inputs"] for row in again["costs"]} == {"images"}
    assert all("planted" not in row for row in again["costs"])
    assert again["relations"] == []
    assert again["variance"]["planted"] is None


def test_networks_are_trained_on_one_on_many_and_on_the_average(study):
    plan = comparison.Plan(NETWORK, 0.95, 3)
    settings = SETTINGS | {"models": ["ridge", "chasm"], "max_network_images": 60}
    found = analyse(study, settings=settings, plan=plan)
    rows = [row for row in found["encoders"] if row["model"] == "chasm"]
    assert {(row["size"], row["encoder"]) for row in rows} == {
        (size, encoder)
        for size in (MATCHED, ALL)
        for encoder in (INDIVIDUAL, POOLED, AVERAGE, OTHERS)
    }
    for row in rows:
        expected = {
            (MATCHED, INDIVIDUAL): 60,
            (MATCHED, POOLED): 60,
            (MATCHED, AVERAGE): 60,
            (MATCHED, OTHERS): 60,
            (ALL, INDIVIDUAL): 60,
            (ALL, POOLED): 240,
            (ALL, AVERAGE): 240,
            (ALL, OTHERS): 180,
        }[row["size"], row["encoder"]]
        assert row["n_images"] == [expected, expected]
        assert -1 <= row["r"]["estimate"] <= 1
    trained = {(each["size"], each["encoder"], each["subject"]) for each in found["networks"]}
    assert len(trained) == len(found["networks"]) == 2 * (4 + 1 + 1 + 4)


def test_a_network_learns_and_its_average_is_one_for_all(study):
    extracts, splits, _known, read = study
    tested = responses.repeated_stimuli(extracts, 2, "the test")
    parts = {
        subject: averaging_inputs.read_split(splits[subject], tested) for subject in SUBJECTS[:2]
    }
    columns, _, _, _ = averaging_inputs.read(
        {subject: extracts[subject] for subject in parts}, parts, REGIONS, SETTINGS, None
    )
    space = averaging.common_space.spaces(columns, None, np.random.default_rng(0))[0]
    longer = NETWORK["train_stage1"] | {"epochs": 8, "patience": 8, "batch": 32}
    found, _ = network_encoder.predictions(
        read,
        [part.train for part in parts.values()],
        [part.validation for part in parts.values()],
        next(iter(parts.values())).test,
        space,
        300,
        comparison.Plan(NETWORK | {"train_stage1": longer}, 0.95, 3),
    )
    (average,) = found.whole[ALL, AVERAGE]
    np.testing.assert_array_equal(average[0], average[-1])
    (own,) = found.whole[ALL, INDIVIDUAL]
    assert not np.allclose(own[0], own[1])
    r = [
        np.corrcoef(own[s, :, r, 0], space.test[s, :, r, 0])[0, 1]
        for s in range(2)
        for r in range(len(REGIONS))
    ]
    assert np.mean(r) > 0.15


def test_image_features_are_scaled_by_training_images_only(study):
    _, splits, _, read = study
    parts = [averaging_inputs.read_split(path, np.arange(10**6)) for path in splits.values()]
    train, validation = [p.train for p in parts], [p.validation for p in parts]
    test = parts[0].test
    settings = {"token_features": 64, "n_components": 40, "seed": 3}
    found = image_inputs.gather(read, train, validation, test, **settings)
    assert found.test.shape == (len(test), 40)
    spread = np.vstack(found.train).var(axis=0)
    assert np.all(np.diff(spread) < 0.05 * spread[0]), "leading components first"

    def louder(ids):
        features = read(ids)
        again = np.isin(ids, test)
        global_ = np.where(again[:, None], 100 * features.global_, features.global_)
        return Features(ids, global_, features.tokens, {}, "gabor", "")

    other = image_inputs.gather(louder, train, validation, test, **settings)
    np.testing.assert_array_equal(found.train[1], other.train[1])
    assert not np.allclose(found.test, other.test)


def test_few_channels_of_tokens_are_their_leading_components(study):
    _, splits, _, read = study
    ids = averaging_inputs.read_split(splits["subj01"], np.arange(10**6)).train
    reducer = image_inputs.fit(read(ids), 8, 1000)
    features = read(ids)
    assert reducer.basis.shape == (features.tokens.shape[2], 4)
    # the mean token holds the sum of both places' components once more
    assert reducer(features).shape[1] == 24 + features.tokens.shape[2] + 8 - 4
    np.testing.assert_allclose(reducer(features).mean(axis=0), 0, atol=1e-5)


def test_what_does_not_belong_together_is_refused(study, tmp_path):
    extracts, splits, _, _ = study
    only = {"subj01": extracts["subj01"]}, {"subj01": splits["subj01"]}
    with pytest.raises(BrainworthError, match="needs at least two"):
        analyse((*only, *study[2:]))
    with pytest.raises(BrainworthError, match="does not exist"):
        averaging_inputs.read_split(tmp_path / "nothing.h5", np.arange(3))
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"no HDF5")
    with pytest.raises(BrainworthError, match="cannot be read"):
        averaging_inputs.read_split(broken, np.arange(3))
    with h5py.File(broken, "w") as file:
        file.attrs["schema"] = "something else"
    with pytest.raises(BrainworthError, match="no file of targets"):
        averaging_inputs.read_split(broken, np.arange(3))
    parts = {
        subject: averaging_inputs.read_split(path, np.arange(10**6))
        for subject, path in splits.items()
    }
    few = dict(parts)
    few["subj01"] = type(parts["subj01"])(**(vars(parts["subj01"]) | {"train": np.arange(20)}))
    with pytest.raises(BrainworthError, match="subj01 has 20 training images"):
        averaging_inputs.check(few)
    other = dict(parts)
    other["subj02"] = type(parts["subj02"])(**(vars(parts["subj02"]) | {"test": np.arange(20)}))
    with pytest.raises(BrainworthError, match="the test images of subj02"):
        averaging_inputs.check(other)
    with pytest.raises(BrainworthError, match="needs regions"):
        analyse(study, settings=SETTINGS | {"n_dimensions": 10_000})
