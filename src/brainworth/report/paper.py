"""The PDF: what was found, how, and where each number comes from."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from reportlab.platypus import Flowable

from brainworth import files
from brainworth.report import (
    evidence,
    layout,
    limitations,
    method_texts,
    methods,
    provenance,
    section_befs,
    section_fingerprinting,
    section_heteroscedasticity,
    section_rsa,
    summary,
)

SECTIONS = {
    "rsa": section_rsa,
    "fingerprinting": section_fingerprinting,
    "heteroscedasticity": section_heteroscedasticity,
}


def write(
    pdf: str | Path,
    *,
    results: Sequence[str | Path],
    figures: Sequence[str | Path],
    study: str,
    title: str,
    source: str,
) -> None:
    """Set the results of a study as a PDF; the same results give the same bytes.

    Parameters
    ----------
    pdf : path
        Where it goes; it appears whole or not at all.
    results : sequence of path
        JSON of the tests, the data, the planted truth and what brain samples are worth; any
        subset that holds a test.
    figures : sequence of path
        The PNG of each test, named after it, and those of `figures_befs.DRAWINGS`.
    study : str
        Every result must belong to it.
    title : str
    source : {"simulated", "local", "s3", "rdms"}
        Where the data came from.

    Raises
    ------
    BrainworthError
        If a result is missing, altered or of another study, or a figure is missing or was drawn
        from other results.
    """
    found = evidence.gather(results, figures, study=study, source=source)
    layout.register_fonts()
    metadata = {
        "title": title,
        "author": f"brainworth {found.version}",
        "subject": f"study {study}",
    }
    # Flowables remember how they were set, so each pass gets its own; the first counts pages.
    counted = layout.Document(io.BytesIO(), study, None, **metadata)
    counted.build(_story(found, title))
    with files.whole(pdf) as part:
        layout.Document(str(part), study, counted.page, **metadata).build(_story(found, title))


def _story(found: evidence.Evidence, title: str) -> list[Flowable]:
    number_of = layout.Numbering()
    return [
        *summary.title(found, title),
        *summary.abstract(found, SECTIONS),
        *summary.claims(found, SECTIONS, number_of),
        *(section_befs.glance(found, number_of) if found.befs else []),
        layout.heading("Methods"),
        *methods.data(found, number_of),
        *[part for test in found.tests for part in method_texts.OF[test](found)],
        *methods.statistics(found),
        layout.heading("Results"),
        *[part for test in found.tests for part in SECTIONS[test].results(found, number_of)],
        *(section_befs.chapter(found, number_of) if found.befs else []),
        *limitations.limitations(found),
        *limitations.references(found),
        *provenance.chapter(found, number_of),
    ]
