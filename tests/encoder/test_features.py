"""The file of features: writing it, going on after a kill, reading it, and bad input."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from brainworth.encoder.features import backends, extraction, from_file, store
from brainworth.encoder.features.block import Block
from brainworth.errors import BrainworthError
from brainworth.nsd import stimuli

IDS = np.array([2, 3, 5, 8, 13, 21, 34])
ORIGIN = store.Origin("gabor", "", {"grid": 2, "scales": 1}, ["low", "high"])


def block_of(ids):
    """Make features that say which image they are of."""
    ids = np.asarray(ids, dtype=float)
    return Block(
        ids[:, None] + [0.25, 0.5],
        ids[:, None, None] + np.arange(12).reshape(4, 3) / 16,
        {"low": (-ids[:, None], ids[:, None] * [1, 2]), "high": (ids[:, None] + 1, ids[:, None])},
    )


def write(tmp_path, describe=block_of, origin=ORIGIN, batch=3, ids=IDS):
    said = []
    store.write(
        tmp_path / "features.h5",
        ids,
        describe,
        origin,
        batch=batch,
        checkpoints=tmp_path / "checkpoints",
        say=said.append,
    )
    return said


def test_what_is_written_is_read_in_the_order_asked_for(tmp_path):
    write(tmp_path)
    asked = np.array([34, 2, 8, 34])
    found, expected = store.read(tmp_path / "features.h5", asked), block_of(asked)
    np.testing.assert_array_equal(found.nsd_id, asked)
    np.testing.assert_array_equal(found.global_, expected.global_)
    np.testing.assert_array_equal(found.tokens, expected.tokens)
    assert list(found.layers) == ["low", "high"]
    for name in found.layers:
        for one, other in zip(found.layers[name], expected.layers[name], strict=True):
            np.testing.assert_array_equal(one, other)
    assert (found.backend, found.weights_sha256) == ("gabor", "")
    assert found.tokens.dtype == np.float32
    assert store.read(tmp_path / "features.h5", asked, tokens=False).tokens.shape == (4, 0, 3)
    np.testing.assert_array_equal(store.read(tmp_path / "features.h5").nsd_id, IDS)
    assert not (tmp_path / "checkpoints").exists()
    with h5py.File(tmp_path / "features.h5") as file:
        assert file.attrs["schema"] == "brainworth-features/1"
        assert all(file[name].dtype == np.float16 for name in ("global", "tokens"))


def test_a_missing_image_is_named(tmp_path):
    write(tmp_path)
    with pytest.raises(BrainworthError, match=r"lacks 1 of the images .* nsd_id 4 "):
        store.read(tmp_path / "features.h5", [2, 4])


def test_a_changed_bit_is_noticed(tmp_path):
    write(tmp_path)
    path = tmp_path / "features.h5"
    with h5py.File(path) as file:
        place = file["tokens"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(BrainworthError, match="cannot be read"):
        store.read(path)


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_a_truncated_file_is_noticed(tmp_path, share):
    write(tmp_path)
    path = tmp_path / "features.h5"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(BrainworthError, match="delete it and run again"):
        store.read(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, 7e4])
def test_what_is_no_number_is_refused(tmp_path, value):
    def describe(ids):
        block = block_of(ids)
        block.tokens[ids == 8, 1, 2] = value
        return block

    with pytest.raises(BrainworthError, match="a token of the image of nsd_id 8 "):
        write(tmp_path, describe)
    assert not (tmp_path / "features.h5").exists()


def counting(asked, stop_at=None):
    def describe(ids):
        if stop_at is not None and stop_at in ids:
            raise KeyboardInterrupt
        asked.extend(ids.tolist())
        return block_of(ids)

    return describe


def test_it_goes_on_from_whole_batches(tmp_path):
    first, second = [], []
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, counting(first, stop_at=34))
    assert first == [2, 3, 5, 8, 13, 21]
    # One batch is damaged meanwhile: it is made again.
    damaged = tmp_path / "checkpoints" / "batch_00001.h5"
    damaged.write_bytes(damaged.read_bytes()[:-700])
    said = write(tmp_path, counting(second))
    assert second == [8, 13, 21, 34]
    assert said == ["3 of 7 images were described before, by a job that did not end"]
    write(tmp_path / "at_once")
    resumed, at_once = (p / "features.h5" for p in (tmp_path, tmp_path / "at_once"))
    assert resumed.read_bytes() == at_once.read_bytes()


def test_batches_that_a_job_which_lives_on_removes_are_made_again(tmp_path):
    """Its main process was killed, the job was started again, and ends while the second works."""

    def describe(ids):
        if 34 in ids:
            shutil.rmtree(tmp_path / "checkpoints", ignore_errors=True)
        return block_of(ids)

    write(tmp_path, describe)
    write(tmp_path / "alone")
    one, other = (p / "features.h5" for p in (tmp_path, tmp_path / "alone"))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    "other",
    [
        {"weights_sha256": "f" * 64},
        {"settings": {"grid": 2, "scales": 2}},
        {"backend": "dinov2"},
    ],
)
def test_batches_of_other_settings_or_weights_are_not_used(tmp_path, other):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, counting([], stop_at=34))
    asked = []
    write(tmp_path, counting(asked), store.Origin(**(vars(ORIGIN) | other)))
    assert asked == IDS.tolist()


def test_batches_of_other_images_are_not_used(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, counting([], stop_at=34))
    asked = []
    write(tmp_path, counting(asked), ids=IDS + 1)
    assert asked == (IDS + 1).tolist()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_features
folder = Path(sys.argv[1])
def describe(ids):
    if 21 in ids:
        os.kill(os.getpid(), signal.SIGKILL)
    return test_features.block_of(ids)
test_features.write(folder, describe, batch=1)
"""


