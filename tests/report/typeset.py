"""Results set as a PDF, and what it says."""

from __future__ import annotations

from pathlib import Path

import pypdf

from brainworth import results
from brainworth.report import paper
from brainworth.report.bridges import bridges_figures


def plain(text: str) -> str:
    """Join blanks, hard ones too."""
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())


def text_of(pdf: Path) -> str:
    """Return the text of all pages, blanks joined."""
    return plain(" ".join(page.extract_text() for page in pypdf.PdfReader(pdf).pages))


def keep(folder: Path, bridge: str, data: dict, settings: dict, study: str) -> Path:
    """Write the JSON of a bridge, as its rule does."""
    path = folder / f"{bridge}.json"
    params = {f"bridges.{bridge}": settings}
    rule = f"bridge_{bridge}"
    results.write(path, data, study=study, rule=rule, params=params, inputs={}, seed=3)
    return path


def with_bridge(
    finished, folder: Path, bridge: str, data: dict, settings: dict
) -> tuple[Path, list[Path]]:
    """Set a finished study with the result of a bridge; returns the PDF and the results in it."""
    path = keep(folder, bridge, data, settings, finished.study)
    picture = folder / f"bridge_{bridge}.png"
    bridges_figures.draw(bridge, path, picture, picture.with_suffix(".pdf"))
    shown = [finished.tests["rsa"], finished.planted, finished.claims, path]
    paper.write(
        folder / "p.pdf",
        results=shown,
        figures=[*finished.figures, picture],
        study=finished.study,
        title="A title",
        source="simulated",
    )
    return folder / "p.pdf", shown
