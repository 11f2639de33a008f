"""The chapter on what brain samples are worth: there if its results are, and true to them."""

import re

import pypdf
import pytest

from brainworth import results
from brainworth.errors import BrainworthError
from brainworth.report import paper, published
from brainworth.report.befs import befs_figures
from brainworth.report.evidence import PARTS
from brainworth.report.numbers import estimate, number, percent, samples

TITLE = "What is one more brain sample worth?"


def write(finished, path, parts=PARTS, befs=None, pictures=None):
    """Write a PDF of RSA and some parts; returns its text, blanks joined."""
    chosen = befs or {part: finished.befs[part] for part in parts}
    paper.write(
        path,
        results=[finished.tests["rsa"], finished.planted, finished.claims, *chosen.values()],
        figures=pictures or finished.figures,
        study=finished.study,
        title="A title",
        source="simulated",
    )
    pages = [page.extract_text() for page in pypdf.PdfReader(path).pages]
    return " ".join(" ".join(pages).replace("\N{NO-BREAK SPACE}", " ").split())


def changed(finished, part, folder, change):
    """Return paths of all parts, and pictures, after a change of the data of one."""
    envelope = results.read(finished.befs[part])
    change(envelope["data"])
    path = folder / f"{part}.json"
    keys = {"study": "tiny", "rule": f"befs_{part}", "params": envelope["params"]}
    results.write(path, envelope["data"], **keys, inputs={}, seed=3)
    pictures = list(finished.figures)
    for name, (rule, _) in befs_figures.DRAWINGS.items():
        if rule == f"befs_{part}":
            png = folder / f"{name}.png"
            befs_figures.draw(name, path, png, folder / "figure.pdf")
            pictures = [png, *pictures]
    return {part: path}, pictures


@pytest.fixture(scope="module")
def text(finished, tmp_path_factory):
    return write(finished, tmp_path_factory.mktemp("befs") / "p.pdf")


@pytest.fixture(scope="module")
def data(finished):
    return {part: results.read(path)["data"] for part, path in finished.befs.items()}


def row(*cells):
    return " ".join(str(cell).replace("\N{NO-BREAK SPACE}", " ") for cell in cells)


def test_all_parts_are_there(finished, text):
    assert text.count(TITLE) >= 2, "the table at a glance and the chapter"
    assert "Lewis, L., Wang, Z., Schwab, D. & Pitkow, X. (2026)" in text
    for part, path in finished.befs.items():
        assert f"{part}.json befs_{part} {results.read(path)['digest'][:16]}" in text
    for name in befs_figures.DRAWINGS:
        assert any(path.stem == name for path in finished.figures)
    assert "no split of a budget was simulated" in text
    assert "nothing of them is calibrated to the subjects of this study" in text
    assert "not inside all intervals" in text


def test_nothing_of_it_without_its_results(finished, tmp_path):
    text = write(finished, tmp_path / "p.pdf", parts=())
    for word in ("brain sample", "befs", "Lewis", "tuned ridge", published.cite("befs")):
        assert word not in text


@pytest.mark.parametrize("part", PARTS)
def test_each_part_alone(finished, tmp_path, part):
    text = write(finished, tmp_path / "p.pdf", parts=(part,))
    assert "Worth of brain samples for learning a task" in text
    assert ("no split of a budget was simulated" in text) == (part == "budget")
    assert ("is simulated, has d = 60" in text) == (
        part in ("verification", "breakdown", "shift", "estimators")
    )
    assert text.count("Figure ") >= 2


def test_the_order_in_which_results_are_given_does_not_matter(finished, text, tmp_path):
    backwards = dict(reversed(finished.befs.items()))
    again = write(finished, tmp_path / "p.pdf", befs=backwards)
    assert again[: again.index("Provenance All")] == text[: text.index("Provenance All")]


def test_rows_of_the_values(text, data):
    for found in data["curves"]["table"]:
        cells = [f"{found[key]:g}" for key in ("misalignment", "task_snr", "hours")]
        cells += [samples(found["n_task"]), number(found["missed"]), samples(found["value"])]
        cells += [number(found["exchange_rate"], 2), number(100 * found["savings"], 1)]
        cells += [samples(found["asymptotic_value"]), samples(found["ridge_value"])]
        cells += [number(100 * found["ridge_savings"], 1)]
        cells.append("yes" if found["value_over_ridge"] > 0 else "no")
        assert row(*cells) in text


def test_rows_of_the_checks(text, data):
    found, axes = data["verification"]["summary"], data["verification"]["axes"]
    for place, n in enumerate(axes["n_brain"]):
        cells = [samples(n), number(100 * found["value_error_by_n_brain"][place], 2)]
        cells.append(number(100 * found["share_inside_interval_by_n_brain"][place], 1))
        cells.append(number(found["kappa_ratio_by_n_brain"][place]))
        assert row(*cells) in text
    stage = data["breakdown"]["stage1"]
    laws = ("resummed", "first_order", "first_order_simplified")
    errors = [number(100 * stage["largest_error"][law], 1) for law in laws]
    assert row("largest error, %", *errors) in text