def test_a_kill_in_the_middle(tmp_path):
    here = os.path.dirname(__file__)
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), here], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "features.h5").exists()
    asked = []
    write(tmp_path, counting(asked), batch=1)
    assert asked == [21, 34]
    write(tmp_path / "at_once", batch=1)
    assert (tmp_path / "features.h5").read_bytes() == (
        tmp_path / "at_once" / "features.h5"
    ).read_bytes()


# Standardisation


def features(rng, n=40):
    return store.Features(
        np.arange(n),
        rng.normal(3, 5, (n, 4)).astype(np.float32),
        rng.normal([1, -2, 100], [1, 2, 0.1], (n, 6, 3)).astype(np.float32),
        {"a": (rng.normal(size=(n, 2)).astype(np.float32), rng.normal(size=(n, 3)))},
        "gabor",
        "",
    )


def test_channels_are_standardised_by_training_images():
    rng = np.random.default_rng(0)
    plain, rows = features(rng), np.arange(5, 30)
    scaled = store.standardise(plain, rows)
    for values, found in ((plain.global_, scaled.global_), (plain.tokens, scaled.tokens)):
        for channel in range(values.shape[-1]):
            train = values[rows][..., channel].astype(float)
            expected = (values[..., channel] - train.mean()) / train.std()
            np.testing.assert_allclose(found[..., channel], expected, atol=2e-3)
    np.testing.assert_allclose(scaled.layers["a"][1][rows].mean(axis=0), 0, atol=1e-6)


def test_other_images_do_not_change_standardised_training_images():
    rng = np.random.default_rng(1)
    plain, rows = features(rng), np.arange(20)
    other = store.Features(**(vars(plain) | {"tokens": plain.tokens.copy()}))
    other.tokens[20:] *= 7
    one, two = store.standardise(plain, rows), store.standardise(other, rows)
    np.testing.assert_array_equal(one.tokens[:20], two.tokens[:20])
    assert not np.array_equal(one.tokens[20:], two.tokens[20:])


