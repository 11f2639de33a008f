"""The PDF: complete, traceable, and the same bytes for the same results."""

import ast
import dataclasses
import itertools
import json
import re
from pathlib import Path

import pypdf
import pytest

from brainworth import report, results
from brainworth.errors import BrainworthError
from brainworth.report import figures, numbers, paper, published

DECIMAL = re.compile(r"(?<![\w.])−?\d+\.\d+(?![\w.]*\w)")


def write(finished, path, *, setter=paper.write, **changes):
    keys = {
        "results": finished.results,
        "figures": finished.figures,
        "study": finished.study,
        "title": "What averaging brains loses",
        "source": "simulated" if finished.planted else "rdms",
    }
    keys |= changes
    if "claims.json" not in {Path(path).name for path in keys["results"]}:
        keys["results"] = [*keys["results"], finished.claims]
    setter(path, **keys)
    return path


def read(path):
    return [page.extract_text() for page in pypdf.PdfReader(path).pages]


def numbers_in(value):
    """All numbers of some JSON, those inside texts too."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from numbers_in(item)
    elif isinstance(value, str):
        yield from (float(text) for text in re.findall(r"\d+\.\d+", value))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


@pytest.fixture(scope="module")
def pdf(finished, tmp_path_factory):
    return write(finished, tmp_path_factory.mktemp("paper") / "tiny.pdf")


@pytest.fixture(scope="module")
def pages(pdf):
    return read(pdf)


@pytest.fixture(scope="module")
def text(pages):
    return re.sub(r"\s+", " ", " ".join(pages))


def test_same_results_give_the_same_bytes(finished, pdf, tmp_path):
    assert write(finished, tmp_path / "again.pdf").read_bytes() == pdf.read_bytes()


def test_time_of_writing_leaves_no_trace(finished, pdf, tmp_path):
    later = []
    for path in finished.results:
        envelope = json.loads(path.read_text())
        envelope["created"] = "2031-01-01T00:00:00+00:00"
        later.append(tmp_path / path.parent.name / path.name)
        later[-1].parent.mkdir(exist_ok=True)
        later[-1].write_text(json.dumps(envelope))
    again = write(finished, tmp_path / "again.pdf", results=later)
    assert again.read_bytes() == pdf.read_bytes()


def test_every_decimal_number_is_in_the_json_or_published(finished, pages):
    """In the abstract, the claims and the results, whatever is printed with decimals."""
    known = set()
    for path in finished.results:
        known |= set(numbers_in(json.loads(path.read_text())))
    known |= {1 - value for value in known if value == 0.95}
    bounds = {1 / (n + 1) for n in known if n >= 1 and n == int(n)}
    references = set(re.findall(r"\d+\.\d+", Path(published.__file__).read_text()))
    body = "\n".join(pages)
    body = body[: body.index("\nProvenance")].replace("\N{NO-BREAK SPACE}", " ")
    unknown = []
    for match in DECIMAL.finditer(body):
        word = match.group().replace("−", "-")
        decimals = len(word.split(".")[1])
        value = float(word)
        near = 0.5000001 * 10**-decimals
        found = (
            word in references
            or any(abs(value - each) <= near for each in known)
            or (decimals <= 2 and any(abs(value - 100 * each) <= near for each in known))
            or any(0 <= value - each <= 2 * near for each in bounds)
        )
        if not found:
            unknown.append(body[max(0, match.start() - 30) : match.end() + 10])
    assert not unknown


def in_order(text, *parts):
    """Whether the parts follow each other as the cells of a row do, one a line."""
    words = [re.escape(word) for part in parts for word in part.split()]
    return re.search(r"\s+".join(words), text) is not None


def cell(found, decimals=3):
    return numbers.estimate(found["estimate"], found["interval"], decimals)


def alignment_cells(region):
    rdm = region["rdm"]
    cells = [str(region["n_subjects"]), numbers.number(region["published"]["estimate"])]
    cells.append(numbers.number(rdm["correlation"]["all_stimuli"]["estimate"]))
    cells += [cell(rdm["correlation"][name]) for name in ("raw", "truncated", "aligned")]
    return [*cells, *(numbers.number(rdm["euclidean"][n]["estimate"]) for n in ("raw", "aligned"))]


def sharing_cells(region, known):
    named, found = region["identification"], region["shared_fraction"]
    bounds = [100 * bound for bound in named["interval"]]
    return [
        numbers.number(region["pattern_correlation"]["estimate"]),
        numbers.estimate(100 * named["estimate"], bounds, 1),
        numbers.percent(named["chance"]),
        numbers.p_value(named["p_familywise"], 60),
        numbers.number(region["procrustes_share"]["estimate"]),
        numbers.number(region["ridge_share"]["estimate"]),
        cell(found),
        numbers.interval(found["interval_subjects"]),
        numbers.p_value(found["p_familywise"], 60),
        *(numbers.number(r["shared_fraction"]) for r in known if r["region"] == region["region"]),
    ]


def encoding_cells(region):
    cells = [str(region["n_subjects"]), numbers.number(region["ceiling"]["estimate"], 2)]
    for who in ("individual", "population"):
        cells.append(numbers.number(region[who]["raw"]["estimate"], 2))
        cells.append(cell(region[who]["offset_slope"], 2))
        cells.append(numbers.number(region[who]["zscored"]["estimate"], 2))
    cells.append(numbers.p_value(region["population"]["offset_slope"]["p_familywise"], 60))
    return [*cells, "yes" if region["units_artefact"] else "no"]


def gap_cells(region, known):
    slope, voxels = region["slope"], region["voxelwise"]
    cells = [cell(slope, 2), numbers.count(slope["n_below_zero"], slope["n"])]
    cells.append(cell(region["gap"], 2))
    cells += [numbers.number(r["gap"], 2) for r in known if r["region"] == region["region"]]
    cells += [numbers.number(voxels[who]["estimate"], 2) for who in ("individual", "population")]
    shares = [
        numbers.number(region["of_ceiling"][who]["offset_slope"]["estimate"], 2)
        for who in ("individual", "population")
    ]
    return [*shares, *cells, cell(voxels["noise_free"], 2)]


def test_rows_hold_the_numbers_of_their_region(finished, pages):
    """Cell by cell, since among many numbers a wrong one may be found by chance."""
    text = "\n".join(pages)
    read_test = {name: results.read(path)["data"] for name, path in finished.tests.items()}
    known = results.read(finished.planted)["data"]
    for region in read_test["rsa"]["regions"]:
        found, fixed, control = region["similarity"], region["corrected"], region["mismatched"]
        observed = numbers.estimate(found["estimate"], found["interval_stimuli"]["corrected"])
        n = str(region["n_subjects"])
        over = numbers.interval(found["interval_subjects"])
        assert in_order(text, region["label"], n, observed, over)
        cells = [numbers.number(region["noise_ceiling"][b]["estimate"]) for b in ("lower", "upper")]
        cells.append(numbers.number(region["reliability"]["mean"]))
        cells.append(numbers.estimate(fixed["estimate"], fixed["interval"]["corrected"]))
        cells.append(str(fixed["n_pairs"]))
        truth = [row for row in known["rsa"] if row["region"] == region["label"]]
        cells.append(numbers.number(truth[0]["similarity"]))
        cells.append(numbers.estimate(control["estimate"], control["interval"]))
        assert in_order(text, region["label"], *cells)
    for region in read_test["rdm_gap"]["regions"]:
        found, free = region["published"], region["noise_free"]
        cells = [str(region["n_subjects"])]
        for key in ("individual", "population"):
            cells.append(numbers.estimate(found[key]["estimate"], found[key]["interval"]))
        assert in_order(text, region["region"], *cells)
        gap, own = free["gap"], free["own_advantage"]
        cells = [str(free["n_subjects"]), numbers.number(free["population"]["estimate"])]
        cells.append(numbers.estimate(gap["estimate"], gap["interval"]))
        cells += [numbers.number(own["estimate"]), numbers.interval(own["null_interval"])]
        cells.append(numbers.p_value(own["p"]))
        truth = [row for row in known["rdm_gap"] if row["region"] == region["region"]]
        if own["p_familywise"] is not None:
            cells += [numbers.p_value(own["p_familywise"]), numbers.number(truth[0]["gap"])]
        assert in_order(text, region["region"], *cells)
    for region in read_test["heteroscedasticity"]["regions"]:
        ratio, cv = region["mean"]["ratio"], region["mean"]["cv"]
        cells = [str(region["n_subjects"])]
        for found in (ratio, cv):
            p = numbers.p_value(found["rotation"]["p_familywise"], 60)
            band = numbers.interval(found["rotation"]["interval"])
            cells += [numbers.number(found["estimate"]), band, p]
        cells.append("yes" if region["called_significant_as_published"] else "no")
        true = region["mean"]["true_cv2"]
        cells.append(numbers.estimate(true["estimate"], true["interval"]))
        truth = [row for row in known["heteroscedasticity"] if row["region"] == region["region"]]
        cells.append(numbers.number(truth[0]["true_cv2"]))
        assert in_order(text, region["region"], *cells)
    for region in read_test["alignment"]["regions"]:
        assert in_order(text, region["region"], *alignment_cells(region))
        assert in_order(text, region["region"], *sharing_cells(region, known["alignment"]))
    for region in read_test["encoding_gap"]["regions"]:
        assert in_order(text, region["region"], *encoding_cells(region))
        assert in_order(text, region["region"], *gap_cells(region, known["encoding_gap"]))
    for region in read_test["fingerprinting"]["regions"]:
        cells = [str(region["n_subjects"])]
        sides = [*region["published"].values(), region["rdm"], region["profile"]]
        for found in sides:
            bounds = [100 * bound for bound in found["interval"]]
            cells.append(numbers.estimate(100 * found["accuracy"], bounds, 1))
            cells.append(numbers.p_value(found["p"]))
        assert in_order(text, region["region"], *cells)


def test_the_number_test_would_notice(finished):
    assert 0.123456 not in set(numbers_in(json.loads(finished.tests["rsa"].read_text())))
    assert DECIMAL.findall("a 0.345 [−0.012, 1.500] v2.1 1.2.3") == ["0.345", "−0.012", "1.500"]


def test_first_sentence_calls_simulated_data_simulated(text):
    after = text[text.index("Abstract") + len("Abstract") :]
    assert "simulated" in after[: after.index(".")]


def test_parts_are_there_and_bookmarked(pdf, text):
    titles = []

    def collect(entries):
        for entry in entries:
            if isinstance(entry, list):
                collect(entry)
            else:
                titles.append(entry.title)

    collect(pypdf.PdfReader(pdf).outline)
    for title in ("Abstract", "Methods", "Data", "Results", "Limitations", "Provenance"):
        assert title in titles
        assert title in text


def test_pages_are_numbered_and_name_the_study(pages):
    for number, page in enumerate(pages, start=1):
        assert f"page {number} of {len(pages)}" in page
        assert "study tiny" in page


def test_both_statements_of_the_source_are_quoted(text):
    assert "Indistinguishable from zero" in text
    assert "V1 0.45" in text
    assert "contradicts itself" in text


def test_provenance_names_every_result(finished, text):
    for path in finished.results:
        assert path.name in text
        assert results.read(path)["digest"][:16] in text


def test_inputs_and_parameters_are_printed(finished, tmp_path):
    source = results.read(finished.tests["rsa"])
    given = tmp_path / "a-file.bin"
    given.write_bytes(b"some data")
    path = tmp_path / "rsa.json"
    results.write(
        path,
        source["data"],
        study="tiny",
        rule="rsa",
        params={"erosion.rsa": {"n_permutations": 99}, "interval": 0.95},
        inputs={"rdms": given},
        seed=3,
    )
    figures.draw("rsa", path, None, tmp_path / "rsa.png", tmp_path / "figure.pdf")
    made = write(finished, tmp_path / "p.pdf", results=[path], figures=[tmp_path / "rsa.png"])
    text = " ".join(read(made))
    assert "erosion.rsa.n_permutations: 99" in text
    assert results.read(path)["inputs"]["rdms"][:12] in text


@pytest.mark.parametrize(
    "tests",
    [
        subset
        for n in (1, 2)
        for subset in itertools.combinations(
            ["rsa", "rdm_gap", "fingerprinting", "heteroscedasticity"], n
        )
    ],
)
def test_any_subset_of_tests(finished, tmp_path, tests):
    chosen = [*finished.data, *(finished.tests[test] for test in tests), finished.planted]
    text = " ".join(read(write(finished, tmp_path / "p.pdf", results=chosen)))
    assert ("Identifiability" in text) == ("fingerprinting" in tests)


def test_data_and_planted_truth_may_be_absent(finished, answer, tmp_path):
    png, rsa = tmp_path / "rsa.png", finished.tests["rsa"]
    figures.draw("rsa", rsa, None, png, tmp_path / "f.pdf")
    chosen = [rsa, answer(tmp_path, "tiny", "simulated", [rsa])]
    path = write(finished, tmp_path / "p.pdf", results=chosen, figures=[png])
    assert "Planted 0" not in " ".join(read(path))


@pytest.mark.parametrize("source", ["local", "s3"])
def test_data_of_brains_get_verdicts(finished, answer, draw, tmp_path, source):
    paths = [path for path in finished.results if path not in (finished.claims, finished.planted)]
    made = dataclasses.replace(
        finished, claims=answer(tmp_path, "tiny", source, paths), planted=None
    )
    pngs = draw(tmp_path, finished.tests, None) + finished.figures[len(finished.tests) :]
    path = write(made, tmp_path / "p.pdf", source=source, figures=pngs)
    text = " ".join(" ".join(read(path)).split())
    assert "Verdict" in text
    assert "All data in this report are simulated" not in text
    assert "Contradictory in the source; not reproduced" in text
    assert "agrees in" in text
    assert "NSF IIS-1822683" in text


@pytest.mark.parametrize("simulated", [True, False])
def test_means_of_regions(finished, tmp_path, simulated):
    matching = results.read(finished.data[0])["data"] | {"simulated": simulated}
    made = []
    for name, rule, data in (
        ("matching", "match_roi_means", matching),
        *(
            (
                f"betas_{row['subject']}",
                "import_roi_means",
                {
                    "subject": row["subject"],
                    "rois": ["V1", "PPA"],
                    "missing_rois": {"absent_in_the_file": ["PPA"], "constant_in_a_session": []},
                    "zscored": True,
                },
            )
            for row in matching["subjects"]
        ),
    ):
        made.append(tmp_path / f"{name}.json")
        keys = {"study": "tiny", "params": {}, "inputs": {}, "seed": None}
        results.write(made[-1], data, rule=rule, **keys)
    png = tmp_path / "rdm_gap.png"
    figures.draw("rdm_gap", finished.tests["rdm_gap"], None, png, tmp_path / "f.pdf")
    path = write(
        finished,
        tmp_path / "p.pdf",
        results=[*made, finished.tests["rdm_gap"]],
        figures=[png],
        source="roi_means",
    )
    text = " ".join(" ".join(read(path)).split())
    assert "mean responses of regions" in text
    assert "PPA in subj01 (absent in the file)" in text
    assert "noise and a variance that depends" not in text
    assert ("All data in this report are simulated" in text) == simulated
    assert ("NSF IIS-1822683" in text) != simulated


@pytest.mark.parametrize("n_subjects", [2, 4, 11])
@pytest.mark.parametrize("n_repeats", [None, 2])
def test_rdms_measured_elsewhere(external, tmp_path, n_subjects, n_repeats):
    made = external(n_subjects, n_repeats, label="IT & <V4>")
    text = " ".join(" ".join(read(write(made, tmp_path / "p.pdf"))).split())
    assert "IT & <V4>" in text
    assert "measured elsewhere" in text
    assert "simulated" not in text[: text.index("Methods")]
    assert "Fingerprinting" not in text
    if n_repeats is None:
        assert "There are no RDMs from disjoint parts" in text


REASONS = (
    *("The sky is blue.", "The sea is green.", "The sun is red.", "The grass is tall."),
    *("Published has gone fishing.", "Same_target has gone fishing."),
    *("Noise_free has gone fishing.", "The moon is yellow.", "The sand is white."),
)


def test_missing_numbers_have_reasons(finished, tmp_path):
    paths, pngs = [], []
    for test, path in finished.tests.items():
        data = results.read(path)["data"]
        if test == "rsa":
            region = data["regions"][0]
            region |= {"corrected": None, "corrected_reason": "the sky is blue"}
            region["reliability"], region["reliability_reason"] = None, "the sea is green"
            region["similarity"]["interval_subjects"] = None
            region["similarity"]["interval_subjects_reason"] = "the sun is red"
            for pair in region["pairs"]:
                pair["corrected"] = pair["interval"] = None
        elif test == "rdm_gap":
            data["missing_regions"] = ["words"]
            region = data["regions"][0]
            for name in ("published", "same_target", "noise_free"):
                region[f"{name}_reason"] = f"{name} has gone fishing"
            region["published"]["individual"] = region["published"]["gap"] = None
            region["same_target"] = region["noise_free"] = None
            own = data["regions"][1]["noise_free"]["own_advantage"]
            own["p_familywise"], own["p_familywise_reason"] = None, "the moon is yellow"
            data["regions"][2]["noise_free"]["own_advantage"] = None
            data["regions"][2]["noise_free"]["own_advantage_reason"] = "the sand is white"
        else:
            data["missing_regions"] = ["words"]
        if test == "fingerprinting":
            region = data["regions"][0]
            region["published"] = {"mean": None, "variance": None}
            region["published_reason"] = "the grass is tall"
            region["rdm"]["corrected_identifiability"] = None
            region["rdm"]["identifiability"]["p_familywise"] = None
        if test == "alignment":
            region = data["regions"][0]
            for name in ("shared_fraction", "ridge_share", "procrustes_share", "erosion"):
                region[name] = None
            region["share_reason"] = "the moon is blue"
            found = data["regions"][1]["shared_fraction"]
            found |= {"interval_subjects": None, "interval_subjects_reason": "the fog is thick"}
        if test == "encoding_gap":
            region = data["regions"][0]
            region |= {"gap": None, "noise_free": None, "noise_free_reason": "the ice is thin"}
            region |= {"voxelwise": None, "voxelwise_reason": "the hill is steep"}
            region |= {"of_ceiling": None, "of_ceiling_reason": "the well is dry"}
        if test == "heteroscedasticity":
            for subject in data["regions"][0]["subjects"]:
                subject["brown_forsythe"] = None
        paths.append(tmp_path / path.name)
        params = results.read(path)["params"]
        keys = {"study": "tiny", "rule": test, "params": params, "inputs": {}, "seed": 3}
        results.write(paths[-1], data, **keys)
        pngs.append(tmp_path / f"{test}.png")
        figures.draw(test, paths[-1], None, pngs[-1], tmp_path / "f.pdf")
    text = " ".join(read(write(finished, tmp_path / "p.pdf", results=paths, figures=pngs)))
    text = " ".join(text.split())
    for reason in REASONS:
        assert reason in text
    for reason in ("The moon is blue.", "The fog is thick.", "The ice is thin."):
        assert reason in text
    for reason in ("The hill is steep.", "The well is dry."):
        assert reason in text
    assert "words" in text


def test_no_text_leaves_the_page(pdf):
    for page in pypdf.PdfReader(pdf).pages:
        places = []

        def visit(text, _cm, matrix, _font, _size, places=places):
            if text.strip():
                places.append(matrix[4])

        page.extract_text(visitor_text=visit)
        assert min(places) >= 0
        assert max(places) <= page.mediabox.width


def test_results_are_required(finished, tmp_path):
    with pytest.raises(BrainworthError, match="no result of a test"):
        write(finished, tmp_path / "p.pdf", results=finished.data)
    with pytest.raises(BrainworthError, match=r"nowhere\.json does not exist"):
        write(finished, tmp_path / "p.pdf", results=[tmp_path / "nowhere.json"])
    assert not (tmp_path / "p.pdf").exists()


def test_other_studies_are_refused(finished, tmp_path):
    with pytest.raises(BrainworthError, match="belongs to study tiny, expected other"):
        write(finished, tmp_path / "p.pdf", study="other")


def test_unknown_source_is_refused(finished, tmp_path):
    with pytest.raises(BrainworthError, match="source is 'dream'"):
        write(finished, tmp_path / "p.pdf", source="dream")


def test_a_figure_must_be_there_and_fit_its_result(finished, tmp_path):
    with pytest.raises(BrainworthError, match=r"rsa\.png is missing"):
        write(finished, tmp_path / "p.pdf", figures=finished.figures[1:])
    with pytest.raises(BrainworthError, match="not drawn from the results given"):
        write(finished, tmp_path / "p.pdf", results=list(finished.tests.values()))


def test_two_results_of_one_name_are_refused(finished, tmp_path):
    with pytest.raises(BrainworthError, match="two results of this name"):
        write(finished, tmp_path / "p.pdf", results=[*finished.results, finished.tests["rsa"]])


def test_the_report_reads_json_and_imports_no_stage():
    for file in Path(report.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                assert not name.startswith(
                    (
                        *("brainworth.erosion", "brainworth.befs", "brainworth.encoder"),
                        *("brainworth.nsd", "h5py"),
                    )
                ), file
