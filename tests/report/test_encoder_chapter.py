"""The chapter on the encoder: there if its results are, true to them, and whole without some."""

import copy

import encoder_study
import pytest
import typeset
from typeset import plain

from brainworth import results
from brainworth.errors import BrainworthError
from brainworth.report import overview_figure, paper, published
from brainworth.report.encoder import encoder_figures, encoder_words
from brainworth.report.evidence import ENCODER_PARTS
from brainworth.report.numbers import interval, number, whole

TITLE = "How far does an image-to-fMRI encoder get?"
HEADINGS = {
    "linear": "Ridge regression and linear probes",
    "chasm": "CHASMBrain, both stages",
    "stage1": "Other networks in the place of stage 1",
    "stage2": "Other networks in the place of stage 2",
    "clusters": "The most active voxels of an image",
    "streams": "Streams and cortical groups",
    "transfer": "Transfer to subj05",
}
SCORES = (
    *("n_images", "n_voxels", "n_constant_predictions", "mse", "mse_zero", "mse_oracle", "bound"),
    *("r2_mean", "r2_median", "r_mean", "r_median", "share_of_ceiling", "mse_recalibrated"),
    *("pattern_r", "identification"),
)


@pytest.fixture(scope="module")
def found():
    """Return the data of all parts; tests must not change it."""
    return encoder_study.run()


@pytest.fixture(scope="module")
def write(finished, tmp_path_factory):
    """Return the function that sets parts as a PDF, and returns its text, blanks joined."""

    def make(parts, *, backwards=False):
        folder = tmp_path_factory.mktemp("encoder")
        paths = encoder_study.write(folder, parts)
        pictures = encoder_study.draw(folder, paths)
        shown = [finished.tests["rsa"], finished.planted, finished.claims, *paths]
        paper.write(
            folder / "p.pdf",
            results=shown[::-1] if backwards else shown,
            figures=[*finished.figures, *pictures],
            study=finished.study,
            title="A title",
            source="simulated",
        )
        return typeset.text_of(folder / "p.pdf")

    return make


def cell(entry):
    return plain(f"{number(entry['estimate'])} {interval(entry['interval'])}")


@pytest.fixture(scope="module")
def text(found, write):
    return write(found)


@pytest.mark.parametrize("part", encoder_study.PARTS)
def test_what_the_chapter_reads_is_in_the_json(found, part):
    """Every row has a name, a label, its sizes, and the same scores; differences are paired."""
    for data in found[part]:
        results.to_plain(data, part)
        assert data["subject"] in encoder_study.SUBJECTS
        assert len({row["row"] for row in data["rows"]}) == len(data["rows"])
        for row in data["rows"]:
            if part == "streams":
                scored = [each for each in row["groups"].values() if each]
            else:
                assert row["parameters"] >= 0
                assert row["macs"] >= 0
                scored = [row[what] for what in ("stage1", "voxels") if row.get(what)]
            assert scored
            for each in scored:
                assert tuple(each) == SCORES
                low, high = each["r_mean"]["interval"]
                assert low <= each["r_mean"]["estimate"] <= high
        if part in ("stage1", "stage2", "clusters"):
            names = {row["row"] for row in data["rows"]}
            reference = data["differences"]["reference"]
            assert set(data["differences"]["rows"]) == names - {reference}
        if part == "chasm":
            assert [each["second"] for each in data["differences"]] == ["ridge"]


def test_all_parts_are_there(text):
    assert text.count(TITLE) >= 2, "the table at a glance and the chapter"
    for heading in HEADINGS.values():
        assert heading in text
    assert "Features here: gabor, not DINOv2" in text
    assert "nothing here confirms or refutes a published number" in text
    for name in ("Models of the encoder.", "Training.", "Clusters.", "Streams cut, swapped"):
        assert name in text
    assert "not told from none" not in text
    assert "nan" not in text.lower().replace("fernandes", "").split()
    assert "None" not in text


def test_the_page_of_verdicts_has_its_sentence(found, text):
    """On the first page, which the abstract follows."""
    first = text[: text.index("Abstract")]
    assert f"{TITLE} " in first
    for each in found["chasm"]:
        assert cell(each["rows"][0]["voxels"]["r_mean"]) in first
    # the foot of the second page comes first in its text
    assert "page 3 of" not in first


