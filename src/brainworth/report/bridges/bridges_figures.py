"""The figures of the bridges, each from the JSON of one."""

from __future__ import annotations

from pathlib import Path

from brainworth import results
from brainworth.errors import BrainworthError
from brainworth.report import style
from brainworth.report.bridges import (
    averaging_figure,
    calibration_figure,
    decoding_figure,
    feature_spaces_figure,
)

#: Bridge to what draws its figure from its data; the rule of each begins with ``bridge_``.
DRAWINGS = {
    "calibration": calibration_figure.drawing,
    "decoding": decoding_figure.drawing,
    "feature_spaces": feature_spaces_figure.drawing,
    "averaging": averaging_figure.drawing,
}


def draw(bridge: str, result: str | Path, png: str | Path, pdf: str | Path) -> None:
    """Draw the figure of one bridge.

    Parameters
    ----------
    bridge : str
        A key of `DRAWINGS`.
    result : path
        Its JSON.
    png, pdf : path
        Where the figure goes, as an image and as vectors.

    Raises
    ------
    BrainworthError
        If there is no such figure, or the JSON is missing, altered, or of another bridge.
    """
    if bridge not in DRAWINGS:
        raise BrainworthError(f"there is no figure of {bridge!r}; there are {', '.join(DRAWINGS)}")
    envelope = results.read(result)
    if envelope["rule"] != f"bridge_{bridge}":
        raise BrainworthError(
            f"{result} is a result of {envelope['rule']}, expected one of bridge_{bridge}; "
            "give the JSON of this bridge"
        )
    with style.applied():
        style.save(DRAWINGS[bridge](envelope["data"]), png, pdf, style.source_of(envelope))
