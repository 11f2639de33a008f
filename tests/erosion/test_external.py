import warnings

import h5py
import numpy as np
import pytest
import scipy.io
from open_data import BRAIN_RDMS, needs_brain_rdms
from scipy.spatial.distance import squareform

from brainworth import matlab
from brainworth.erosion import external, rdms
from brainworth.errors import BrainworthError

N, S, R = 7, 3, 2
LENGTH = N * (N - 1) // 2


@pytest.fixture
def vectors():
    """RDMs of 2 sessions of 3 subjects."""
    return np.random.default_rng(4).random((R, S, LENGTH))


def save_mat(path, matrices, names=None, shape=None):
    entries = np.zeros(len(matrices), dtype=[("RDM", object), ("name", object), ("color", object)])
    for i, matrix in enumerate(matrices):
        entries[i] = (matrix, "" if names is None else names[i], np.zeros(3))
    scipy.io.savemat(path, {"RDMs": entries.reshape(shape or (1, -1)), "other": 3})
    return path


def by_session(vectors):
    """Matrices in the order subject 1 session 1, subject 1 session 2, ..."""
    return [squareform(vectors[r, s]) for s in range(S) for r in range(R)]


def save_rsatoolbox(path, vectors, **descriptors):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox.rdm import RDMs

        pattern = {"image": [f"image{i}" for i in range(N)]}
        found = RDMs(vectors, rdm_descriptors=descriptors, pattern_descriptors=pattern)
        found.save(str(path), "hdf5")
    return path


def check(content, vectors, subjects, label="IT"):
    (region,) = content.regions
    assert region.label == label
    assert region.subjects == subjects
    assert region.measure == "external"
    np.testing.assert_allclose(region.full["external"], vectors.mean(axis=0), atol=1e-15)
    if len(vectors) == 1:
        assert region.repeats is None
    else:
        np.testing.assert_array_equal(region.repeats, vectors)
    assert content.n_stimuli == N


@pytest.mark.parametrize("shape", [(1, S, R), (S, R)])
def test_matlab_by_position(tmp_path, vectors, shape):
    path = save_mat(tmp_path / "a.mat", by_session(vectors), shape=shape)
    check(external.load(path, "IT"), vectors, ("subject1", "subject2", "subject3"))


@pytest.mark.parametrize("shape", [(S,), (1, S), (S, 1), (1, S, 1)])
def test_matlab_of_one_session_takes_subjects_from_names(tmp_path, vectors, shape):
    matrices = [squareform(row) for row in vectors[0]]
    path = save_mat(tmp_path / "a.mat", matrices, ["BE", "KO", "SN"], shape)
    check(external.load(path, "IT"), vectors[:1], ("BE", "KO", "SN"))


def test_matlab_by_name_in_any_order(tmp_path, vectors):
    names = [f"hIT | {who} | Session: {r + 1}" for who in ("BE", "KO", "SN") for r in range(R)]
    order = [0, 2, 4, 1, 3, 5]
    matrices = by_session(vectors)
    path = save_mat(
        tmp_path / "a.mat", [matrices[i] for i in order], [names[i] for i in order], (1, 6)
    )
    check(external.load(path, "IT"), vectors, ("BE", "KO", "SN"))


@pytest.mark.parametrize("shape", [(1, LENGTH), (LENGTH, 1)])
def test_matlab_condensed_vectors(tmp_path, vectors, shape):
    path = save_mat(tmp_path / "a.mat", [row.reshape(shape) for row in vectors[0]])
    check(external.load(path, "IT"), vectors[:1], ("subject1", "subject2", "subject3"))


