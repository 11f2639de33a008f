"""Every number of the PDF and of the web page that a run made is in the JSON of the run."""

import pytest
import tracing

from brainworth import verify

pytestmark = pytest.mark.workflow


def test_every_number_of_a_run_is_traced(finished):
    paper = finished.folder / "paper"
    study = tracing.Study(verify.results_of(finished.folder / "results/tiny"), finished.folder)
    assert study.untraced_text(tracing.text_of_pdf(paper / "tiny.pdf")) == []
    page = tracing.Page((paper / "tiny.html").read_text())
    assert study.untraced_text(page.text) == []
    assert study.untraced_tables(page) == []
