"""The 73K matching, held against plain loops over the .mat file, and damaged design files."""

from __future__ import annotations

import collections
import io

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io

from brainworth.errors import BrainworthError
from brainworth.nsd import design, registry
from brainworth.nsd.simulate import experiment, scales


@pytest.fixture(scope="session")
def content(tiny):
    """The fields of the tiny design as MATLAB has them: doubles, ids 1-based."""
    loaded = scipy.io.loadmat(tiny.root / registry.EXPDESIGN)
    return {name: values for name, values in loaded.items() if not name.startswith("__")}


@pytest.fixture(scope="session")
def tiny_design(tiny):
    return design.read_expdesign(tiny.root / registry.EXPDESIGN)


@pytest.fixture(scope="session")
def trials(tiny, tiny_design):
    return design.match(tiny_design, tiny.sessions, 2)


def by_hand(content, sessions):
    """List (subject, session, trial, 73K id 0-based) by loops, and count shared presentations."""
    rows, seen = [], {}
    shared = {int(value) - 1 for value in content["sharedix"][0]}
    for subject, n_sessions in sessions.items():
        number = int(subject[-1])
        counts = collections.Counter()
        for session in range(1, n_sessions + 1):
            for trial in range(750):
                ten_k = int(content["masterordering"][0][(session - 1) * 750 + trial])
                nsd_id = int(content["subjectim"][number - 1][ten_k - 1]) - 1
                rows.append((subject, session, trial, nsd_id, counts[nsd_id], nsd_id in shared))
                counts[nsd_id] += 1
        seen[subject] = {nsd_id: n for nsd_id, n in counts.items() if nsd_id in shared}
    return rows, seen


@pytest.mark.parametrize("min_repetitions", [1, 2, 3])
@pytest.mark.parametrize(
    "sessions",
    [
        dict(zip(registry.SUBJECTS, (3, 3, 2, 2, 3, 2, 3, 2), strict=True)),
        {"subj05": 3, "subj02": 3},
        {"subj08": 2, "subj01": 3},
        {"subj07": 1, "subj03": 2, "subj04": 1},
    ],
)
def test_match_agrees_with_plain_loops(content, tiny_design, sessions, min_repetitions):
    table = design.match(tiny_design, sessions, min_repetitions)
    rows, seen = by_hand(content, sessions)
    columns = ["subject", "session", "trial", "nsd_id", "repetition", "shared"]
    assert list(table[columns].itertuples(index=False, name=None)) == rows
    common = [
        nsd_id
        for nsd_id in (int(value) - 1 for value in content["sharedix"][0])
        if all(seen[subject].get(nsd_id, 0) >= min_repetitions for subject in sessions)
    ]
    assert common
    assert sorted(table.loc[table["matched"], "nsd_id"].unique()) == common
    assert table["matched"].tolist() == [row[3] in set(common) for row in rows]


def test_table_has_the_promised_columns(trials):
    assert tuple(trials.columns) == design.COLUMNS


def test_more_repetitions_match_fewer_stimuli(tiny, tiny_design):
    matched = [
        set(t.loc[t["matched"], "nsd_id"])
        for t in (design.match(tiny_design, tiny.sessions, least) for least in (1, 2, 3))
    ]
    assert matched[0] > matched[1] > matched[2]


def test_full_order_shows_everything_three_times(tiny_design):
    table = design.match(tiny_design, {"subj01": 3}, 3)
    assert table.loc[table["shared"], "nsd_id"].nunique() == tiny_design.shared.size
    assert table["matched"].equals(table["shared"])
    assert set(table.groupby("nsd_id").size()) == {3}
    assert set(table["repetition"]) == {0, 1, 2}


@pytest.mark.parametrize("n", [0, 4, -1])
def test_sessions_that_the_design_lacks_are_refused(tiny_design, n):
    with pytest.raises(BrainworthError, match=rf"subj02 has {n} sessions, but the design has 1 to"):
        design.match(tiny_design, {"subj01": 3, "subj02": n}, 1)


def no_shared_in_session_1():
    """A design of two sessions in which shared images come in session 2 only."""
    order = np.repeat(np.arange(500), 3)
    order = np.concatenate([order[30:780], order[:30], order[780:]])
    own = 10 + np.arange(8 * 490).reshape(8, 490)
    images = np.hstack([np.tile(np.arange(10), (8, 1)), own])
    return design.ExpDesign(order, images, np.arange(10))