@pytest.mark.parametrize("part", encoder_study.PARTS)
def test_each_part_alone(found, write, part):
    alone = write({part: found[part]})
    for other, heading in HEADINGS.items():
        assert (heading in alone) == (other == part)


def test_nothing_of_it_without_its_results(write):
    alone = write({})
    for word in (TITLE, "encoder_", "CHASMBrain", "Mamba", published.cite("chasm")):
        assert word not in alone


def test_the_order_in_which_results_are_given_does_not_matter(found, write, text):
    again = write(found, backwards=True)
    assert again[: again.index("Provenance All")] == text[: text.index("Provenance All")]


def test_scores_are_those_of_the_json(found, text):
    for data in found["linear"]:
        for row in data["rows"]:
            if row["row"] == "zero":
                continue
            scores = row["voxels"]
            assert cell(scores["mse"]) in text
            assert cell(scores["r_mean"]) in text
            assert cell(scores["share_of_ceiling"]["unclipped"]) in text
        zero, oracle = (
            number(data["rows"][0]["voxels"][key]["estimate"]) for key in ("mse_zero", "mse_oracle")
        )
        assert f"{data['subject']} {zero} and {oracle}" in text
    for row in found["stage2"][0]["rows"]:
        assert whole(row["parameters"]) in text
        assert cell(row["voxels"]["mse"]) in text


def test_chasmbrain_is_compared_with_ridge_image_by_image(found, text):
    for data in found["chasm"]:
        paired = data["differences"][0]["voxels"]["r_mean"]
        said = plain(encoder_words.difference(paired))
        assert f"in {data['subject']} r " in text
        # abstract, table at a glance, and the section
        assert text.count(f"minus ridge {said}") >= 3
        ridge = next(
            row
            for each in found["linear"]
            for row in each["rows"]
            if each["subject"] == data["subject"] and row["row"] == "ridge"
        )
        ours = data["rows"][0]["voxels"]["r_mean"]["estimate"]
        assert paired["estimate"] == pytest.approx(
            ours - ridge["voxels"]["r_mean"]["estimate"], abs=1e-6
        )


def test_differences_say_whether_they_include_zero():
    told = encoder_words.difference({"estimate": 0.1, "interval": [0.05, 0.2]})
    assert "includes" not in told
    told = encoder_words.difference({"estimate": 0.1, "interval": [-0.05, 0.2]})
    assert plain(told) == "0.100 [−0.050, 0.200] (includes 0)"
    assert encoder_words.difference(None) == "not compared"


def test_published_numbers_stand_beside_their_rows_only(found, write):
    """No size of clusters here is published; a network's row has the columns that are."""
    assert "beside Table 3" not in write({"clusters": found["clusters"]})
    alone = write({"stage1": found["stage1"]})
    table = alone[alone.index("Networks of stage 1 beside Table 2") :]
    row = next(each for each in found["stage1"][0]["rows"] if each["row"] == "dual_mamba")
    cells = [row["label"], whole(row["parameters"]), number(row["macs"] / 1e6, 2)]
    cells += [number(row["stage1"][key]["estimate"]) for key in ("mse", "r_mean")]
    assert plain(" ".join([*cells, "14.60 2310.00 0.141 0.585"])) in table


def test_missing_numbers_have_reasons(found, write):
    """What cannot be had is said, everywhere it may be missing."""
    less = copy.deepcopy(found)
    gone = {"estimate": None, "interval": None, "reason": "a reason that was given"}
    for part in ("linear", "chasm", "stage2"):
        for row in less[part][0]["rows"]:
            row["voxels"]["mse_recalibrated"] = gone
            row["voxels"]["mse_oracle"] = {"estimate": None, "reason": "a reason that was given"}
            row["voxels"]["share_of_ceiling"] |= {"clipped": gone, "unclipped": gone}
    less["linear"][0]["rows"] = [
        row for row in less["linear"][0]["rows"] if row["row"] != "true_features"
    ]
    less["chasm"][0]["differences"] = []
    for part in ("stage1", "stage2", "clusters"):
        less[part][0]["differences"] = {"reference": None, "rows": {}}
    less["stage2"][0]["rows"] = less["stage2"][0]["rows"][:2]
    streams = less["streams"][0]
    for row in streams["rows"]:
        row["groups"]["higher"] = None
    for each in streams["asymmetry"]:
        each |= {"higher": None, "difference": None, "ratio": None, "reason": "too few of them"}
    for row in less["transfer"][0]["rows"]:
        row["against"] = {}
    text = write(less)
    for words in ("A reason that was given", "too few of them", "not compared", "two clusters"):
        assert words in text
    assert "None" not in text


