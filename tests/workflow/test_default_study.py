"""The study of config.yaml: every estimate against the planted truth, within its interval.

The study itself is run, with the seed users get, so what is asserted here is what they see. With
95 % intervals a region may miss its truth by chance; a test that is biased misses in many.
"""

import numpy as np
import pytest
from PIL import Image
from project import ROOT, copy_project

from brainworth.report import overview_figure

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = copy_project(tmp_path_factory.mktemp("default"))
    # the tables of ablations have tests of their own
    project.write_study({"encoder": {"parts": ["linear", "chasm"]}})
    project.snakemake("--cores", "2", "results", "planted")
    return project


@pytest.fixture(scope="module")
def data(project):
    return project.data("simulated")


def share_inside(found, planted) -> float:
    inside = [low <= truth <= high for (low, high), truth in zip(found, planted, strict=True)]
    return sum(inside) / len(inside)


def test_reliability_corrected_similarity(data):
    regions = data["erosion/rsa.json"]["regions"]
    truth = [item["similarity"] for item in data["erosion/planted.json"]["rsa"]]
    assert len(regions) == 13
    found = [region["corrected"]["interval"]["corrected"] for region in regions]
    assert share_inside(found, truth) > 0.9
    errors = [r["corrected"]["estimate"] - t for r, t in zip(regions, truth, strict=True)]
    assert abs(sum(errors) / len(errors)) < 0.02
    # without the correction the estimate is far below the truth: that is what the noise does
    for region, value in zip(regions, truth, strict=True):
        assert region["similarity"]["interval_stimuli"]["corrected"][1] < value
        assert region["similarity"]["p"] == pytest.approx(1 / 5001)


def test_noise_free_gap_of_rdms(data):
    regions = data["erosion/rdm_gap.json"]["regions"]
    truth = [item["gap"] for item in data["erosion/planted.json"]["rdm_gap"]]
    assert len(regions) == 13
    found = [region["noise_free"]["gap"] for region in regions]
    assert share_inside([row["interval"] for row in found], truth) > 0.9
    errors = [row["estimate"] - value for row, value in zip(found, truth, strict=True)]
    assert abs(sum(errors) / len(errors)) < 0.03
    # as published the gap is far below what was planted
    for region, value in zip(regions, truth, strict=True):
        assert region["published"]["gap"]["interval"][1] < value


def test_mismatched_stimuli_give_zero(data):
    regions = data["erosion/rsa.json"]["regions"]
    found = [region["mismatched"]["interval"] for region in regions]
    assert share_inside(found, [0.0] * len(found)) > 0.9
    assert all(abs(region["mismatched"]["estimate"]) < 0.01 for region in regions)


@pytest.mark.parametrize("feature", ["rdm", "profile"])
def test_corrected_identifiability(data, feature):
    regions = data["erosion/fingerprinting.json"]["regions"]
    truth = {
        item["region"]: item[feature] for item in data["erosion/planted.json"]["fingerprinting"]
    }
    known = [region for region in regions if region[feature]["corrected_identifiability"]]
    assert len(known) >= 10
    found = [region[feature]["corrected_identifiability"]["interval"] for region in known]
    assert share_inside(found, [truth[region["region"]] for region in known]) > 0.9
    for region in regions:
        assert region[feature]["identifiability"]["p"] < 0.05


def test_shared_fraction(data):
    regions = data["erosion/alignment.json"]["regions"]
    truth = [item["shared_fraction"] for item in data["erosion/planted.json"]["alignment"]]
    found = [region["shared_fraction"] for region in regions]
    assert len(found) == 13
    assert share_inside([each["interval"] for each in found], truth) > 0.8
    errors = [each["estimate"] - value for each, value in zip(found, truth, strict=True)]
    # a lower bound, and a close one
    assert -0.06 < sum(errors) / len(errors) < 0.01
    for region, value in zip(regions, truth, strict=True):
        assert region["ridge_share"]["interval"][1] < value
        assert region["shared_fraction"]["p_familywise"] < 0.05
        assert region["identification"]["p_familywise"] < 0.05