def test_subject_who_saw_nothing_shared_leaves_nothing_matched():
    table = design.match(no_shared_in_session_1(), {"subj02": 2}, 1)
    assert table.loc[table["matched"], "nsd_id"].nunique() == 10
    with pytest.raises(BrainworthError, match="no shared stimulus") as caught:
        design.match(no_shared_in_session_1(), {"subj01": 1, "subj02": 2}, 1)
    assert "by all of subj01, subj02" in str(caught.value)
    assert "lower design.min_repetitions or raise data.sessions" in str(caught.value)
    with pytest.raises(BrainworthError, match="no shared stimulus"):
        design.match(no_shared_in_session_1(), {"subj01": 1}, 1)


# Counts


def test_summary_counts_what_loops_count(content, tiny, trials):
    rows, seen = by_hand(content, tiny.sessions)
    summary = design.summarise(trials, tiny.sessions, 2, real=False)
    everywhere = [min(seen[s].get(i, 0) for s in seen) for i in seen["subj01"]]
    assert summary["n_trials"] == len(rows) == 750 * sum(tiny.sessions.values())
    assert summary["shared_in_all_subjects"] == {
        f"at_least_{k}": sum(n >= k for n in everywhere) for k in (1, 2, 3)
    }
    assert summary["n_matched"] == sum(n >= 2 for n in everywhere)
    assert summary["min_repetitions"] == 2
    assert summary["official_counts_checked"] is False
    matched = {i for i in seen["subj01"] if min(seen[s].get(i, 0) for s in seen) >= 2}
    for line in summary["subjects"]:
        mine = [row for row in rows if row[0] == line["subject"]]
        assert line["sessions"] == tiny.sessions[line["subject"]]
        assert line["trials"] == len(mine)
        assert line["images"] == len({row[3] for row in mine})
        assert line["shared_images"] == len(seen[line["subject"]])
        assert line["matched_trials"] == sum(row[3] in matched for row in mine)
        mean = line["matched_trials"] / len(matched)
        assert line["mean_repetitions_matched"] == pytest.approx(mean)
    assert [line["subject"] for line in summary["subjects"]] == list(registry.SUBJECTS)


def test_shared_in_all_is_shared_in_the_subject_with_the_fewest_sessions(tiny_design):
    sessions = {"subj01": 3, "subj04": 1, "subj06": 2}
    together = design.summarise(design.match(tiny_design, sessions, 1), sessions, 1, real=False)
    alone = design.summarise(
        design.match(tiny_design, {"subj04": 1}, 1), {"subj04": 1}, 1, real=False
    )
    assert together["shared_in_all_subjects"] == alone["shared_in_all_subjects"]


def test_order_that_is_not_common_is_noticed(tiny, trials):
    broken = trials.copy()
    shared = np.flatnonzero((broken["subject"] == "subj01") & broken["shared"])
    broken.loc[broken.index[shared], "nsd_id"] = broken.loc[broken.index[shared[0]], "nsd_id"]
    with pytest.raises(BrainworthError, match="not those of the subject with the fewest"):
        design.summarise(broken, tiny.sessions, 2, real=False)


def full_design(counts=None):
    """A design of NSD's size; `counts` sets how many shared images 30 sessions show 0..3 times."""
    scale = scales.SCALES["full"]
    order = experiment.draw_master_ordering(scale, 1) - 1
    if counts is not None:
        times = np.bincount(order[: 30 * 750], minlength=scale.images)
        first = np.concatenate([np.flatnonzero(times == k)[:n] for k, n in enumerate(counts)])
        rest = np.setdiff1d(np.arange(scale.images), first)
        rank = np.empty(scale.images, dtype=int)
        rank[np.concatenate([first, rest])] = np.arange(scale.images)
        order = rank[order]
    images = experiment.draw_subject_images(scale, 1) - 1
    return design.ExpDesign(order, images, images[0, : scale.shared])


@pytest.fixture(scope="module")
def official():
    """All trials of a design with the published counts: >= 1 907, >= 2 766, 3 times 515."""
    sessions = dict(registry.SESSIONS)
    return design.match(full_design((93, 141, 251, 515)), sessions, 2), sessions


