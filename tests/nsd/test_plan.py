"""What a study costs, before it is fetched."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from fetching import KEY

from brainworth import cli, config
from brainworth.nsd import manifest, plan, ranges, registry, rois, sizes, store, transfer
from brainworth.nsd.progress import gigabytes

REPOSITORY = Path(__file__).parents[2]
SHIPPED = ("nsd-3-sessions", "nsd-10-sessions", "nsd")
NOWHERE = Path("/nonexistent")


def study_of(name: str) -> config.Config:
    return config.load(REPOSITORY / "config.yaml", REPOSITORY / f"studies/{name}.yaml")


def made(name: str, **network) -> plan.Plan:
    return plan.make(study_of(name), plan.Network(**network), NOWHERE)


def test_a_session_file_is_as_large_as_reported():
    """subj01: 1043.7 MiB; all 284 sessions about 0.30 TB."""
    assert sizes.session_bytes("subj01") / 2**20 == pytest.approx(1043.7, rel=1e-3)
    total = sum(n * sizes.session_bytes(subject) for subject, n in registry.SESSIONS.items())
    assert total == pytest.approx(0.30e12, rel=0.02)


@pytest.mark.parametrize(
    ("share", "plausible"), [(0.99, False), (1, True), (1.1, True), (1.2, False)]
)
def test_what_a_session_file_can_measure(share, plausible):
    chunks = math.prod(registry.VOLUME_SHAPE["subj03"]) * 1500
    key = registry.betas_key("subj03", 1)
    assert (sizes.implausible(key, round(share * chunks)) is None) is (1 <= share <= 1.1)
    assert sizes.implausible(KEY, 1) is None


@pytest.mark.parametrize("name", SHIPPED)
def test_files_mode_counts_every_object_once(name):
    study, cost = study_of(name), made(name)
    keys = plan.objects_of(study)
    assert len(keys) == len(set(keys)) == cost.modes["files"].objects
    n = {subject: registry.n_sessions(subject, study.data.sessions) for subject in study.subjects}
    betas = sum(
        n[subject] * math.prod(shape) * 1500 * 1.0435
        for subject, shape in registry.VOLUME_SHAPE.items()
    )
    rest = len(keys) - sum(n.values()) - 1
    expected = betas + rest * 100_000 + 11_000_000
    assert cost.modes["files"].bytes == pytest.approx(expected, rel=1e-6)
    extracts = sum(cost.voxels[subject] * n[subject] * 750 * 4 for subject in n)
    assert cost.modes["files"].disk == cost.modes["files"].bytes + extracts


def test_ranges_mode_is_files_mode_with_other_sessions():
    cost = made("nsd-3-sessions")
    files, of_ranges = cost.modes["files"], cost.modes["ranges"]
    whole = sum(3 * sizes.session_bytes(subject) for subject in cost.voxels)
    parts = [
        ranges.estimate(registry.VOLUME_SHAPE[subject], n, 3) for subject, n in cost.voxels.items()
    ]
    assert of_ranges.bytes == files.bytes - whole + sum(part.bytes for part in parts)
    assert of_ranges.objects == files.objects


def test_time_follows_bandwidth_and_latency():
    cost = made("nsd-3-sessions", bandwidth_mbit=100, latency_ms=0).modes["files"]
    assert cost.seconds == pytest.approx(cost.bytes * 8 / 100e6)
    slow = made("nsd-3-sessions", bandwidth_mbit=1e12, latency_ms=200).modes
    data = study_of("nsd-3-sessions").data
    files, of_ranges = slow["files"], slow["ranges"]
    assert files.seconds == pytest.approx(files.requests * 0.2 / data.parallel, rel=1e-3)
    others = 2 * 108 + 108  # heads and bodies of the objects that are no session files
    expected = 0.2 * (others / data.parallel + (of_ranges.requests - others) / data.parallel_ranges)
    assert of_ranges.seconds == pytest.approx(expected, rel=1e-3)


def test_ranges_are_read_twice_where_nothing_protects_them():
    study = study_of("nsd-3-sessions")
    whole = plan.make(study, plan.Network(), NOWHERE).modes["files"].bytes

    def parts(**changes):
        data = study.data.model_copy(update=changes)
        return plan.make(study.model_copy(update={"data": data}), plan.Network(), NOWHERE).modes[
            "ranges"
        ]

    once, twice = parts(), parts(verify_ranges="twice")
    others = 108 * 100_000 - 100_000 + 11_000_000
    assert twice.bytes - others == pytest.approx(2 * (once.bytes - others), rel=1e-6)
    assert parts(endpoint_url="http://mirror.example") == twice
    assert parts(endpoint_url="https://mirror.example") == once
    assert twice.bytes < whole / 10


def test_a_small_disk_is_enough_where_sessions_are_not_kept():
    study = study_of("nsd")
    data = study.data.model_copy(update={"keep_sessions": False})
    dropped = plan.make(study.model_copy(update={"data": data}), plan.Network(), NOWHERE)
    kept = made("nsd")
    largest = max(map(sizes.session_bytes, registry.SUBJECTS))
    taken = sum(kept.voxels[subject] * n * 1500 for subject, n in kept.sessions.items())
    others = kept.modes["files"].bytes - sum(
        n * sizes.session_bytes(subject) for subject, n in kept.sessions.items()
    )
    assert dropped.modes["files"].bytes == kept.modes["files"].bytes
    assert dropped.modes["files"].disk == others + largest + taken + kept.extracts
    text = plan.table(dropped, plan.Network())
    assert "sessions are not kept; 1.25 GB more for each core beyond the first" in text


ROW = re.compile(r"^\| `studies/([\w-]+)\.yaml` \| (.*) \|$", re.MULTILINE)


def test_the_table_of_the_readme():
    rows = dict(ROW.findall((REPOSITORY / "README.md").read_text()))
    for name in SHIPPED:
        study = study_of(name)
        cost = made(name)
        small = study.data.model_copy(update={"keep_sessions": False})
        passing = plan.make(study.model_copy(update={"data": small}), plan.Network(), NOWHERE)
        cells = [str(sum(cost.sessions.values()))]
        for mode in (cost.modes["ranges"], cost.modes["files"]):
            time = plan.duration(mode.seconds)
            cells += [f"{gigabytes(mode.bytes)}, {time}", gigabytes(mode.disk)]
        cells.append(gigabytes(passing.modes["files"].disk))
        assert rows[name] == " | ".join(cells)


def test_the_requests_are_those_of_a_download(lab, at_lab, root, stretches):
    lab.add(KEY, bytes(9 * 2**20 + 1), part_size=2**20)
    store.fetch([KEY], root, at_lab, "test")
    asked = len(lab.requests)
    size = 9 * 2**20 + 1
    assert asked == plan.HEADS + -(-size // transfer.STRETCH)


def test_voxels_are_counted_where_the_regions_are_on_disk(tiny):
    study = study_of("nsd").model_copy(update={"subjects": ["subj01", "subj02"]})
    cost = plan.make(study, plan.Network(), tiny.root)
    assert cost.exact == ["subj01", "subj02"]
    for subject in cost.exact:
        assert cost.voxels[subject] == len(rois.find_voxels(tiny.root, subject, study.rois))
    assert "counted in the ROI volumes on this machine" in plan.table(cost, plan.Network())
    other = made("nsd")
    assert other.exact == []
    assert "estimated from published sizes of V1, V2 and hV4" in plan.table(other, plan.Network())


def test_estimated_voxels_follow_the_published_counts():
    # subj01: 1350 + 1433 + 687 voxels in five labels; V1 is two labels, faces four of five
    # (mTL-faces is absent in subj01), and a label counts once.
    assert sizes.estimated_voxels("subj01", ["V1"]) == round(2 * 3470 / 5)
    assert sizes.estimated_voxels("subj01", ["V1", "faces"]) == round(6 * 3470 / 5)
    assert sizes.estimated_voxels("subj05", ["faces"]) == round(5 * (1113 + 1081 + 542) / 5)


def test_what_is_in_the_store_is_not_counted_again(lab, at_lab, root):
    lab.add(registry.STIM_INFO, b"x" * 1000)
    store.fetch([KEY, registry.STIM_INFO], root, at_lab, "test")
    lab.forget()
    study = study_of("nsd-3-sessions")
    before = plan.make(study, plan.Network(), NOWHERE).modes
    cost = plan.make(study, plan.Network(), Path(at_lab.store_dir))
    assert cost.kept_objects == 2
    assert cost.kept_bytes == manifest.acquired(Path(at_lab.store_dir), [KEY])["bytes"] + 1000
    for name in ("files", "ranges"):
        assert cost.modes[name].objects == before[name].objects - 2
        assert cost.modes[name].bytes == before[name].bytes - 11_100_000
    assert lab.requests == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nsd-local", "nothing is fetched; 652 files of your tree are linked to"),
        ("full-size-simulated", "nothing is fetched; about 341.04 GB of simulated NSD is written"),
        ("human-it-rdms", "reads RDMs measured elsewhere; nothing is fetched"),
    ],
)
def test_other_sources(name, sentence, capsys):
    base, study = REPOSITORY / "config.yaml", REPOSITORY / f"studies/{name}.yaml"
    assert cli.main(["plan", str(study), "--base", str(base)]) == 0
    assert sentence in capsys.readouterr().out


def test_a_simulated_study_is_as_large_as_planned(tiny, default_config):
    study = default_config.model_copy(update={"simulation": tiny.simulation})
    planned = plan.make(study, plan.Network(), NOWHERE).modes["simulate"].disk
    written = sum(path.stat().st_size for path in tiny.root.rglob("betas_session*.hdf5"))
    written += (tiny.root / registry.STIMULI).stat().st_size
    assert planned == pytest.approx(written, rel=0.1)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (89.5, "90 s"), (600, "10 min"), (6000, "1.7 h")]
)
def test_durations(seconds, text):
    assert plan.duration(seconds) == text


@pytest.mark.parametrize("option", ["--bandwidth-mbit=0", "--latency-ms=-1"])
def test_impossible_networks(option, capsys):
    base = str(REPOSITORY / "config.yaml")
    assert cli.main(["plan", "--base", base, option]) == 1
    assert "must be above 0" in capsys.readouterr().err


def test_the_encoder_takes_the_images_and_the_streams():
    study = study_of("nsd-encoder")
    keys = plan.objects_of(study)
    assert len(keys) == len(set(keys))
    extra = [registry.STIMULI, *(registry.roi_key(one, "streams") for one in study.subjects)]
    off = study.model_copy(update={"encoder": study.encoder.model_copy(update={"run": False})})
    assert sorted(set(keys) - set(plan.objects_of(off))) == sorted(extra)
    # 36.8 GiB of images, as reported
    assert sizes.object_bytes(registry.STIMULI) / 2**30 == pytest.approx(36.8, abs=0.05)
    # nsdgeneral is a mask without a label table of the subject's own
    assert registry.label_table_key("subj01", "nsdgeneral") not in keys
    assert sizes.estimated_voxels("subj01", study.rois) == 15724
