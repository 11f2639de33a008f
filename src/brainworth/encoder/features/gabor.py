"""Gabor energy: a model of early visual cortex that needs no weights.

A bank of Gabor filters (scales an octave apart, orientations evenly spaced) is applied to the
luminance of an image in the frequency domain. The energy of a quadrature pair, the response of a
model complex cell, ignores phase; its logarithm is averaged over the cells of a 16 x 16 grid (Kay
et al. 2008, Nature 452, 352-355, use such a pyramid to predict V1). Beside energy a token has
signed, linear channels: the mean luminance of each of its cells, and the mean red-green and
blue-yellow difference. The global vector, in the place of a class token, holds the mean and SD over
space of each channel of the 16 x 16 grid. "Layers" are bands of scales, from fine to coarse.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch.nn import functional

from brainworth.encoder.features.block import Block

GRID = 16  # cells along a side, before they are averaged to the tokens asked for
LAYERS = 4
#: Cycles an image of the finest scale, relative to its Nyquist limit; the others are octaves below.
FINEST = 0.5
_BANDWIDTH = 0.55  # SD of the radial Gaussian, relative to the centre frequency
_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
# Energy below which a response is no response: that of a contrast of half a grey level.
_FLOOR = (0.5 / 255) ** 2


def layer_names(scales: int) -> list[str]:
    """Name the bands of scales, fine to coarse."""
    return [
        f"scales {band[0] + 1}-{band[-1] + 1}" if len(band) > 1 else f"scale {band[0] + 1}"
        for band in _bands(scales)
    ]


def describe(
    images: np.ndarray, *, scales: int, orientations: int, image_size: int, grid: int
) -> Block:
    """Describe images.

    Parameters
    ----------
    images : array of shape (B, H, W, 3), uint8
        RGB.
    scales, orientations : int
        Size of the bank.
    image_size : int
        Height and width that images are brought to, in pixels; a multiple of 16.
    grid : int
        Tokens along a side: 1, 2, 4, 8 or 16.

    Returns
    -------
    Block
        `tokens` (B, grid * grid, C), with C = scales * orientations energies, then two opponent
        colours, then (16 / grid)^2 luminances, row by row; `global_` (B, 2 * (scales * orientations
        + 3)): means, then SDs. A layer has the energies of its scales: mean and SD as its global
        vector, mean as its mean token.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    if pixels.shape[-2:] != (image_size, image_size):
        pixels = functional.interpolate(
            pixels, (image_size, image_size), mode="bilinear", antialias=True, align_corners=False
        )
    red, green, blue = pixels.unbind(1)
    luminance = _LUMINANCE[0] * red + _LUMINANCE[1] * green + _LUMINANCE[2] * blue
    opponent = torch.stack([red - green, blue - (red + green) / 2], dim=1)
    energy = torch.log(_energy(luminance, scales, orientations) + _FLOOR)
    side = image_size // GRID
    cells = functional.avg_pool2d(torch.cat([energy, opponent, luminance[:, None]], dim=1), side)
    mean = cells.mean(dim=(2, 3))
    spread = cells.std(dim=(2, 3), correction=0)
    n = scales * orientations
    pooled = functional.avg_pool2d(cells[:, : n + 2], GRID // grid)
    # Each token keeps the luminance of all its cells: what is signed does not survive averaging.
    fine = functional.pixel_unshuffle(cells[:, n + 2 :], GRID // grid)
    tokens = torch.cat([pooled, fine], dim=1).flatten(2).transpose(1, 2)
    layers = {}
    for name, band in zip(layer_names(scales), _bands(scales), strict=True):
        chosen = slice(band[0] * orientations, (band[-1] + 1) * orientations)
        own = mean[:, chosen]
        layers[name] = (torch.cat([own, spread[:, chosen]], dim=1).numpy(), own.numpy())
    return Block(torch.cat([mean, spread], dim=1).numpy(), tokens.contiguous().numpy(), layers)


def centre_frequency(scale: int, image_size: int) -> float:
    """Return the cycles an image of a scale, 0 = the finest."""
    return FINEST * image_size / 2 / 2**scale


def _bands(scales: int) -> list[list[int]]:
    """Divide the scales among `LAYERS` bands, or fewer if there are not so many."""
    return [part.tolist() for part in np.array_split(np.arange(scales), min(LAYERS, scales))]


def _energy(luminance: torch.Tensor, scales: int, orientations: int) -> torch.Tensor:
    """Return the energy of every filter, shape (B, scales * orientations, H, W)."""
    size = luminance.shape[-1]
    # Mirrored at the edges: a periodic image would have edges where its borders meet.
    margin = size // 4
    padded = functional.pad(luminance[:, None], (margin,) * 4, mode="reflect")[:, 0]
    spectrum = torch.fft.fft2(padded)
    parts = []
    for scale in range(scales):
        for filter_ in _filters(scale, orientations, size, padded.shape[-1]):
            response = torch.fft.ifft2(spectrum * filter_)
            inside = response[:, margin : margin + size, margin : margin + size]
            parts.append(inside.real**2 + inside.imag**2)
    return torch.stack(parts, dim=1)


@functools.cache
def _filters(scale: int, orientations: int, size: int, padded: int) -> torch.Tensor:
    """Return the transfer functions of one scale, shape (orientations, padded, padded).

    They are zero on one half of the frequencies, so that the response is complex: its real and
    imaginary parts are a quadrature pair. A grating at the centre frequency keeps its amplitude.
    """
    cycles = torch.fft.fftfreq(padded) * size  # cycles over the width of the image
    y, x = torch.meshgrid(cycles, cycles, indexing="ij")
    centre = centre_frequency(scale, size)
    filters = []
    for number in range(orientations):
        angle = np.pi * number / orientations
        along = x * np.cos(angle) + y * np.sin(angle)
        across = -x * np.sin(angle) + y * np.cos(angle)
        spread = _BANDWIDTH * centre
        # As wide across as lets neighbours in orientation meet at half height.
        width = centre * np.tan(np.pi / 2 / max(orientations, 2)) / np.sqrt(2 * np.log(2))
        gauss = torch.exp(-((along - centre) ** 2) / (2 * spread**2) - across**2 / (2 * width**2))
        # Half of the spectrum at twice the gain: an analytic response of the amplitude's size.
        filters.append(2 * gauss * (along > 0))
    return torch.stack(filters)
