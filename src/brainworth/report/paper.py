"""The PDF, and the story that it tells: what was found, how, and where each number comes from."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from reportlab.platypus import Flowable

from brainworth import files, verify
from brainworth.report import (
    evidence,
    layout,
    limitations,
    methods,
    one_page,
    overview_figure,
    provenance,
    summary,
)
from brainworth.report.befs import befs_chapter
from brainworth.report.blocks import from_results
from brainworth.report.bridges import bridges_chapter
from brainworth.report.encoder import encoder_chapter
from brainworth.report.erosion.chapters import METHODS, SECTIONS
from brainworth.report.validity import chapter as validity

#: Rules whose results say what the data are.
DATA = ("match_stimuli", "extract_betas", "import_roi_means", "import_rdms")


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
        JSON of the tests, the data, the planted truth, what brain samples are worth, the encoder
        and the bridges; any subset that holds a test.
    figures : sequence of path
        The PNG of each test, named after it, those of `befs_figures.DRAWINGS` and
        `encoder_figures.DRAWINGS`, and bridge_BRIDGE.png of each bridge.
    study : str
        Every result must belong to it.
    title : str
    source : {"simulated", "local", "s3", "roi_means", "rdms"}
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
        "keywords": verify.keywords(each["digest"] for each in found.envelopes.values()),
    }
    # Flowables remember how they were set, so each pass gets its own; the first counts pages.
    counted = layout.Document(io.BytesIO(), study, None, **metadata)
    counted.build(story(found, title))
    with files.whole(pdf) as part:
        layout.Document(str(part), study, counted.page, **metadata).build(story(found, title))


def story(found: evidence.Evidence, title: str) -> list[Flowable]:
    """Return all that a report says, in order, to be set as a PDF or as a web page."""
    number_of = layout.Numbering()
    return [
        *summary.title(found, title),
        *one_page.page(found),
        *summary.abstract(found, SECTIONS),
        *from_results(
            summary.overview(found, number_of), found.names("planted", *overview_figure.RULES)
        ),
        *from_results(summary.claims(found, number_of), found.names("claims")),
        *(
            from_results(
                befs_chapter.glance(found, number_of),
                found.names(*(f"befs_{part}" for part in found.befs)),
            )
            if found.befs
            else []
        ),
        *(
            from_results(
                encoder_chapter.glance(found, number_of),
                found.names(*(f"encoder_{part}" for part in found.encoder)),
            )
            if found.encoder
            else []
        ),
        *(
            from_results(
                bridges_chapter.glance(found, number_of),
                found.names(*(f"bridge_{part}" for part in found.bridges)),
            )
            if found.bridges
            else []
        ),
        layout.heading("Methods"),
        *from_results(methods.data(found, number_of), found.names(*DATA)),
        *[part for test in found.tests for part in METHODS[test].methods(found)],
        *methods.statistics(found),
        layout.heading("Results"),
        *[
            part
            for test in found.tests
            for part in (
                *from_results(
                    SECTIONS[test].results(found, number_of), found.names(test, "planted")
                ),
                *from_results(validity.beside(found, test), found.validity_names(test)),
            )
        ],
        *(
            from_results(validity.chapter(found, number_of), found.names("validity"))
            if found.validity
            else []
        ),
        *(befs_chapter.chapter(found, number_of) if found.befs else []),
        *(encoder_chapter.chapter(found, number_of) if found.encoder else []),
        *(bridges_chapter.chapter(found, number_of) if found.bridges else []),
        *limitations.limitations(found),
        *limitations.references(found),
        *provenance.chapter(found, number_of),
    ]
