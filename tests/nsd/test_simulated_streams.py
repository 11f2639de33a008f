"""Early and higher regions of simulated NSD: local and global features of images."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from brainworth.nsd.simulate import anatomy, experiment, scales, truth
from brainworth.stats import stream

TINY = scales.SCALES["tiny"]
SEED = 11


@pytest.fixture(scope="module")
def simulation(default_config):
    given = {"scale": "tiny", "global_features": 4, "stream_contrast": 0.5}
    return default_config.simulation.model_copy(update=given)


def without_streams(simulation):
    return simulation.model_copy(update={"global_features": 0, "stream_contrast": 0.0})


def drawn(simulation, subject="subj03"):
    place = anatomy.build(TINY, subject, SEED)
    made = truth.draw_subject(TINY, simulation, place, subject, SEED)
    region = truth._region_of_voxel(place)[tuple(made.ijk.T)]
    return made, region


def shared_variance(simulation, names):
    """Return the mean squared weight of each shared feature over the voxels of regions."""
    made, region = drawn(simulation)
    numbers = [list(truth._RESPONDING).index(name) for name in names]
    weights = made.weights[np.isin(region, numbers), : simulation.shared_features]
    return np.mean(weights**2 / np.sum(weights**2, axis=1, keepdims=True), axis=0)


def old_tuning(rng, n_voxels, n_features, owner, region):
    """Draw tuning as it was drawn before there were streams."""
    common = stream(SEED, "simulate", "tuning", owner, int(region))
    metric = np.exp(common.normal(0, 0.4, n_features))
    metric /= np.linalg.norm(metric)
    mean = metric * common.standard_normal(n_features)
    mean /= np.linalg.norm(mean)
    deviation = metric * rng.standard_normal((n_voxels, n_features))
    return np.sqrt(0.25) * mean + np.sqrt(0.75) * deviation


def test_without_streams_the_maps_are_what_they_were(simulation):
    plain = without_streams(simulation)
    made, region = drawn(plain)
    rng = stream(SEED, "simulate", "maps", "subj03")
    mixing = plain.shared_fraction[2]
    weights = np.zeros((len(region), 32))
    for name in np.unique(region[region >= 0]):
        rows = np.flatnonzero(region == name)
        shared = old_tuning(rng, rows.size, 16, "shared", name)
        own = old_tuning(rng, rows.size, 16, "subj03", name)
        weights[rows] = np.hstack([np.sqrt(mixing) * shared, np.sqrt(1 - mixing) * own])
    ncsnr = np.exp(rng.normal(np.log(plain.ncsnr[2]), 0.4, len(region)))
    ncsnr *= np.where(region == 13, 0.3, 1.0)  # thirteen regions, then other cortex
    ncsnr[region < 0] = 0
    length = np.linalg.norm(weights, axis=1, keepdims=True)
    length[length == 0] = 1
    weights *= (ncsnr / np.sqrt(1 + ncsnr**2))[:, None] / length
    assert made.weights.tobytes() == weights.astype(np.float32).tobytes()


def test_without_streams_the_images_are_what_they_were(simulation, tmp_path):
    plain = without_streams(simulation)
    features = truth.draw_images(TINY, plain, SEED).features[:300]
    none = truth.global_columns(plain)
    assert none.size == 0
    experiment.write_stimuli(tmp_path / "images.h5", features, none, TINY, SEED)
    rng = stream(SEED, "simulate", "patches")
    patches = experiment._gabor_patches(144, 24, rng).reshape(144, -1)
    # In one block, as it was written.
    pixels = 128 + (features * np.float32(128 / np.sqrt(144))) @ patches
    expected = np.clip(np.rint(pixels), 0, 255).astype(np.uint8).reshape(-1, 24, 24, 3)
    with h5py.File(tmp_path / "images.h5") as file:
        assert file["imgBrick"][:].tobytes() == expected.tobytes()


def test_early_regions_prefer_local_features_and_higher_ones_global_features(simulation):
    """Log-variance of global over local features: shifted by 4 x contrast, up and down."""
    columns = truth.global_columns(simulation)
    assert columns.tolist() == [12, 13, 14, 15]
    local = np.setdiff1d(np.arange(16), columns)

    def preference(contrast, names):
        planted = simulation.model_copy(update={"stream_contrast": contrast})
        share = shared_variance(planted, names)
        return np.log(share[columns].mean() / share[local].mean())

    for names, sign in ((truth.EARLY, -1), (truth.HIGHER, 1), (("hV4", "LO", "TO", "VO"), 0)):
        shift = preference(0.5, names) - preference(0.0, names)
        assert shift == pytest.approx(sign * 4 * 0.5, abs=0.5), names


def test_an_intermediate_region_does_not_change(simulation):
    one, region = drawn(simulation)
    other, _ = drawn(simulation.model_copy(update={"stream_contrast": 0.0}))
    middle = np.isin(region, [list(truth._RESPONDING).index(name) for name in ("hV4", "LO")])
    np.testing.assert_array_equal(one.weights[middle], other.weights[middle])
    assert not np.array_equal(one.weights, other.weights)


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_global_features_fill_the_image(simulation, tmp_path, size):
    """With all other features zero, each is what it is called, everywhere in the image."""
    scale = scales.SCALES[size]
    columns = truth.global_columns(simulation)
    features = np.zeros((5, 144), dtype=np.float32)
    features[np.arange(1, 5), columns] = 2.0
    experiment.write_stimuli(tmp_path / "images.h5", features, columns, scale, SEED)
    with h5py.File(tmp_path / "images.h5") as file:
        base, *changed = file["imgBrick"][:].astype(float)
    side = scale.image_size // 4
    tiles = [np.mean((one - base).reshape(4, side, 4, side, 3), axis=(1, 3)) for one in changed[:3]]
    unit = 2 * 128 / 12
    for tile, colour in zip(tiles, [(1, 1, 1), (1, -1, 0), (-0.5, -0.5, 1)], strict=True):
        np.testing.assert_allclose(
            tile, np.broadcast_to(unit * np.array(colour), tile.shape), atol=1
        )
    contrast = [np.std(one - 128) for one in (base, changed[3])]
    assert contrast[1] / contrast[0] == pytest.approx(np.exp(2 * 0.35), rel=0.03)
    assert abs(changed[3].mean() - 128) < 2


def test_there_cannot_be_more_global_than_shared_features(default_config):
    content = default_config.simulation.model_dump()
    content |= {"shared_features": 3, "global_features": 4}
    with pytest.raises(ValueError, match="global_features are among the shared_features"):
        type(default_config.simulation)(**content)