@pytest.mark.parametrize("sessions", [False, True])
@pytest.mark.parametrize("square", [False, True])
def test_numpy(tmp_path, vectors, sessions, square):
    vectors = vectors if sessions else vectors[:1]
    values = np.apply_along_axis(squareform, -1, vectors) if square else vectors
    path = tmp_path / "a.npz"
    np.savez(path, rdms=values if sessions else values[0])
    if sessions:
        with pytest.raises(BrainworthError, match="read as 2 sessions of 3 subjects; add an array"):
            external.load(path, "IT")
    else:
        check(external.load(path, "IT"), vectors, ("subject1", "subject2", "subject3"))
    names = [f"image{i}" for i in range(N)]
    np.savez(path, rdms=values if sessions else values[0], subjects=["x", "y", "z"], stimuli=names)
    content = external.load(path, "IT")
    check(content, vectors, ("x", "y", "z"))
    assert content.stimuli.tolist() == names


def test_rsatoolbox(tmp_path, vectors):
    path = save_rsatoolbox(
        tmp_path / "a.h5",
        vectors.reshape(-1, LENGTH),
        subject=["x", "y", "z"] * R,
        session=[1] * S + [2] * S,
    )
    content = external.load(path, "IT")
    check(content, vectors, ("x", "y", "z"))
    assert content.stimuli.tolist() == [f"image{i}" for i in range(N)]
    path = save_rsatoolbox(tmp_path / "b.hdf5", vectors[0], subject=[1, 2, 5])
    check(external.load(path, "IT"), vectors[:1], ("1", "2", "5"))


def test_export_opens_in_rsatoolbox_and_comes_back(tmp_path, vectors):
    from rsatoolbox.rdm import load_rdm

    region = rdms.RdmSet("V1", ("subj01", "é", "subj03"), {"correlation": vectors[0]})
    path = tmp_path / "out.h5"
    for stimuli in (np.arange(50, 50 + N), np.array([f"image {i}" for i in range(N)])):
        external.export_rsatoolbox(path, region, stimuli)
        found = load_rdm(str(path))
        np.testing.assert_array_equal(found.dissimilarities, vectors[0])
        assert found.dissimilarity_measure == "correlation"
        assert list(found.rdm_descriptors["subject"]) == ["subj01", "\\xe9", "subj03"]
        assert list(found.pattern_descriptors["stimulus"]) == stimuli.tolist()
        content = external.load(path, "IT")
        check(content, vectors[:1], ("subj01", "\\xe9", "subj03"))
        assert content.stimuli.tolist() == [str(one) for one in stimuli]


def test_loaded_rdms_survive_the_project_s_own_file(tmp_path, vectors):
    content = external.load(save_mat(tmp_path / "a.mat", by_session(vectors), shape=(S, R)), "IT")
    rdms.write(tmp_path / "own.h5", content)
    again = rdms.read(tmp_path / "own.h5")
    assert again.stimuli.tolist() == content.stimuli.tolist()
    check(again, vectors, ("subject1", "subject2", "subject3"))


@needs_brain_rdms
def test_real_rdms_of_human_it():
    content = external.load(BRAIN_RDMS, "hIT")
    (region,) = content.regions
    assert content.n_stimuli == 92
    assert region.subjects == ("BE", "KO", "SN", "TI")
    assert region.repeats.shape == (2, 4, 4186)
    raw = scipy.io.loadmat(BRAIN_RDMS)["RDMs"]
    np.testing.assert_allclose(region.repeats[1, 2], squareform(raw[0, 2, 1]["RDM"]), atol=1e-12)


