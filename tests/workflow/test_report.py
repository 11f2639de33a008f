"""Snakemake's own report: one file with captions that opens without a network."""

import re

import pytest

pytestmark = pytest.mark.workflow


def test_the_report_is_one_file_with_captions(editable):
    editable.snakemake("--report", "report.html")
    page = (editable.folder / "report.html").read_text()
    outside = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(?!data:|#)[^\"]+", page)
    assert outside == []
    assert "@import" not in page
    for caption in ("All data are simulated", "drawn from", "by a rule written down beforehand"):
        assert caption in page, caption
    for name in ("rsa.png", "tiny.pdf", "claims.json"):
        assert name in page