def test_a_channel_that_does_not_vary_becomes_zero():
    plain = features(np.random.default_rng(2))
    plain.global_[:, 1] = 5.1
    scaled = store.standardise(plain, np.arange(20))
    np.testing.assert_array_equal(scaled.global_[:, 1], 0)
    assert np.isfinite(scaled.global_).all()


# Images


def stimuli_file(path, data, name="imgBrick"):
    with h5py.File(path, "w") as file:
        file[name] = data
    return path


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(3)
    data = rng.integers(0, 256, (40, 24, 24, 3), dtype=np.uint8)
    return stimuli_file(tmp_path / "nsd_stimuli.hdf5", data), data


def test_images_are_read_in_any_order(images):
    path, data = images
    np.testing.assert_array_equal(stimuli.read_images(path, [7, 3, 7]), data[[7, 3, 7]])


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        (np.zeros((4, 8, 8, 3), np.uint8), "images", "no dataset imgBrick of uint8"),
        (np.zeros((4, 8, 8, 3), np.float32), "imgBrick", "no dataset imgBrick of uint8"),
        (np.zeros((4, 8, 8), np.uint8), "imgBrick", "no dataset imgBrick of uint8"),
        (np.zeros((4, 3, 8, 8), np.uint8), "imgBrick", "images x height x width x 3"),
        (np.zeros((3, 8, 8, 3), np.uint8), "imgBrick", r"has 3 images, and not the nsd_id 3 "),
    ],
)
def test_other_stimuli_are_refused(tmp_path, content, name, sentence):
    path = stimuli_file(tmp_path / "file.h5", content, name)
    with pytest.raises(BrainworthError, match=sentence):
        stimuli.read_images(path, [0, 3])


def test_truncated_or_missing_stimuli(images, tmp_path):
    path, _ = images
    path.write_bytes(path.read_bytes()[:30_000])
    with pytest.raises(BrainworthError, match="truncated or damaged"):
        stimuli.read_images(path, [39])
    with pytest.raises(BrainworthError, match="does not exist"):
        stimuli.read_images(tmp_path / "none.h5", [0])


# Backends


def section(**changes):
    bank = {"scales": 2, "orientations": 4, "image_size": 32}
    plain = {"backend": "gabor", "weights": None, "sha256": None, "file": None, "grid": 4}
    return plain | {"batch": 3, "gabor": bank} | changes


def extract(tmp_path, images, features, ids=IDS):
    return extraction.extract(
        tmp_path / "features.h5",
        ids,
        images,
        features,
        device="cpu",
        checkpoints=tmp_path / "checkpoints",
        say=print,
    )


def test_gabor_features_of_a_file_of_images(tmp_path, images):
    path, data = images
    said = extract(tmp_path, path, section())
    assert said["backend"] == "gabor"
    assert said["settings"] == {"grid": 4, "scales": 2, "orientations": 4, "image_size": 32}
    assert (said["n_images"], said["n_tokens"], said["n_channels"]) == (7, 16, 8 + 2 + 16)
    found = store.read(tmp_path / "features.h5", [13])
    block = backends.open_describer(section()).describe(data[13:14])
    np.testing.assert_allclose(found.tokens, block.tokens, rtol=2e-3, atol=2e-3)


def test_the_size_of_images_must_divide_into_cells():
    bank = {"scales": 1, "orientations": 2, "image_size": 40}
    with pytest.raises(BrainworthError, match="40 is no multiple of 16"):
        backends.open_describer(section(gabor=bank))


def given_file(path, **changes):
    """Write a file of features for `IDS`, in another order, as docs/features.md says."""
    ids = IDS[::-1]
    content = {
        "nsd_id": ids,
        "global": ids[:, None] * np.ones(5),
        "tokens": ids[:, None, None] + np.arange(16)[:, None] * np.ones(3),
    } | changes
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            if values is not None:
                file[name] = values
    return path


