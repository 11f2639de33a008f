"""Files of ROI means: what is read, what is refused, and that the tests run on them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from brainworth import cli
from brainworth.errors import BrainworthError
from brainworth.nsd import (
    betas,
    columns,
    design,
    registry,
    roi_means,
    roi_means_export,
    roi_means_import,
)

ROIS = ("V1", "V2", "V3", "hV4", "PPA", "FFA")


def means(seed=0, **changes):
    """Two sessions of 30 stimuli, each shown once a session."""
    rng = np.random.default_rng(seed)
    found = roi_means.RoiMeans(
        path=Path("subj01.h5"),
        rois=ROIS,
        responses=rng.standard_normal((60, len(ROIS))),
        session=np.repeat([1, 2], 30),
        nsd_id=np.concatenate([rng.permutation(30) + 500 for _ in range(2)]),
    )
    return dataclasses.replace(found, **changes)


def as_arrays(content):
    names = ("responses", "session", "nsd_id", "repetition", "shared")
    arrays = {name: getattr(content, name) for name in names}
    return {k: v for k, v in arrays.items() if v is not None} | {"rois": np.array(content.rois)}


@pytest.fixture
def saved(tmp_path):
    """Write arrays, some of them changed or left out (None), and return the path."""

    def save(**changes):
        arrays = as_arrays(means()) | changes
        path = tmp_path / "subj01.npz"
        np.savez(path, **{name: values for name, values in arrays.items() if values is not None})
        return path

    return save


def complaint(path):
    with pytest.raises(BrainworthError) as caught:
        roi_means.read(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_both_formats_give_the_same(tmp_path, saved):
    content = means(shared=np.ones(60, bool), repetition=np.repeat([0, 1], 30))
    roi_means.write(tmp_path / "subj01.h5", content)
    first = roi_means.read(tmp_path / "subj01.h5")
    second = roi_means.read(saved(**as_arrays(content)))
    np.testing.assert_allclose(first.responses, second.responses, atol=1e-6)
    assert first.rois == second.rois == ROIS
    for name in ("session", "nsd_id", "repetition", "shared"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert not first.simulated


@pytest.mark.parametrize("name", ["responses", "rois", "session", "nsd_id"])
def test_a_missing_array_is_named(saved, name):
    assert f"has no {name};" in complaint(saved(**{name: None}))


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_damaged_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"subj01{suffix}"
    if suffix == ".h5":
        roi_means.write(path, means())
    else:
        np.savez(path, **as_arrays(means()))
    whole = path.read_bytes()
    for content in (b"", b"not a file of numbers", whole[: len(whole) // 2], whole[:-40]):
        path.write_bytes(content)
        assert "cannot be read" in complaint(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"responses": np.zeros(60)}, r"responses has shape \(60,\)"),
        ({"responses": np.full((60, 6), "a")}, "expected numbers"),
        ({"responses": np.zeros((0, 6))}, r"shape \(0, 6\)"),
        ({"rois": np.array(["V1", "V2"])}, "expected 6 names"),
        ({"rois": np.arange(6)}, "expected 6 names"),
        ({"rois": np.array(["V1", "V1", "V3", "a", "b", "c"])}, "must be there once"),
        ({"rois": np.array(["V1", "V/2", "V3", "a", "b", "c"])}, "no slash"),
        ({"rois": np.array(["ROI means", "V2", "V3", "a", "b", "c"])}, "not be 'ROI means'"),
        ({"session": np.ones(59)}, r"session has shape \(59,\), expected \(60,\)"),
        ({"nsd_id": np.linspace(0, 9, 60)}, "nsd_id must hold whole numbers"),
        ({"nsd_id": np.r_[73_000, np.arange(59)]}, "nsd_id is 73000 in trial 0 .* 1 of them"),
        ({"nsd_id": np.r_[np.arange(59), -1]}, "nsd_id is -1 in trial 59"),
        ({"session": np.repeat([0, 1], 30)}, "sessions count from 1"),
        ({"session": np.repeat([1, 2, 1], 20)}, "session 1 follows session 2 at trial 40"),
        ({"repetition": np.zeros(60)}, "repetition must count"),
        ({"repetition": np.repeat([-1, 0], 30)}, "repetition must count"),
        ({"responses": np.full((60, 6), np.nan)}, "every region is NaN"),
    ],
)
def test_what_cannot_be_is_refused(saved, changes, said):
    assert re.search(said, complaint(saved(**changes)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_holes_are_named_by_region_and_trial(saved, value):
    responses = means().responses
    responses[[3, 17, 18, 19, 20, 40], 4] = value
    assert "PPA is NaN or infinite in 6 of 60 trials (3, 17, 18, 19, 20, ..." in complaint(
        saved(responses=responses)
    )


def test_a_session_that_repeats_another_is_refused(saved):
    responses = means().responses
    responses[30:] = responses[:30]
    assert "sessions 1 and 2 hold the same responses" in complaint(saved(responses=responses))


def test_files_are_found_by_subject(tmp_path):
    for name in ("subj01.h5", "subj02.npz"):
        (tmp_path / name).touch()
    found = roi_means.locate(tmp_path, ["subj02", "subj01"])
    assert [path.name for path in found.values()] == ["subj02.npz", "subj01.h5"]
    with pytest.raises(BrainworthError, match="no file for subj03"):
        roi_means.locate(tmp_path, ["subj01", "subj03"])
    (tmp_path / "subj01.npz").touch()
    with pytest.raises(BrainworthError, match=r"both subj01\.h5 and subj01\.npz"):
        roi_means.locate(tmp_path, ["subj01"])
    with pytest.raises(BrainworthError, match="is not a folder"):
        roi_means.locate(tmp_path / "nowhere", ["subj01"])


def matched(found, sessions="all", least=2, rois=ROIS):
    return roi_means_import.match(found, list(rois), sessions, least)


def test_stimuli_are_matched_by_what_everybody_saw():
    other = means(1)
    other.nsd_id[other.nsd_id == 503] = 9999
    other.nsd_id[np.flatnonzero(other.nsd_id == 507)[1]] = 8888
    found = {"subj01": means(), "subj02": other}
    twice = matched(found)
    assert set(twice.loc[twice["matched"], "nsd_id"]) == set(range(500, 530)) - {503, 507}
    assert set(twice.loc[twice["shared"], "nsd_id"]) == set(range(500, 530)) - {503}
    once = matched(found, sessions=1, least=1)
    assert once["session"].max() == 1
    assert (once["repetition"] == 0).all()
    counts = twice.groupby(["subject", "nsd_id"])["repetition"].agg(["min", "max", "size"])
    assert (counts["min"] == 0).all()
    assert (counts["max"] == counts["size"] - 1).all()
    with pytest.raises(BrainworthError, match="at least 3 times by all of subj01, subj02"):
        matched(found, least=3)


def test_files_that_do_not_go_together_are_refused(tmp_path):
    first = means(path=tmp_path / "a.h5")
    renamed = means(1, path=tmp_path / "b.h5", rois=(*ROIS[:5], "EBA"))
    with pytest.raises(BrainworthError, match=r"b.h5 has the regions .*EBA, but .*a.h5 has"):
        matched({"subj01": first, "subj02": renamed})
    with pytest.raises(BrainworthError, match="has no region V3ab; it has V1, V2"):
        matched({"subj01": first, "subj02": means(1)}, rois=("V1", "V3ab"))
    with pytest.raises(BrainworthError, match="one is a copy of the other"):
        matched({"subj01": first, "subj02": means(path=tmp_path / "b.h5")})
    with pytest.raises(BrainworthError, match="no array shared, and with one subject"):
        matched({"subj01": first})
    with pytest.raises(BrainworthError, match=r"some files .* say that they are simulated"):
        matched({"subj01": first, "subj02": means(1, simulated=True)})
    later = means(1, path=tmp_path / "b.h5", session=np.repeat([4, 5], 30))
    with pytest.raises(BrainworthError, match=r"b.h5 has no trial in the first 3 sessions"):
        matched({"subj01": first, "subj02": later}, sessions=3)
    alone = matched({"subj01": means(shared=np.arange(60) % 2 == 0)}, least=1)
    assert alone.loc[alone["matched"], "nsd_id"].nunique() < 30


def extract(item, path, rois=ROIS, zscore=True):
    trials = matched({"subj01": item, "subj02": means(99, rois=item.rois)}, rois=rois)
    mine = trials[trials["subject"] == "subj01"]
    return roi_means_import.write_extract(item, "subj01", mine, list(rois), zscore, path)


def test_the_extract_is_z_scored_within_sessions(tmp_path):
    item = means()
    summary = extract(item, tmp_path / "e.h5")
    assert columns.columns_of(tmp_path / "e.h5") == columns.ROI_MEANS
    pooled = betas.read_responses(tmp_path / "e.h5", columns.POOLED)
    for session in (1, 2):
        block = item.responses[item.session == session]
        expected = (block - block.mean(axis=0)) / block.std(axis=0, ddof=1)
        np.testing.assert_allclose(pooled.values[pooled.session == session], expected, atol=1e-6)
    one = betas.read_responses(tmp_path / "e.h5", "hV4")
    np.testing.assert_array_equal(one.values, pooled.values[:, [3]])
    assert summary["n_rois"] == 6
    extract(item, tmp_path / "raw.h5", rois=("FFA", "V1"), zscore=False)
    raw = betas.read_responses(tmp_path / "raw.h5", columns.POOLED).values
    np.testing.assert_allclose(raw, item.responses[:, [5, 0]], atol=1e-6)


def test_absent_and_constant_regions_are_missing_and_named(tmp_path):
    item = means()
    item.responses[:, 2] = np.nan
    item.responses[:30, 4] = 7
    summary = extract(item, tmp_path / "e.h5")
    assert summary["missing_rois"] == {
        "absent_in_the_file": ["V3"],
        "constant_in_a_session": ["PPA"],
    }
    assert betas.read_responses(tmp_path / "e.h5", "V3").values.shape == (60, 0)
    assert betas.read_responses(tmp_path / "e.h5", columns.POOLED).values.shape == (60, 4)
    assert np.isfinite(betas.read_responses(tmp_path / "e.h5", columns.POOLED).values).all()
    item.responses[:30] = 1
    item.responses[:, 2] = np.nan
    with pytest.raises(BrainworthError, match="absent, or constant in a session"):
        extract(item, tmp_path / "none.h5")
    assert not (tmp_path / "none.h5").exists()


def test_a_session_of_one_trial_cannot_be_z_scored(tmp_path):
    item = means(session=np.r_[1, np.full(59, 2)])
    with pytest.raises(BrainworthError, match="session 1 has 1 trial, and z-scoring needs 2"):
        extract(item, tmp_path / "e.h5")


def test_exported_means_are_those_of_the_voxels(tiny, tmp_path):
    path = tmp_path / "results/data/betas_subj01.h5"
    path.parent.mkdir(parents=True)
    trials = design.match(design.read_expdesign(tiny.root / registry.EXPDESIGN), {"subj01": 2}, 1)
    betas.extract(tiny.root, "subj01", ["V1", "faces"], trials, path)
    with h5py.File(path, "r+") as file:
        file["voxels/region/faces"][...] = False
    found = roi_means_export.means_of(path, simulated=True)
    values = betas.read_responses(path, "V1").values
    column = dict(zip(found.rois, found.responses.T, strict=True))
    assert set(column) == {"V1", "faces"}
    np.testing.assert_allclose(column["V1"], values.mean(axis=1), atol=1e-6)
    assert np.isnan(column["faces"]).all()
    assert found.simulated


def test_a_folder_without_extracts_is_refused(tmp_path, capsys):
    assert cli.main(["export-roi-means", str(tmp_path), str(tmp_path / "out")]) == 1
    assert "has no data/betas_*.h5" in capsys.readouterr().err


def test_the_example_of_the_documentation_writes_files_that_are_read(
    repository, tmp_path, monkeypatch
):
    text = (repository / "docs/roi-means.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/roi-means.md", "exec"), {})
    paths = roi_means.locate(tmp_path, ["subj01", "subj02", "subj03"])
    found = {subject: roi_means.read(path) for subject, path in paths.items()}
    trials = roi_means_import.match(found, ["V1", "FFA"], "all", 2)
    assert trials.loc[trials["matched"], "nsd_id"].nunique() == 60
    for name in (*roi_means.NEEDED, *roi_means.OPTIONAL):
        assert f"| `{name}` |" in text