def test_published_counts_pass(official):
    table, sessions = official
    summary = design.summarise(table, sessions, 2, real=True)
    assert summary["official_counts_checked"] is True
    assert summary["n_trials"] == 213_000
    assert summary["n_matched"] == 766
    assert list(summary["shared_in_all_subjects"].values()) == [907, 766, 515]
    assert design.OFFICIAL_COUNTS == (907, 766, 515)
    shared = {line["subject"]: line["shared_images"] for line in summary["subjects"]}
    assert [shared[f"subj0{n}"] for n in (1, 4, 8)] == [1000, 907, 907]


def test_order_of_subjects_does_not_hide_the_complete_data_set(official):
    table, sessions = official
    turned = dict(reversed(sessions.items()))
    assert design.summarise(table, turned, 2, real=True)["official_counts_checked"] is True


def test_one_image_off_the_published_counts_stops_real_data_only():
    sessions = dict(registry.SESSIONS)
    table = design.match(full_design((93, 141, 252, 514)), sessions, 2)
    assert design.summarise(table, sessions, 2, real=False)["official_counts_checked"] is False
    with pytest.raises(BrainworthError, match=r"\(907, 766, 514\).*\(907, 766, 515\)") as caught:
        design.summarise(table, sessions, 2, real=True)
    assert "fetch or simulate it again" in str(caught.value)


def test_incomplete_real_data_cannot_be_checked():
    sessions = registry.SESSIONS | {"subj01": 39}
    table = design.match(full_design(), sessions, 1)
    assert design.summarise(table, sessions, 1, real=True)["official_counts_checked"] is False


# nsd_expdesign.mat


def test_ids_are_0_based_after_reading(content, tiny_design):
    assert tiny_design.order.tolist() == (content["masterordering"][0] - 1).tolist()
    np.testing.assert_array_equal(tiny_design.images, content["subjectim"] - 1)
    assert tiny_design.shared.tolist() == (content["sharedix"][0] - 1).tolist()
    assert {a.dtype for a in vars(tiny_design).values()} == {np.dtype(np.int64)}


def refusal_of(content, tmp_path):
    path = tmp_path / "nsd_expdesign.mat"
    scipy.io.savemat(path, content)
    with pytest.raises(BrainworthError) as caught:
        design.read_expdesign(path)
    message = str(caught.value)
    assert str(path) in message
    assert "fetch or simulate it again" in message
    return message


def replaced(name, change):
    """Return a damage: copy one field and change the copy, or replace it by what is returned."""

    def damage(content):
        values = content[name].copy()
        answer = change(values)
        return content | {name: values if answer is None else answer}

    return damage


def put(place, value):
    def change(values):
        values[place] = value

    return change


def swap(values):
    values[0, [3, 4]] = values[0, [4, 3]]


def all_0_based(content):
    return content | {name: content[name] - 1 for name in ("subjectim", "sharedix")}


def one_image_more(content):
    order = np.hstack([content["masterordering"], [[751.0] * 3]])
    images = np.hstack([content["subjectim"], 10_000 + np.arange(8.0)[:, None]])
    return content | {"masterordering": order, "subjectim": images}


