"""Clusters of voxels, against loops."""

from __future__ import annotations

import gzip
import math

import nibabel as nib
import numpy as np
import pytest

from brainworth.encoder import clusters
from brainworth.errors import BrainworthError

BOX = np.argwhere(np.ones((12, 10, 5)))


def test_runs_along_the_voxel_axis_as_published():
    """15,724 voxels of subj01: 524 clusters of 30, of which the last has 34."""
    labels = clusters.make("sequential", 30, np.zeros((15_724, 3)), seed=1)
    counts = np.bincount(labels)
    assert len(counts) == 524
    assert set(counts[:-1]) == {30}
    assert counts[-1] == 34
    assert np.all(np.diff(labels) >= 0)
    assert labels.dtype == np.int32


@pytest.mark.parametrize("kind", ["sequential", "compact"])
@pytest.mark.parametrize("n", [1, 4, 10, 11])
def test_few_voxels(kind, n):
    labels = clusters.make(kind, 10, BOX[:n], seed=1)
    assert labels.tolist() == [0] * n


def test_compact_clusters_are_compact():
    labels = clusters.make("compact", 20, BOX, seed=2)
    n_clusters = labels.max() + 1
    assert 25 <= n_clusters <= 30
    assert set(labels) == set(range(n_clusters))

    def spread(labels):
        return np.mean([BOX[labels == k].std(axis=0).sum() for k in range(labels.max() + 1)])

    assert spread(labels) < 0.75 * spread(clusters.make("sequential", 20, BOX, seed=2))
    # Numbered by their first voxel, the same every time, and another seed is another start.
    assert np.all(np.diff([np.flatnonzero(labels == k)[0] for k in range(n_clusters)]) > 0)
    np.testing.assert_array_equal(labels, clusters.make("compact", 20, BOX, seed=2))
    assert not np.array_equal(labels, clusters.make("compact", 20, BOX, seed=3))


def test_labels_of_an_atlas():
    atlas = np.zeros((3, 3, 3), dtype=int)
    atlas[0, 0, 0], atlas[0, 0, 1], atlas[1, 1, 1], atlas[2, 2, 2] = 40, 7, 7, -1
    ijk = np.array([[0, 0, 0], [2, 2, 2], [0, 0, 1], [1, 1, 1], [2, 0, 0]])
    # 7 and 40 are labels; what has none is the last cluster
    assert clusters.make("atlas", 10, ijk, seed=1, atlas=atlas).tolist() == [1, 2, 0, 0, 2]
    assert clusters.make("atlas", 10, ijk[[0, 2]], seed=1, atlas=atlas).tolist() == [1, 0]


def test_an_atlas_that_is_not_there_or_too_small():
    with pytest.raises(BrainworthError, match=r"need encoder\.clusters\.atlas"):
        clusters.make("atlas", 10, BOX, seed=1)
    with pytest.raises(BrainworthError, match="use one in the subject's space"):
        clusters.make("atlas", 10, BOX, seed=1, atlas=np.ones((12, 10, 4), dtype=int))


def test_an_atlas_is_read_for_a_subject(tmp_path):
    volume = np.arange(24).reshape(2, 3, 4).astype(np.int16)
    content = gzip.compress(nib.Nifti1Image(volume, np.eye(4)).to_bytes())
    (tmp_path / "subj02.nii.gz").write_bytes(content)
    path = str(tmp_path / "{subject}.nii.gz")
    np.testing.assert_array_equal(clusters.read_atlas(path, "subj02", (2, 3, 4)), volume)
    with pytest.raises(BrainworthError, match="use an atlas in the subject's own space"):
        clusters.read_atlas(path, "subj02", (2, 3, 5))
    with pytest.raises(BrainworthError, match="does not exist"):
        clusters.read_atlas(path, "subj03", (2, 3, 4))


@pytest.mark.parametrize("top", [0.05, 0.3, 0.55, 0.7, 1.0])
def test_the_mean_of_the_most_active_voxels(top):
    rng = np.random.default_rng(4)
    labels = rng.permutation(np.repeat(np.arange(6), [1, 2, 7, 7, 10, 100])).astype(np.int32)
    values = rng.normal(size=(13, 127)).astype(np.float32)
    found = clusters.aggregate(values, labels, top)
    for image in range(13):
        for cluster in range(6):
            mine = sorted(values[image, labels == cluster].tolist(), reverse=True)
            n = math.ceil(round(top * len(mine), 6))
            assert found[image, cluster] == pytest.approx(np.mean(mine[:n]), abs=1e-6)
    assert found.dtype == np.float32


def test_the_published_share_of_thirty_is_twenty_one():
    values = np.arange(30.0)[None]
    found = clusters.aggregate(values, np.zeros(30, dtype=int), 0.7)
    assert found[0, 0] == np.mean(np.arange(9, 30))


def test_an_unknown_kind():
    with pytest.raises(ValueError, match="sequential, compact or atlas"):
        clusters.make("ward", 10, BOX, seed=1)
