"""The bank of Gabor filters, on images of which the right answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from brainworth.encoder.features import gabor
from brainworth.nsd.simulate import experiment, scales, truth

SIZE, SCALES, ORIENTATIONS = 64, 4, 8
BANK = {"scales": SCALES, "orientations": ORIENTATIONS, "image_size": SIZE}


def image(luminance, size=SIZE):
    """Make a grey image of luminance about 0 as (1, H, W, 3) uint8."""
    grey = np.clip(np.rint(128 + 127 * luminance), 0, 255).astype(np.uint8)
    return np.repeat(grey[None, :, :, None], 3, axis=3)


def grating(cycles, angle, phase=0.0, contrast=0.8, size=SIZE):
    y, x = np.mgrid[:size, :size] / size
    along = x * np.cos(angle) + y * np.sin(angle)
    return contrast * np.cos(2 * np.pi * cycles * along + phase)


def energies(images, grid=16):
    block = gabor.describe(images, grid=grid, **BANK)
    return block.tokens[..., : SCALES * ORIENTATIONS].reshape(
        len(images), grid * grid, SCALES, ORIENTATIONS
    )


@pytest.mark.parametrize("scale", range(SCALES))
@pytest.mark.parametrize("orientation", range(ORIENTATIONS))
def test_a_grating_excites_the_filter_of_its_scale_and_orientation(scale, orientation):
    cycles = gabor.centre_frequency(scale, SIZE)
    found = energies(image(grating(cycles, np.pi * orientation / ORIENTATIONS)))
    mean = found.mean(axis=(0, 1))
    assert np.unravel_index(mean.argmax(), mean.shape) == (scale, orientation)


def test_the_energy_is_that_of_the_grating_whatever_its_phase():
    """A filter at its own frequency keeps the amplitude: log energy = 2 log amplitude."""
    cycles = gabor.centre_frequency(1, SIZE)
    for phase in np.linspace(0, np.pi, 5):
        found = energies(image(grating(cycles, 0.0, phase)))[0, :, 1, 0].reshape(16, 16)
        amplitude = 0.8 * 127 / 255
        np.testing.assert_allclose(found[4:12, 4:12], 2 * np.log(amplitude), atol=0.08)


def test_twice_the_contrast_is_four_times_the_energy():
    cycles = gabor.centre_frequency(1, SIZE)
    weak, strong = (
        energies(image(grating(cycles, 0.0, contrast=contrast)))[0, :, 1, 0].mean()
        for contrast in (0.4, 0.8)
    )
    assert strong - weak == pytest.approx(np.log(4), abs=0.02)


def test_the_response_is_where_the_patch_is():
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    patch = grating(16, 0.0) * np.exp(-((x - 0.78) ** 2 + (y - 0.22) ** 2) / (2 * 0.06**2))
    found = energies(image(patch))[0, :, 0, 0].reshape(16, 16)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert abs(row - 0.22 * 16) <= 1.5  # tokens are row by row: y first
    assert abs(column - 0.78 * 16) <= 1.5


def test_a_uniform_image_has_no_energy():
    found = energies(image(np.zeros((SIZE, SIZE))))
    assert found.max() == pytest.approx(np.log((0.5 / 255) ** 2), abs=0.01)


@pytest.mark.parametrize("grid", [1, 2, 4, 8, 16])
def test_luminance_and_colour_are_plain_means_of_pixels(grid):
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    block = gabor.describe(images, grid=grid, **BANK)
    assert block.tokens.shape == (3, grid * grid, SCALES * ORIENTATIONS + 2 + (16 // grid) ** 2)
    pixels = images / 255
    side, cell = SIZE // grid, SIZE // 16
    for number, token in enumerate(block.tokens[1]):
        y, x = divmod(number, grid)
        part = pixels[1, y * side : (y + 1) * side, x * side : (x + 1) * side]
        red, green, blue = part.mean(axis=(0, 1))
        colours = token[SCALES * ORIENTATIONS :][:2]
        np.testing.assert_allclose(colours, [red - green, blue - (red + green) / 2], atol=1e-5)
        luminance = part @ [0.299, 0.587, 0.114]
        cells = [
            luminance[i : i + cell, j : j + cell].mean()
            for i in range(0, side, cell)
            for j in range(0, side, cell)
        ]
        np.testing.assert_allclose(token[SCALES * ORIENTATIONS + 2 :], cells, atol=1e-5)


def test_the_global_vector_is_mean_and_sd_over_space():
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    block = gabor.describe(images, grid=16, **BANK)
    n = SCALES * ORIENTATIONS + 3
    expected = np.concatenate([block.tokens.mean(axis=1), block.tokens.std(axis=1)], axis=1)
    np.testing.assert_allclose(block.global_, expected, rtol=1e-4, atol=1e-5)
    assert block.global_.shape == (2, 2 * n)
    assert list(block.layers) == ["scale 1", "scale 2", "scale 3", "scale 4"]
    for scale, (own, mean) in enumerate(block.layers.values()):
        channels = np.arange(scale * ORIENTATIONS, (scale + 1) * ORIENTATIONS)
        np.testing.assert_allclose(mean, expected[:, channels], rtol=1e-4)
        both = np.concatenate([channels, channels + n])
        np.testing.assert_allclose(own, expected[:, both], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("scales_", "names"),
    [
        (1, ["scale 1"]),
        (2, ["scale 1", "scale 2"]),
        (5, ["scales 1-2", "scale 3", "scale 4", "scale 5"]),
        (8, ["scales 1-2", "scales 3-4", "scales 5-6", "scales 7-8"]),
    ],
)
def test_layers_are_bands_of_scales(scales_, names):
    assert gabor.layer_names(scales_) == names
    block = gabor.describe(
        image(grating(4, 0.3)), scales=scales_, orientations=2, image_size=SIZE, grid=2
    )
    assert list(block.layers) == names


def test_images_of_another_size_are_resized():
    cycles = gabor.centre_frequency(2, SIZE)
    large = energies(image(grating(cycles, 0.7, size=425), 425))
    right = energies(image(grating(cycles, 0.7)))
    inside = np.s_[0, :, 2, :]
    np.testing.assert_allclose(large[inside].mean(0), right[inside].mean(0), atol=0.25)


def test_images_do_not_depend_on_those_beside_them():
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (6, 48, 48, 3), dtype=np.uint8)
    together = gabor.describe(images, grid=8, **BANK)
    alone = gabor.describe(images[4:5], grid=8, **BANK)
    np.testing.assert_allclose(together.tokens[4], alone.tokens[0], atol=1e-4)


def test_what_is_planted_in_simulated_images_can_be_read(default_config, tmp_path):
    """Local features from tokens and not from the global vector, global ones from the latter."""
    torch.set_num_threads(1)
    simulation = default_config.simulation.model_copy(update={"global_features": 4})
    scale = scales.SCALES["tiny"]
    features = truth.draw_images(scale, simulation, 3).features[:1500]
    columns = truth.global_columns(simulation)
    experiment.write_stimuli(tmp_path / "images.h5", features, columns, scale, 3)
    import h5py

    with h5py.File(tmp_path / "images.h5") as file:
        images = file["imgBrick"][:]
    block = gabor.describe(images, scales=3, orientations=4, image_size=48, grid=8)
    local = np.setdiff1d(np.arange(16), columns)
    wanted = features[:, :16]

    def explained(x):
        x = np.column_stack([(x - x.mean(0)) / (x.std(0) + 1e-9), np.ones(len(x))])[:, :-1]
        train = slice(0, 1200)
        gram = x[train].T @ x[train] + 30 * np.eye(x.shape[1])
        predicted = x[1200:] @ np.linalg.solve(gram, x[train].T @ wanted[train])
        return 1 - np.var(wanted[1200:] - predicted, axis=0) / np.var(wanted[1200:], axis=0)

    of_tokens = explained(block.tokens.reshape(1500, -1).astype(float))
    of_global = explained(block.global_.astype(float))
    assert of_tokens[local].mean() > 0.8
    assert of_global[columns].min() > 0.95
    assert of_global[local].max() < 0.1
