"""The figures of what brain samples are worth, each from the JSON of one part."""

from __future__ import annotations

from pathlib import Path

from brainworth import results
from brainworth.errors import BrainworthError
from brainworth.report import style
from brainworth.report.befs import befs_figure, befs_figure_checks

#: Figure to the rule whose JSON it shows, and what draws it.
DRAWINGS = {
    "befs_curves": ("befs_curves", befs_figure.curves),
    "befs_ridge": ("befs_curves", befs_figure.ridge),
    "befs_verification": ("befs_verification", befs_figure_checks.verification),
    "befs_breakdown": ("befs_breakdown", befs_figure_checks.breakdown),
    "befs_shift": ("befs_shift", befs_figure.shift),
    "befs_budget": ("befs_budget", befs_figure.budget),
    "befs_estimators": ("befs_estimators", befs_figure_checks.estimators),
    "befs_paper_scale": ("befs_paper_scale", befs_figure_checks.paper_scale),
}


def draw(name: str, result: str | Path, png: str | Path, pdf: str | Path) -> None:
    """Draw one figure.

    Parameters
    ----------
    name : str
        A key of `DRAWINGS`.
    result : path
        The JSON of the part that it shows.
    png, pdf : path
        Where the figure goes, as an image and as vectors.

    Raises
    ------
    BrainworthError
        If there is no such figure, or the JSON is missing, altered or of another part.
    """
    if name not in DRAWINGS:
        raise BrainworthError(f"there is no figure {name!r}; there are {', '.join(DRAWINGS)}")
    rule, drawing = DRAWINGS[name]
    envelope = results.read(result)
    if envelope["rule"] != rule:
        raise BrainworthError(
            f"{result} is a result of {envelope['rule']}, expected one of {rule}; "
            "give the JSON of this part"
        )
    with style.applied():
        style.save(drawing(envelope["data"]), png, pdf, style.source_of(envelope))