def spoil(matrix, how):
    matrix = matrix.copy()
    if how == "nan":
        matrix[2, 3] = matrix[3, 2] = np.nan
    if how == "infinite":
        matrix[2, 3] = matrix[3, 2] = np.inf
    if how == "asymmetric":
        matrix[2, 3] += 0.1
    if how == "similarities":
        matrix = 1 - matrix
    if how == "constant":
        matrix = 1 - np.eye(N)
    if how == "oblong":
        matrix = matrix[:-1]
    if how == "empty":
        matrix = matrix[:0]
    if how == "complex":
        matrix = matrix + 1j
    if how == "short":
        matrix = squareform(matrix)[:-1]
    return matrix


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("nan", "holds NaN or infinity; take out"),
        ("infinite", "holds NaN or infinity; take out"),
        ("asymmetric", r"not symmetric \(largest difference 0.1\)"),
        ("similarities", r"diagonal of the RDM is not zero \(found 1\); give dissimilarities"),
        ("constant", r"is constant|has shape"),
        ("oblong", r"has shape \(6, 7\); expected a square matrix"),
        ("empty", "has shape"),
        ("complex", "holds complex128, expected real numbers"),
        ("short", "20 dissimilarities are not the upper triangle"),
    ],
)
def test_a_bad_matrix_is_named(tmp_path, vectors, how, message):
    matrices = by_session(vectors)
    matrices[3] = spoil(matrices[3], how)
    path = save_mat(tmp_path / "a.mat", matrices, shape=(S, R))
    with pytest.raises(BrainworthError, match=f"a.mat, subject2.*{message}"):
        external.load(path, "IT")


def test_negative_dissimilarities_are_kept(tmp_path, vectors):
    np.savez(tmp_path / "a.npz", rdms=vectors - 0.5, subjects=["a", "b", "c"])
    check(external.load(tmp_path / "a.npz", "IT"), vectors - 0.5, ("a", "b", "c"))


def test_subjects_that_do_not_fit_together_are_refused(tmp_path, vectors):
    matrices = by_session(vectors)
    smaller = [*matrices[:5], matrices[5][:6, :6]]
    path = save_mat(tmp_path / "a.mat", smaller, shape=(S, R))
    with pytest.raises(BrainworthError, match=r"different numbers of stimuli \(.*subject3 6\)"):
        external.load(path, "IT")
    names = ["a | BE | Session 1", "a | BE | Session 2", "a | KO | Session 1"]
    path = save_mat(tmp_path / "a.mat", matrices[:3], names)
    with pytest.raises(BrainworthError, match=r"different numbers of sessions \(BE 2, KO 1\)"):
        external.load(path, "IT")
    names[1] = names[0]
    path = save_mat(tmp_path / "a.mat", matrices[:3], names)
    with pytest.raises(BrainworthError, match="BE has two RDMs for session 1"):
        external.load(path, "IT")


def test_matlab_files_without_rdms_are_refused(tmp_path, vectors):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"x": np.ones(3), "y": "text"})
    with pytest.raises(BrainworthError, match=r"found 0 among the variables \['x', 'y'\]"):
        external.load(path, "IT")
    entry = np.zeros(2, dtype=[("RDM", object)])
    scipy.io.savemat(path, {"x": entry, "y": entry})
    with pytest.raises(BrainworthError, match="found 2 among"):
        external.load(path, "IT")
    save_mat(path, [squareform(vectors[0, 0])] * 8, shape=(2, 2, 2))
    with pytest.raises(BrainworthError, match=r"the struct array has shape \(2, 2, 2\)"):
        external.load(path, "IT")


def test_matlab_7_3_is_named(tmp_path):
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = 1
    with path.open("r+b") as handle:
        handle.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")
    with pytest.raises(BrainworthError, match=r"MATLAB 7.3 file; save it .* '-v7'"):
        external.load(path, "IT")


def test_wrong_arrays_are_refused(tmp_path, vectors):
    path = tmp_path / "a.npz"

    def message(**arrays):
        np.savez(path, **arrays)
        with pytest.raises(BrainworthError) as caught:
            external.load(path, "IT")
        return str(caught.value)

    assert "expected an array `rdms`, found ['rdm']" in message(rdm=vectors)
    assert "rdms has shape (21,)" in message(rdms=vectors[0, 0])
    assert "rdms has shape ()" in message(rdms=3)
    assert "rdms has shape (0, 21)" in message(rdms=vectors[0, :0])
    assert "subjects has shape (2,), expected (3,)" in message(rdms=vectors, subjects=["a", "b"])
    assert "two RDMs" in message(rdms=vectors[0], subjects=["a", "b", "a"])
    assert "stimuli has shape (6,), expected (7,)" in message(rdms=vectors[0], stimuli=np.arange(6))
    assert "same name" in message(rdms=vectors[0], stimuli=np.zeros(7, dtype=int))
    assert "without pickled objects" in message(rdms=np.array([vectors, None], dtype=object))
    twins = np.concatenate([vectors[0, :2], vectors[0, :1]])
    assert "subject1, session 1 and of subject3, session 1 are identical" in message(rdms=twins)
    assert "holds str" in message(rdms=vectors[0].astype(str))
    assert "holds bool" in message(rdms=vectors[0] > 0.5)