def test_encoding_gap(data):
    regions = data["erosion/encoding_gap.json"]["regions"]
    truth = [item["gap"] for item in data["erosion/planted.json"]["encoding_gap"]]
    assert share_inside([region["gap"]["interval"] for region in regions], truth) > 0.9
    for region in regions:
        assert region["slope"]["n_below_zero"] == 0
        assert region["population"]["offset_slope"]["p_familywise"] < 0.05


def test_true_variance(data):
    regions = data["erosion/heteroscedasticity.json"]["regions"]
    truth = [item["true_cv2"] for item in data["erosion/planted.json"]["heteroscedasticity"]]
    found = [region["mean"]["true_cv2"]["interval"] for region in regions]
    assert share_inside(found, truth) > 0.9
    for region in regions:
        for null in ("rotation", "exchange", "exchange_within_session"):
            assert region["mean"]["cv"][null]["p"] == pytest.approx(1 / 1001)


def with_interval(estimate, interval) -> str:
    return f"{estimate:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"


def readme_rows(data) -> list[str]:
    """Return the rows of the README's table, as the results have them."""
    planted = data["erosion/planted.json"]
    variance = {item["region"]: item for item in data["erosion/heteroscedasticity.json"]["regions"]}
    true_cv2 = {item["region"]: item["true_cv2"] for item in planted["heteroscedasticity"]}
    true_similarity = {item["region"]: item["similarity"] for item in planted["rsa"]}
    rows = []
    for region in data["erosion/rsa.json"]["regions"]:
        name, corrected = region["label"], region["corrected"]
        mean = variance[name]["mean"]
        cells = [
            name,
            f"{region['similarity']['estimate']:.2f}",
            with_interval(corrected["estimate"], corrected["interval"]["corrected"]),
            f"{true_similarity[name]:.2f}",
            f"{mean['ratio']['estimate']:.2f}",
            f"{mean['ratio']['rotation']['mean']:.2f}",
            with_interval(mean["true_cv2"]["estimate"], mean["true_cv2"]["interval"]),
            f"{true_cv2[name]:.2f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def readme_summary(data) -> list[str]:
    """Return the rows of the README's summary of tests: ranges over regions."""

    def across(test: str, *keys: str) -> str:
        values = []
        for region in data[f"erosion/{test}.json"]["regions"]:
            value = region
            for key in keys:
                value = value and value[key]
            if value is not None:
                values.append(value)
        return spanned(values)

    def truth(test: str, key: str) -> str:
        return spanned([row[key] for row in data["erosion/planted.json"][test]])

    def spanned(values: list[float]) -> str:
        ends = (f"{value:.2f}" for value in (min(values), max(values)))
        low, high = (end.replace("-0.00", "0.00") for end in ends)
        return low if low == high else f"{low} to {high}"

    halves, fit = "variance_reliability", ("readings", "mean_patterns_in_sample")
    own = ("steps", "own_patterns", "increment", "estimate")
    rows = [
        (
            "cross-subject RSA: similarity",
            across("rsa", "similarity", "estimate"),
            across("rsa", "similarity", "null_mean"),
            across("rsa", "corrected", "estimate"),
            truth("rsa", "similarity"),
        ),
        (
            "alignment: similarity after it; share of variance predicted by others",
            across("alignment", "published", "estimate"),
            across("alignment", "shared_fraction", "null_mean"),
            across("alignment", "shared_fraction", "estimate"),
            truth("alignment", "shared_fraction"),
        ),
        (
            "encoding gap of mean responses: population R²; gap without noise",
            across("encoding_gap", "published", "population", "estimate"),
            across("encoding_gap", "population", "offset_slope", "null_mean"),
            across("encoding_gap", "gap", "estimate"),
            truth("encoding_gap", "gap"),
        ),
        (
            "encoding gap of RDMs",
            across("rdm_gap", "published", "gap", "estimate"),
            "0",
            across("rdm_gap", "noise_free", "gap", "estimate"),
            truth("rdm_gap", "gap"),
        ),
        (
            "fingerprinting: accuracy, variance patterns; difference of RDMs",
            across("fingerprinting", "published", "variance", "accuracy"),
            "noise is shared",
            across("fingerprinting", "rdm", "corrected_identifiability", "estimate"),
            truth("fingerprinting", "rdm"),
        ),
        (
            "heteroscedasticity: Q75/Q25; CV² of the true variance",
            across("heteroscedasticity", "mean", "ratio", "estimate"),
            across("heteroscedasticity", "mean", "ratio", "rotation", "mean"),
            across("heteroscedasticity", "mean", "true_cv2", "estimate"),
            truth("heteroscedasticity", "true_cv2"),
        ),
        (
            "reliability of the variance: r of voxel halves; share common to subjects",
            across(halves, "published", "estimate"),
            across(halves, "voxel_split", "null_mean"),
            across(halves, "shared_fraction", "estimate"),
            truth(halves, "shared_fraction"),
        ),
        (
            "predictability of the variance: R² in sample; held out, own patterns",
            across("variance_predictability", *fit, "estimate"),
            across("variance_predictability", *fit, "null_mean"),
            across("variance_predictability", *own),
            truth("variance_predictability", "patterns"),
        ),
    ]
    return [f"| {' | '.join(cells)} |" for cells in rows]


def readme_encoder(data) -> list[str]:
    """Return the rows of the README's table of the encoder: voxel r and r2/NC, a pair a subject."""
    names = {
        "true_features": "ridge on the features that responses were made of",
        "ridge": "ridge on Gabor features",
        "chasm": "CHASMBrain on Gabor features",
        "global_only": "ridge on their global vector alone",
    }
    rows = []
    for name, label in names.items():
        part = "chasm" if name == "chasm" else "linear"
        cells = [label]
        for subject in ("subj01", "subj05"):
            found = data[f"encoder/{part}_{subject}.json"]["rows"]
            (voxels,) = (row["voxels"] for row in found if row["row"] == name)
            for each in (voxels["r_mean"], voxels["share_of_ceiling"]["unclipped"]):
                cells.append(with_interval(each["estimate"], each["interval"]))
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def readme_bridges(data) -> list[str]:
    """Return the rows of the README's table of what the three answer together."""
    parts = ("calibration", "decoding", "feature_spaces", "averaging")
    calibration, decoding, spaces, averaging = (data[f"bridges/{part}.json"] for part in parts)
    ratio = calibration["summary"]["overall"]["ratio"]
    headline = decoding["headline"]
    first = spaces["subjects"][0]
    (aligned,) = (each["encoding"] for each in first["spaces"] if each["space"] == "aligned")
    (cost,) = (
        each
        for each in averaging["costs"]
        if (each["inputs"], each["space"], each["encoder"])
        == ("true_features", "roi_mean", "average_of_others")
    )
    rows = [
        ("error of trained students over the calibrated prediction, all settings", ratio, 1),
        (
            f"ceiling of decoding, fitted up to {headline['largest']['n_trials']:,} trials: r of"
            " true features",
            headline["ceiling"],
            headline["planted_ceiling"],
        ),
        (
            f"share of {first['subject']}’s stimulus-driven variance explained by the aligned"
            " space",
            aligned["explained"],
            aligned["planted"],
        ),
        (
            "lost of one’s own encoder by one of the others’ average, region means",
            cost,
            cost["planted"],
        ),
    ]
    return [
        f"| {label} | {with_interval(each['estimate'], each['interval'])} | {truth:.2f} |"
        for label, each, truth in rows
    ]


def test_bridges_recover_what_was_planted(data):
    parts = ("calibration", "decoding", "feature_spaces", "averaging")
    calibration, decoding, spaces, averaging = (data[f"bridges/{part}.json"] for part in parts)
    summary = calibration["summary"]
    assert summary["overall"]["verdict"] == "holds"
    for name in ("misalignment", "gamma", "task_snr", "share_noise"):
        found = summary["recovered"][name]
        assert found["inside"] >= 0.85 * found["n"], name
    # recordings dealt to other images tell of no latents
    assert set(summary["null_ranks"]) == {0}
    headline = decoding["headline"]
    low, high = headline["ceiling"]["interval"]
    assert low < headline["planted_ceiling"] < high
    assert headline["bend"]["interval"][1] < 0
    for subject in spaces["subjects"]:
        by_name = {each["space"]: each for each in subject["spaces"]}
        for name in ("aligned", "half aligned", "misaligned"):
            encoding = by_name[name]["encoding"]
            assert encoding["explained"]["estimate"] == pytest.approx(encoding["planted"], abs=0.05)
        assert by_name["aligned"]["retrieval"]["top1"]["interval"][0] > 0.8
        assert by_name["misaligned"]["retrieval"]["top1"]["p_familywise"] > 0.05
    assert spaces["pair"]["in_every_subject"]
    costs = [each for each in averaging["costs"] if each["inputs"] == "true_features"]
    assert len(costs) == 4
    for cost in costs:
        low, high = cost["interval_subjects"]
        assert low < cost["planted"] < high
    # the simulated variance is independent of the images, and common to subjects in part
    variance = averaging["summary"]["variance"]
    assert max(variance["images"]["gain"][null]["p"] for null in ("rotation", "relabelled")) > 0.05
    assert max(variance["others"]["gain"][null]["p"] for null in ("rotation", "relabelled")) < 0.05


def test_the_encoder_between_nothing_and_the_truth(data):
    for subject in ("subj01", "subj05"):
        linear = {row["row"]: row for row in data[f"encoder/linear_{subject}.json"]["rows"]}
        chasm = data[f"encoder/chasm_{subject}.json"]
        true = linear["true_features"]["voxels"]["share_of_ceiling"]["unclipped"]
        assert true["estimate"] > 0.9
        assert true["interval"][0] < 1 < true["interval"][1]
        (row,) = chasm["rows"]
        assert row["voxels"]["mse"]["interval"][1] < row["voxels"]["mse_zero"]["interval"][0]
        assert row["voxels"]["r_mean"]["interval"][0] > 0.3
        assert [each["second"] for each in chasm["differences"]] == ["ridge"]


def test_the_figure_of_the_readme_is_of_these_results(project, tmp_path):
    results = project.folder / "results/simulated"
    shown = [results / "erosion/rsa.json", results / "befs/curves.json"]
    shown += sorted(results.glob("encoder/linear_*.json"))
    shown += sorted(results.glob("encoder/chasm_*.json"))
    drawn = tmp_path / "overview.png"
    planted = results / "erosion/planted.json"
    overview_figure.draw(shown, planted, drawn, tmp_path / "overview.pdf")
    kept, made = (
        np.asarray(Image.open(path).convert("L"), dtype=float)
        for path in (ROOT / "docs/overview.png", drawn)
    )
    assert kept.shape == made.shape
    # a moved point would change some hundred of its pixels
    assert np.count_nonzero(np.abs(kept - made) > 64) < 100, "draw docs/overview.png anew"


def test_the_readme_shows_these_results(data):
    readme = (ROOT / "README.md").read_text()
    tables = (readme_rows, readme_summary, readme_encoder, readme_bridges)
    for row in [row for table in tables for row in table(data)]:
        assert row in readme
    matched = data["data/matching.json"]["n_matched"]
    assert f"{matched} shared stimuli seen at least twice by everybody" in readme