def test_features_of_a_file_are_taken_and_pooled(tmp_path):
    path = given_file(tmp_path / "given.h5")
    said = extract(tmp_path, path, section(backend="file", file=str(path), grid=2))
    assert said["backend"] == "file"
    assert len(said["weights_sha256"]) == 64
    assert said["layers"] == []
    found = store.read(tmp_path / "features.h5", [5, 34])
    np.testing.assert_array_equal(found.global_, [[5] * 5, [34] * 5])
    # 4 x 4 tokens 0..15, row by row, averaged to 2 x 2
    np.testing.assert_allclose(found.tokens[0, :, 1] - 5, [2.5, 4.5, 10.5, 12.5])


def test_layers_of_a_file(tmp_path):
    layers = {}
    for name in ("layer 12", "layer 3"):
        layers[f"layers/{name}/global"] = np.ones((7, 2))
        layers[f"layers/{name}/mean_token"] = np.ones((7, 3))
    path = given_file(tmp_path / "given.h5", **layers)
    assert from_file.check(path, IDS) == ["layer 12", "layer 3"]
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = ["layer 3", "layer 12"]
    assert from_file.check(path, IDS) == ["layer 3", "layer 12"]
    extract(tmp_path, path, section(backend="file", file=str(path)))
    assert list(store.read(tmp_path / "features.h5").layers) == ["layer 3", "layer 12"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"nsd_id": None}, "no vector nsd_id of integers"),
        ({"nsd_id": IDS * 1.0}, "no vector nsd_id of integers"),
        ({"nsd_id": np.array([2, 2, 3, 5, 8, 13, 21])}, "an nsd_id occurs twice"),
        ({"nsd_id": IDS + 1}, "lacks 6 of the 7 images of the study, the first is nsd_id 2 "),
        ({"global": None}, "no numbers 'global' of shape images x channels, 7 images"),
        ({"global": np.ones((6, 5))}, "no numbers 'global'"),
        ({"tokens": np.ones((7, 16))}, "no numbers 'tokens' of shape images x tokens x channels"),
        ({"tokens": np.ones((7, 15, 3))}, "has 15 tokens an image, expected a square number"),
        ({"tokens": np.ones((7, 9, 3))}, "has 3 x 3 tokens .* cannot be averaged to 2 x 2"),
        ({"global": np.full((7, 5), np.nan)}, "the global vector of the image of nsd_id 2 "),
        ({"layers/a/global": np.ones((7, 5))}, "no numbers 'layers/a/mean_token'"),
    ],
)
def test_other_files_are_refused(tmp_path, changes, sentence):
    path = given_file(tmp_path / "given.h5", **changes)
    with pytest.raises(BrainworthError, match=sentence):
        extract(tmp_path, path, section(backend="file", file=str(path), grid=2))


def test_no_file_or_no_hdf5(tmp_path):
    with pytest.raises(BrainworthError, match=r"does not exist; docs/features\.md says"):
        from_file.check(tmp_path / "none.h5", IDS)
    (tmp_path / "text.h5").write_text("features")
    with pytest.raises(BrainworthError, match="cannot be read as HDF5"):
        from_file.check(tmp_path / "text.h5", IDS)


def test_a_file_cannot_describe_new_images():
    with pytest.raises(BrainworthError, match="set it to gabor or dinov2"):
        backends.open_describer(section(backend="file", file="x.h5"))


def test_the_example_of_the_manual(repository, tmp_path, monkeypatch):
    """docs/features.md, as written, with fewer images."""
    page = (repository / "docs/features.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    given = {"class_tokens": rng.random((30, 768)), "patches": rng.random((30, 256, 768))}
    exec(example.replace("73000)\n", "30)\n"), given)
    assert from_file.check(tmp_path / "features.h5", np.array([3, 29])) == []
    block = from_file.describe(tmp_path / "features.h5", np.array([29, 3]), grid=16)
    np.testing.assert_allclose(block.global_, given["class_tokens"][[29, 3]], rtol=1e-3)
    with pytest.raises(BrainworthError, match="lacks 1 of the 2 images"):
        from_file.check(tmp_path / "features.h5", np.array([3, 30]))
