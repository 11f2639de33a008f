"""Session files that are not kept."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from fetching import entry_of, whole

from brainworth.errors import BrainworthError
from brainworth.nsd import betas, manifest, passing, registry, store

SUBJECT, REGIONS, N = "subj03", ["V1", "faces"], 2
KEY = registry.betas_key(SUBJECT, 2)
KEYS = [
    *registry.atlas_keys(),
    *registry.subject_keys(SUBJECT, N, ["Kastner2015", "floc-faces"]),
]


@pytest.fixture
def passing_through(at_lab, lab, tiny):
    for key in KEYS:
        lab.add(key, tiny.root / key)
    return at_lab.model_copy(update={"keep_sessions": False})


def take(root, data, session=2):
    passing.take_voxels(root, SUBJECT, session, REGIONS, N, Path(data.store_dir))


def test_the_voxels_stay_and_the_session_goes(passing_through, root, tiny):
    store.fetch(KEYS, root, passing_through, "test")
    before = entry_of(passing_through, KEY)
    take(root, passing_through)
    assert not whole(passing_through, KEY).exists()
    assert entry_of(passing_through, KEY) == before
    assert whole(passing_through, registry.betas_key(SUBJECT, 1)).exists()
    assert whole(passing_through, registry.ncsnr_key(SUBJECT)).exists()
    table = betas.find_candidates(tiny.root, SUBJECT, REGIONS, [1, 2]).usable
    kept = betas.read_session(root / registry.voxels_key(SUBJECT, 2), table)
    np.testing.assert_array_equal(kept, betas.read_session(tiny.root / KEY, table))
    with h5py.File(root / registry.voxels_key(SUBJECT, 2)) as file:
        assert file.attrs["etag"] == before["etag"]


def test_the_digest_and_the_bytes_are_still_known(passing_through, root):
    store.fetch(KEYS, root, passing_through, "test")
    take(root, passing_through)
    known = manifest.acquired(Path(passing_through.store_dir), [KEY])
    assert known["bytes"] == known["bytes_received"] > 0


def test_it_is_fetched_again_when_it_is_wanted_again(passing_through, root, lab):
    store.fetch(KEYS, root, passing_through, "test")
    take(root, passing_through)
    lab.forget()
    store.fetch(KEYS, root, passing_through, "test")
    assert {request.key for request in lab.requests} == {KEY}
    take(root, passing_through)
    assert not whole(passing_through, KEY).exists()


def test_what_was_there_before_is_not_dropped(passing_through, root):
    keeping = passing_through.model_copy(update={"keep_sessions": True})
    store.fetch([KEY], root.parent / "other", keeping, "test")
    store.fetch(KEYS, root, passing_through, "test")
    take(root, passing_through)
    assert whole(passing_through, KEY).exists()


def test_what_another_study_keeps_is_not_dropped(passing_through, root):
    store.fetch(KEYS, root, passing_through, "test")
    keeping = passing_through.model_copy(update={"keep_sessions": True})
    store.fetch([KEY], root.parent / "other", keeping, "test")
    take(root, passing_through)
    assert (root.parent / "other" / KEY).exists()


def test_a_damaged_session_stays_where_it_is(passing_through, root, lab, tiny):
    damaged = (tiny.root / KEY).read_bytes()[:20_000]
    lab.add(KEY, damaged)
    store.fetch(KEYS, root, passing_through, "test")
    with pytest.raises(BrainworthError, match=r"betas_session02.hdf5 cannot be read"):
        take(root, passing_through)
    assert whole(passing_through, KEY).exists()
    assert not (root / registry.voxels_key(SUBJECT, 2)).exists()


def test_a_session_from_elsewhere(passing_through, root, tmp_path):
    with pytest.raises(BrainworthError, match=r"does not know .*betas_session02\.hdf5; fetch it"):
        passing.take_voxels(root, SUBJECT, 2, REGIONS, N, tmp_path)