def test_rows_of_shift_and_budget(text, data):
    study = data["shift"]["small"]
    for place, test in enumerate(("all inputs", "seen by the brain", "ignored by the brain")):
        cells = [test]
        for end in (0, -1):
            simulated = study["subspaces"]["simulated"]
            mean, low, high = (simulated[key][place][-1][end] for key in ("mean", "low", "high"))
            cells += [
                samples(study["axes"]["n_task"][end]),
                samples(study["subspaces"]["theory"][place][-1][end]),
                estimate(mean, [low, high], 1),
                samples(study["subspaces"]["ridge"][place][end]),
            ]
        cells.append(samples(study["subspaces"]["unlimited"][place][-1]))
        assert row(*cells) in text
    best, rules = data["budget"]["optimum"], data["budget"]["rules"]
    for place, ratio in enumerate(data["budget"]["axes"]["cost_ratio"]):
        cells = [f"{ratio:g}", number(rules[place]["favourability"], 1)]
        cells += [samples(rules[place][key]) for key in ("n_brain", "net_extra_budget")]
        keys = ("n_brain", "n_task", "extra_budget")
        cells += [samples(best[key][place][-1]) for key in keys]
        cells.append(number(100 * best["savings"][place][-1], 1))
        cells.append(samples(best["extra_budget_over_ridge"][place][-1]))
        assert row(*cells) in text


def test_sizes_of_the_simulation_are_those_of_the_results(text, data):
    assert "3 replicates of 5 trials" in text
    assert "50 bootstrap samples of the replicates" in text
    system = data["curves"]["system"]
    assert f"d = {system['d']} inputs, k = {system['k']} latents and n = {system['n']}" in text


def test_the_abstract_follows_the_verification(text, data):
    error = data["verification"]["summary"]["value_error"]
    assert f"differ from the theory by {percent(error['median'], 2)} % in the median of" in text, (
        "from JSON"
    )
    assert f"and by at most {percent(error['largest'])} %" in text


def test_statements_follow_the_values(finished, tmp_path):
    def poor(data):
        for found in data["table"]:
            found["exchange_rate"], found["value_over_ridge"], found["excess"] = 0.5, -1.0, 0.5

    befs, pictures = changed(finished, "curves", tmp_path, poor)
    text = write(finished, tmp_path / "p.pdf", befs=befs, pictures=pictures)
    n = len(results.read(befs["curves"])["data"]["table"])
    assert f"brain sample is worth 0.50 task samples, more than one in 0 of {n}" in text
    assert f"does as well or better in {n} of {n}" in text
    assert "worse than predicting nothing" not in text


def test_laws_that_hold_nowhere_are_said_to(finished, tmp_path):
    def nowhere(data):
        stage = data["stage1"]["right_to_5_percent_from"]
        stage["first_order"] = [None] * len(stage["first_order"])
        stage["first_order_simplified"][1:] = [None] * (len(stage["first_order"]) - 1)

    befs, pictures = changed(finished, "breakdown", tmp_path, nowhere)
    text = write(finished, tmp_path / "p.pdf", befs=befs, pictures=pictures)
    assert "of simulation nowhere in the range simulated" in text
    assert re.search(r"\(for 1 of \d misalignments, for the others nowhere\)", text)


def test_a_rule_without_favourability_has_a_reason(finished, tmp_path):
    def harmful(data):
        data["rules"][0] |= {"difficulty": -1.0, "favourability": None, "n_brain": 0.0}
        data["rules"][0] |= {"extra_budget": 0.0, "net_extra_budget": 0.0, "feasible": False}
        data["rules"][1]["favourability"] = 0.5

    befs, pictures = changed(finished, "budget", tmp_path, harmful)
    text = write(finished, tmp_path / "p.pdf", befs=befs, pictures=pictures)
    assert "makes the subspace miss more (ρ ≤ 0)" in text
    assert re.search(r"F is above 1 at \d of 5 costs", text)


def test_results_of_another_study_are_refused(finished, tmp_path):
    path = tmp_path / "curves.json"
    envelope = results.read(finished.befs["curves"])
    keys = {"rule": "befs_curves", "params": envelope["params"], "inputs": {}, "seed": 3}
    results.write(path, envelope["data"], study="another", **keys)
    with pytest.raises(BrainworthError, match="belongs to study another, expected tiny"):
        write(finished, tmp_path / "p.pdf", befs={"curves": path})
    assert not (tmp_path / "p.pdf").exists()


def test_figures_must_be_there_and_fit_their_results(finished, tmp_path):
    without = [path for path in finished.figures if path.stem != "befs_ridge"]
    with pytest.raises(BrainworthError, match=r"befs_ridge\.png is missing"):
        write(finished, tmp_path / "p.pdf", pictures=without)
    befs, _ = changed(finished, "shift", tmp_path, lambda data: data.update(task_snr=2.0))
    with pytest.raises(BrainworthError, match=r"befs_shift\.png was not drawn from the results"):
        write(finished, tmp_path / "p.pdf", befs=befs)


@pytest.mark.parametrize("name", befs_figures.DRAWINGS)
def test_same_results_give_the_same_bytes(finished, tmp_path, name):
    part = befs_figures.DRAWINGS[name][0].removeprefix("befs_")
    png, pdf = tmp_path / "again.png", tmp_path / "again.pdf"
    befs_figures.draw(name, finished.befs[part], png, pdf)
    assert png.read_bytes() == (finished.folder / f"{name}.png").read_bytes()
    assert pdf.read_bytes() == (finished.folder / f"{name}.pdf").read_bytes()


def test_unknown_figures_and_other_parts_are_refused(finished, tmp_path):
    places = tmp_path / "a.png", tmp_path / "a.pdf"
    with pytest.raises(BrainworthError, match="no figure 'befs_nothing'"):
        befs_figures.draw("befs_nothing", finished.befs["curves"], *places)
    with pytest.raises(BrainworthError, match="is a result of befs_budget, expected one of"):
        befs_figures.draw("befs_ridge", finished.befs["budget"], *places)