DAMAGES = {
    "order 0-based": (
        replaced("masterordering", lambda v: v - 1),
        "masterordering must lie in 1..750",
    ),
    "order one too high": (
        replaced("masterordering", lambda v: v + 1),
        "masterordering must lie in 1..750",
    ),
    "an image once more": (
        replaced("masterordering", lambda v: put((0, 0), v[0, 1])(v)),
        "masterordering must show every image equally often",
    ),
    "order cut": (
        replaced("masterordering", lambda v: v[:, :-750]),
        "masterordering must show every image equally often",
    ),
    "a session begun": (one_image_more, "masterordering must hold whole sessions"),
    "all 0-based": (all_0_based, "subjectim must be 1-based"),
    "images 0-based": (replaced("subjectim", lambda v: v - 1), "subjectim must be 1-based"),
    "shared 0-based": (
        replaced("sharedix", lambda v: v - 1),
        "sharedix must equal the first columns of subjectim in every row",
    ),
    "shared unsorted": (replaced("sharedix", swap), "sharedix must be ascending"),
    "shared twice": (
        replaced("sharedix", lambda v: put((0, 1), v[0, 0])(v)),
        "sharedix must be ascending",
    ),
    "shared in another order in one subject": (
        replaced("subjectim", lambda v: v.__setitem__((4, [0, 1]), v[4, [1, 0]])),
        "sharedix must equal the first columns of subjectim in every row",
    ),
    "too many shared": (
        replaced("sharedix", lambda v: np.arange(1.0, 752)[None]),
        "sharedix must name between one and all images",
    ),
    "shared one too few": (
        replaced("sharedix", lambda v: v[:, :-1]),
        "no stimulus may be seen by two subjects but the shared ones",
    ),
    "an image twice in a list": (
        replaced("subjectim", lambda v: put((2, 100), v[2, 101])(v)),
        "nor be listed twice",
    ),
    "an image in two lists": (
        replaced("subjectim", lambda v: put((2, 100), v[3, 101])(v)),
        "no stimulus may be seen by two subjects but the shared ones",
    ),
    "seven subjects": (replaced("subjectim", lambda v: v[:7]), "subjectim must have 8 rows"),
    "transposed images": (replaced("subjectim", lambda v: v.T), "subjectim must have 8 rows"),
    "a trial less in the pattern": (
        replaced("stimpattern", put((1, 2, 3), 0)),
        "stimpattern must mark 750 trials in every session",
    ),
    "a session less in the pattern": (
        replaced("stimpattern", lambda v: v[:-1]),
        "stimpattern must mark 750 trials in every session",
    ),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_violated_invariant_is_told(content, tmp_path, damage):
    change, said = DAMAGES[damage]
    assert said in refusal_of(change(content), tmp_path)


def test_undamaged_copy_is_accepted(content, tmp_path, tiny_design):
    """The tests above fail for their damage and not for how they write the file."""
    path = tmp_path / "nsd_expdesign.mat"
    scipy.io.savemat(path, content)
    np.testing.assert_array_equal(design.read_expdesign(path).images, tiny_design.images)


FIELDS = ["masterordering", "subjectim", "sharedix", "stimpattern"]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1.5])
def test_what_is_no_whole_number_is_refused(content, tmp_path, name, bad):
    place = (0,) * content[name].ndim
    message = refusal_of(replaced(name, put(place, bad))(content), tmp_path)
    assert f"{name} must hold whole numbers" in message


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize(
    "bad", [np.empty((0, 0)), "text", np.array([1 + 2j]), np.array([[1, "a"]], dtype=object)]
)
def test_what_is_no_array_of_numbers_is_refused(content, tmp_path, name, bad):
    assert f"{name} must hold numbers" in refusal_of(content | {name: bad}, tmp_path)


@pytest.mark.parametrize("name", FIELDS)
def test_missing_field_is_named(content, tmp_path, name):
    lacking = {key: values for key, values in content.items() if key != name}
    assert f"has no field {name}" in refusal_of(lacking, tmp_path)


UNREADABLE = r"cannot be read as MATLAB|has no field"


def hdf5_bytes():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        file["masterordering"] = np.arange(5.0)
    buffer.seek(0)
    buffer.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")  # as MATLAB begins a v7.3 file
    return buffer.getvalue()


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>",
        b"masterordering = [1 2 3]\n" * 100,
        bytes(2000),
        hdf5_bytes(),
    ],
)
def test_file_of_another_kind_is_refused(tmp_path, damaged):
    path = tmp_path / "nsd_expdesign.mat"
    path.write_bytes(damaged)
    with pytest.raises(BrainworthError, match=UNREADABLE) as caught:
        design.read_expdesign(path)
    assert str(path) in str(caught.value)
    assert "fetch or simulate it again" in str(caught.value)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999])
def test_truncated_file_is_refused(tiny, tmp_path, share):
    content = (tiny.root / registry.EXPDESIGN).read_bytes()
    path = tmp_path / "nsd_expdesign.mat"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BrainworthError, match=UNREADABLE) as caught:
        design.read_expdesign(path)
    assert str(path) in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(BrainworthError, match="does not exist; fetch it, or check the data folder"):
        design.read_expdesign(tmp_path / "nsd_expdesign.mat")
    with pytest.raises(BrainworthError, match=r"none\.csv does not exist; fetch it"):
        design.check_stim_info(tmp_path / "none.csv", no_shared_in_session_1())


# nsd_stim_info_merged.csv


@pytest.fixture(scope="session")
def stim_info(tiny):
    return pd.read_csv(tiny.root / registry.STIM_INFO, index_col=0)


@pytest.fixture
def check(tmp_path, tiny_design):
    """Check a table, or the bytes of one."""

    def function(table):
        path = tmp_path / "nsd_stim_info_merged.csv"
        path.write_bytes(table if isinstance(table, bytes) else table.to_csv().encode())
        design.check_stim_info(path, tiny_design)

    return function


