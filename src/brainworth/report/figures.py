"""The figure of a test, from its JSON."""

from __future__ import annotations

from pathlib import Path

from brainworth import results
from brainworth.errors import BrainworthError
from brainworth.report import style
from brainworth.report.erosion import (
    alignment_figure,
    direction_erosion_figure,
    encoding_gap_figure,
    fingerprinting_figure,
    heteroscedasticity_figure,
    rdm_gap_figure,
    rsa_figure,
    variance_blindness_figure,
    variance_predictability_figure,
    variance_reliability_figure,
)

DRAWINGS = {
    "rsa": rsa_figure.drawing,
    "rdm_gap": rdm_gap_figure.drawing,
    "fingerprinting": fingerprinting_figure.drawing,
    "heteroscedasticity": heteroscedasticity_figure.drawing,
    "alignment": alignment_figure.drawing,
    "encoding_gap": encoding_gap_figure.drawing,
    "variance_reliability": variance_reliability_figure.drawing,
    "variance_predictability": variance_predictability_figure.drawing,
    "direction_erosion": direction_erosion_figure.drawing,
    "variance_blindness": variance_blindness_figure.drawing,
}


def draw(
    test: str,
    result: str | Path,
    planted: str | Path | None,
    png: str | Path,
    pdf: str | Path,
) -> None:
    """Draw the figure of one test.

    Parameters
    ----------
    test : str
        Key of `DRAWINGS`.
    result : path
        The JSON of this test.
    planted : path or None
        The JSON of the planted truth, if the data are simulated.
    png, pdf : path
        Where the figure goes, as an image and as vectors.

    Raises
    ------
    BrainworthError
        If there is no such figure, or the JSON is missing, altered, of another test or study.
    """
    if test not in DRAWINGS:
        raise BrainworthError(f"there is no figure for {test!r}; there is one for {_listed()}")
    envelope = results.read(result)
    if envelope["rule"] != test:
        raise BrainworthError(
            f"{result} is a result of {envelope['rule']}, expected one of {test}; "
            "give the JSON of this test"
        )
    known, truth = {}, None
    if planted is not None:
        truth = results.read(planted)
        if truth["study"] != envelope["study"]:
            raise BrainworthError(
                f"{planted} belongs to study {truth['study']} and {result} to "
                f"{envelope['study']}; give files of one study"
            )
        known = {row["region"]: row for row in truth["data"].get(test, [])}
    with style.applied():
        drawn = DRAWINGS[test](envelope["data"], known)
        style.save(drawn, png, pdf, style.source_of(envelope, truth))


def _listed() -> str:
    return ", ".join(DRAWINGS)