def test_one_share_of_voxels_has_nothing_to_compare(found, write):
    less = copy.deepcopy(found["clusters"])
    less[0]["rows"] = [row for row in less[0]["rows"] if row["top"] == 1]
    assert "one share only in this study" in write({"clusters": less})


def test_figures_refuse_what_is_not_theirs(found, tmp_path):
    paths = encoder_study.write(tmp_path, {"streams": found["streams"]})[:1]
    there = (tmp_path / "a.png", tmp_path / "a.pdf")
    with pytest.raises(BrainworthError, match="there is no figure"):
        encoder_figures.draw("encoder_none", paths, *there)
    with pytest.raises(BrainworthError, match="expected one of encoder_clusters"):
        encoder_figures.draw("encoder_clusters", paths, *there)
    with pytest.raises(BrainworthError, match="one study, was given none"):
        encoder_figures.draw("encoder_streams", [], *there)
    other = tmp_path / "other"
    other.mkdir()
    more = encoder_study.write(other, {"streams": found["streams"]}, study="big")[:1]
    with pytest.raises(BrainworthError, match="big, tiny"):
        encoder_figures.draw("encoder_streams", [*paths, *more], *there)


@pytest.mark.parametrize("name", encoder_figures.DRAWINGS)
def test_same_results_give_the_same_figures(found, tmp_path, name):
    paths = encoder_study.write(tmp_path, found)
    rules = encoder_figures.DRAWINGS[name][0]
    shown = [path for path in paths if f"encoder_{path.stem.split('_')[0]}" in rules]
    for order, file in ((shown, "a"), (shown[::-1], "b")):
        encoder_figures.draw(name, order, tmp_path / f"{file}.png", tmp_path / f"{file}.pdf")
    for kind in ("png", "pdf"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def overview_of(finished, found, folder):
    """Draw the overview; returns the results that it shows, and the picture."""
    parts = {part: found[part] for part in ("linear", "chasm")}
    paths = [
        path
        for path in encoder_study.write(folder, parts)
        if path.stem.split("_")[0] in ("linear", "chasm")
    ]
    shown = [finished.tests["rsa"], finished.befs["curves"], *paths]
    overview_figure.draw(shown, finished.planted, folder / "overview.png", folder / "overview.pdf")
    return shown, folder / "overview.png"


def test_the_overview_is_in_the_paper_of_its_results(finished, found, tmp_path):
    shown, picture = overview_of(finished, found, tmp_path)
    pictures = [*finished.figures, *encoder_study.draw(tmp_path, shown[2:]), picture]
    given = [*shown, finished.planted, finished.claims]

    def text_of(results_):
        paper.write(
            tmp_path / "p.pdf",
            results=results_,
            figures=pictures,
            study=finished.study,
            title="A title",
            source="simulated",
        )
        return typeset.text_of(tmp_path / "p.pdf")

    base = results.read(finished.befs["curves"])["data"]["base"]
    text = text_of(given)
    caption = text[text.index("The three answers.") :][:500]
    assert f"in theory of {whole(base['n_task'])} task samples" in caption
    overview_figure.draw(shown, None, picture, tmp_path / "overview.pdf")
    with pytest.raises(BrainworthError, match=r"overview\.png was not drawn from the results"):
        text_of(given)


def test_the_overview_needs_all_three_answers(finished, found, tmp_path):
    shown, _ = overview_of(finished, found, tmp_path)
    with pytest.raises(BrainworthError, match="was given encoder_chasm, encoder_linear, rsa of"):
        overview_figure.draw(
            [shown[0], *shown[2:]], finished.planted, tmp_path / "b.png", tmp_path / "b.pdf"
        )
    assert not (tmp_path / "b.png").exists()


def test_parts_are_those_of_the_report():
    assert encoder_study.PARTS == ENCODER_PARTS