def test_csv_agrees_with_the_mat_file(check, stim_info):
    check(stim_info)


def test_shuffled_rows_are_the_same_table(check, stim_info):
    check(stim_info.sample(frac=1, random_state=1))


def test_order_of_repetitions_within_a_row_does_not_matter(check, stim_info):
    names = {"subject3_rep0": "subject3_rep2", "subject3_rep2": "subject3_rep0"}
    check(stim_info.rename(columns=names))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.assign(nsdId=t["nsdId"] + 1), "shared1000 disagrees"),
        (lambda t: t.assign(subject4_rep1=t["subject4_rep1"] - 1), "subject4_rep0..2 disagrees"),
        (lambda t: t.assign(subject8_rep0=t["subject7_rep0"]), "subject8_rep0..2 disagrees"),
        (lambda t: t.assign(shared1000=~t["shared1000"]), "shared1000 disagrees"),
        (lambda t: t.iloc[:-1], "disagrees"),
        (lambda t: pd.concat([t, t[~t["shared1000"]].iloc[-1:]]), ": nsdId disagrees"),
        (lambda t: t.drop(columns="nsdId"), "nsdId"),
        (lambda t: t.drop(columns="subject8_rep2"), "subject8_rep2"),
        (lambda t: t.drop(columns="shared1000"), "shared1000"),
        (lambda t: t.assign(nsdId=t["nsdId"].where(t["nsdId"] != 7)), "empty cells"),
        (lambda t: t.assign(subject1_rep0=np.nan), "empty cells"),
        (lambda t: t.assign(subject1_rep0=t["subject1_rep0"].astype(str) + "x"), "text"),
    ],
)
def test_csv_that_does_not_fit_is_refused(check, stim_info, change, said, tmp_path):
    with pytest.raises(BrainworthError) as caught:
        check(change(stim_info))
    message = str(caught.value)
    assert said in message
    assert str(tmp_path / "nsd_stim_info_merged.csv") in message
    assert "fetch" in message


def test_one_wrong_trial_in_the_csv_is_noticed(check, stim_info):
    changed = stim_info.copy()
    shown = changed.index[changed["subject6_rep1"] > 0]
    pair = shown[[5, 6]]
    changed.loc[pair, "subject6_rep1"] = changed.loc[pair[::-1], "subject6_rep1"].to_numpy()
    with pytest.raises(BrainworthError, match=r"subject6_rep0\.\.2 disagrees"):
        check(changed)


def test_one_damaged_cell_among_numbers_is_told_in_a_sentence(check, stim_info):
    changed = stim_info.astype({"subject6_rep1": object})
    changed.iloc[10, changed.columns.get_loc("subject6_rep1")] = "1#7"
    with pytest.raises(BrainworthError, match="text"):
        check(changed)


def test_truncated_and_foreign_csv_is_refused(check, stim_info):
    content = stim_info.to_csv().encode()
    lines = content.splitlines(keepends=True)
    for damaged in (
        content[: len(content) // 2],
        content[:-9],
        b"".join(lines[: len(lines) // 2]),
        lines[0],
        b"",
        b"\x89HDF\r\n\x1a\n" + bytes(range(256)),
        b"<html>Not found</html>",
    ):
        with pytest.raises(BrainworthError, match="fetch"):
            check(damaged)


# The table of trials


@pytest.fixture
def parquet(tmp_path, trials):
    path = tmp_path / "stimuli.parquet"
    trials.to_parquet(path, index=False)
    return path


def test_trials_survive_the_parquet_file(parquet, trials):
    read = design.read_trials(parquet)
    for name in design.COLUMNS:
        assert read[name].tolist() == trials[name].tolist()


def test_damaged_trial_tables_are_refused(parquet, trials):
    content = parquet.read_bytes()
    for damaged in (b"", b"text", content[:-1], content[: len(content) // 2]):
        parquet.write_bytes(damaged)
        with pytest.raises(BrainworthError, match=r"stimuli\.parquet cannot be read.*run again"):
            design.read_trials(parquet)
    trials.drop(columns=["matched", "session"]).to_parquet(parquet)
    with pytest.raises(BrainworthError, match=r"stimuli\.parquet lacks session, matched; delete"):
        design.read_trials(parquet)
    parquet.unlink()
    with pytest.raises(BrainworthError, match=r"stimuli\.parquet does not exist; run the rule"):
        design.read_trials(parquet)