def test_rsatoolbox_files_without_subjects_are_refused(tmp_path, vectors):
    path = save_rsatoolbox(tmp_path / "a.h5", vectors[0], session=[1, 2, 3])
    with pytest.raises(BrainworthError, match="expected an RDM descriptor `subject`, found"):
        external.load(path, "IT")
    path = tmp_path / "b.h5"
    with h5py.File(path, "w") as file:
        file["something"] = 1
    with pytest.raises(BrainworthError, match="expected `dissimilarities`"):
        external.load(path, "IT")


def test_wrong_paths_are_refused(tmp_path):
    for name in ("a.csv", "a", "a.pkl"):
        with pytest.raises(BrainworthError, match=r"read from \.mat, \.npz, \.h5, \.hdf5 files"):
            external.load(tmp_path / name, "IT")
    with pytest.raises(BrainworthError, match="is not a file; correct"):
        external.load(tmp_path / "a.mat", "IT")
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(BrainworthError, match="is not a file; correct"):
        external.load(tmp_path / "folder.h5", "IT")
    for name in ("a.mat", "a.npz", "a.h5"):
        (tmp_path / name).touch()
        with pytest.raises(BrainworthError, match="is empty"):
            external.load(tmp_path / name, "IT")
        (tmp_path / name).write_bytes(b"not what it says it is" * 20)
        with pytest.raises(BrainworthError, match="cannot be read as"):
            external.load(tmp_path / name, "IT")


def test_a_pickle_is_never_opened(tmp_path):
    import pickle

    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was opened",))

    (tmp_path / "a.npz").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(BrainworthError, match="without pickled objects"):
        external.load(tmp_path / "a.npz", "IT")


@pytest.mark.parametrize(("suffix", "tries"), [(".mat", 15), (".npz", 60), (".h5", 60)])
@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
def test_damaged_files_end_in_one_sentence_or_load_whole(tmp_path, vectors, suffix, tries, damage):
    path = tmp_path / f"a{suffix}"
    if suffix == ".mat":
        save_mat(path, by_session(vectors), shape=(S, R))
    elif suffix == ".npz":
        np.savez_compressed(path, rdms=vectors, subjects=["a", "b", "c"])
    else:
        save_rsatoolbox(path, vectors[0], subject=["a", "b", "c"])
    sound = path.read_bytes()
    rng = np.random.default_rng(6)
    refused = []
    for _ in range(tries):
        data = bytearray(sound)
        if damage == "truncated":
            data = data[: rng.integers(1, len(data))]
        else:
            for place in rng.integers(0, len(data), 20):
                data[place] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            content = external.load(path, "IT")
        except BrainworthError as error:
            refused.append(str(error))
        else:
            (region,) = content.regions
            assert np.isfinite(region.full["external"]).all()
            assert region.full["external"].shape[1] == rdms.n_pairs(content.n_stimuli)
    assert len(refused) > tries / 3
    assert all(str(path) in message for message in refused)


def test_a_reader_that_crashes_ends_in_a_sentence(tmp_path, vectors, monkeypatch):
    path = save_mat(tmp_path / "a.mat", by_session(vectors), shape=(S, R))
    crash = tmp_path / "crash.sh"
    crash.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crash.chmod(0o755)
    monkeypatch.setattr(matlab.sys, "executable", str(crash))
    with pytest.raises(
        BrainworthError, match=r"cannot be read as a MATLAB file \(the reader crash"
    ):
        external.load(path, "IT")
