"""Figures: from JSON only, the same bytes each time, and readable."""

import json

import pytest
from matplotlib.text import Text
from PIL import Image

from brainworth import results
from brainworth.errors import BrainworthError
from brainworth.report import figures, style

#: Tests that read no data: their truth is known, not planted.
OWN_TRUTH = {"direction_erosion"}


def drawing(finished, test, planted=True):
    data = results.read(finished.tests[test])["data"]
    known = {}
    if planted and finished.planted:
        known = {row["region"]: row for row in results.read(finished.planted)["data"][test]}
    with style.applied():
        figure = figures.DRAWINGS[test](data, known)
        figure.canvas.draw()
        return figure


def texts(figure):
    unseen = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high:
                    unseen |= {tick.label1, tick.label2}
    found = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    found = [text for text in found if text not in unseen]
    return [(text, text.get_window_extent()) for text in found]


def assert_readable(figure):
    for text, box in texts(figure):
        assert text.get_fontsize() >= 7, text.get_text()
        assert box.x0 >= -0.5, text.get_text()
        assert box.y0 >= -0.5, text.get_text()
        assert box.x1 <= figure.bbox.x1 + 0.5, text.get_text()
        assert box.y1 <= figure.bbox.y1 + 0.5, text.get_text()
    boxes = texts(figure)
    for i, (one, a) in enumerate(boxes):
        for other, b in boxes[:i]:
            assert not a.shrunk(0.9, 0.9).overlaps(b.shrunk(0.9, 0.9)), (
                one.get_text(),
                other.get_text(),
            )


@pytest.mark.parametrize("test", figures.DRAWINGS)
@pytest.mark.parametrize("planted", [True, False])
def test_no_text_is_small_clipped_or_covered(finished, test, planted):
    assert_readable(drawing(finished, test, planted))


@pytest.mark.parametrize("n_subjects", [2, 4, 8, 10, 11])
@pytest.mark.parametrize("n_repeats", [None, 2])
def test_pairs_of_subjects_are_readable(external, n_subjects, n_repeats):
    assert_readable(drawing(external(n_subjects, n_repeats), "rsa"))


@pytest.mark.parametrize("test", [test for test in figures.DRAWINGS if test not in OWN_TRUTH])
def test_planted_truth_is_labelled_only_where_it_is_known(finished, test):
    labels = {text.get_text() for text, _ in texts(drawing(finished, test, True))}
    assert "planted truth" in labels
    labels = {text.get_text() for text, _ in texts(drawing(finished, test, False))}
    assert "planted truth" not in labels


@pytest.mark.parametrize("test", figures.DRAWINGS)
def test_same_results_give_the_same_bytes(finished, test, tmp_path):
    png, pdf = tmp_path / "again.png", tmp_path / "again.pdf"
    figures.draw(test, finished.tests[test], finished.planted, png, pdf)
    assert png.read_bytes() == (finished.folder / f"{test}.png").read_bytes()
    assert pdf.read_bytes() == (finished.folder / f"{test}.pdf").read_bytes()


def test_resolution_suits_print(finished):
    with Image.open(finished.figures[0]) as image:
        assert min(image.info["dpi"]) >= 200


def test_missing_numbers_leave_gaps(finished):
    for test, path in finished.tests.items():
        data = results.read(path)["data"]
        for region in data.get("regions", []):
            if test == "rsa":
                region["corrected"] = region["reliability"] = region["mismatched"] = None
                region["similarity"]["interval_subjects"] = None
            if test == "rdm_gap":
                region["published"]["individual"] = region["published"]["gap"] = None
                region["same_target"] = region["noise_free"] = None
            if test == "fingerprinting":
                region["published"] = {"mean": None, "variance": None}
                region["rdm"]["corrected_identifiability"] = None
                region["profile"]["corrected_identifiability"] = None
        with style.applied():
            figure = figures.DRAWINGS[test](data, {})
            figure.canvas.draw()
            assert_readable(figure)


def test_unknown_test_is_refused(finished, tmp_path):
    with pytest.raises(BrainworthError, match="no figure for 'befs'"):
        figures.draw("befs", finished.tests["rsa"], None, tmp_path / "a.png", tmp_path / "a.pdf")


def test_json_of_another_test_is_refused(finished, tmp_path):
    with pytest.raises(BrainworthError, match="expected one of rsa"):
        figures.draw(
            *("rsa", finished.tests["fingerprinting"], None),
            *(tmp_path / "a.png", tmp_path / "a.pdf"),
        )


def test_altered_and_missing_json_are_refused(finished, tmp_path):
    path = tmp_path / "rsa.json"
    with pytest.raises(BrainworthError, match=r"rsa\.json does not exist"):
        figures.draw("rsa", path, None, tmp_path / "a.png", tmp_path / "a.pdf")
    envelope = json.loads(finished.tests["rsa"].read_text())
    envelope["data"]["regions"][0]["similarity"]["estimate"] = 0.99
    path.write_text(json.dumps(envelope))
    with pytest.raises(BrainworthError, match="changed after it was written"):
        figures.draw("rsa", path, None, tmp_path / "a.png", tmp_path / "a.pdf")
    assert not (tmp_path / "a.png").exists()
