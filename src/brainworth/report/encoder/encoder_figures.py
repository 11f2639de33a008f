"""The figures of the encoder, each from the JSON of the parts that it shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from brainworth import results
from brainworth.errors import BrainworthError
from brainworth.report import style
from brainworth.report.encoder import encoder_figure, encoder_figure_ablations

#: Figure to the rules whose JSON it shows, in order, and what draws it from their data by rule.
DRAWINGS = {
    "encoder_models": (("encoder_linear", "encoder_chasm"), encoder_figure.models),
    "encoder_training": (
        ("encoder_chasm", "encoder_stage1", "encoder_stage2"),
        encoder_figure.training,
    ),
    "encoder_clusters": (("encoder_clusters",), encoder_figure_ablations.clusters),
    "encoder_streams": (("encoder_streams",), encoder_figure_ablations.streams),
    "encoder_transfer": (("encoder_transfer",), encoder_figure_ablations.transfer),
}


def draw(name: str, found: Sequence[str | Path], png: str | Path, pdf: str | Path) -> None:
    """Draw one figure.

    Parameters
    ----------
    name : str
        A key of `DRAWINGS`.
    found : sequence of path
        The JSON of the parts that it shows, those of several subjects in any order.
    png, pdf : path
        Where the figure goes, as an image and as vectors.

    Raises
    ------
    BrainworthError
        If there is no such figure, or a JSON is missing, altered, of another part or study.
    """
    if name not in DRAWINGS:
        raise BrainworthError(f"there is no figure {name!r}; there are {', '.join(DRAWINGS)}")
    rules, drawing = DRAWINGS[name]
    envelopes = []
    for path in found:
        envelope = results.read(path)
        if envelope["rule"] not in rules:
            raise BrainworthError(
                f"{path} is a result of {envelope['rule']}, expected one of {', '.join(rules)}; "
                "give the JSON of these parts"
            )
        envelopes.append(envelope)
    studies = sorted({envelope["study"] for envelope in envelopes})
    if len(studies) != 1:
        raise BrainworthError(
            f"figure {name} needs results of one study, was given {', '.join(studies) or 'none'}"
        )
    ordered = in_order(envelopes)
    shown = [envelope for rule in rules for envelope in ordered.get(rule, [])]
    data = {
        rule: [envelope["data"] for envelope in ordered[rule]] for rule in rules if rule in ordered
    }
    with style.applied():
        style.save(drawing(data), png, pdf, style.source_of(*shown))


def in_order(envelopes: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the results of the encoder by rule, those of several subjects by their names."""
    found: dict[str, list[dict[str, Any]]] = {}
    for envelope in envelopes:
        if envelope["rule"].startswith("encoder_"):
            found.setdefault(envelope["rule"], []).append(envelope)
    for each in found.values():
        each.sort(key=lambda envelope: envelope["data"].get("subject", ""))
    return found
