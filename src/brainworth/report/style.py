"""One look for all figures, and how they are saved."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from brainworth import files

#: Width of a figure in the page, so that its fonts are printed at the size named here.
WIDTH_MM = 170
SMALL, TEXT = 7.0, 7.5
DPI = 300

# Okabe & Ito's palette: told apart with any colour vision, and in grey by its lightness.
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PURPLE = "#E69F00", "#56B4E9", "#CC79A7"
INK, BAND, NULL = "#222222", "#E6E6E6", "#B4B4B4"

SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.columnspacing": 1.4,
    "legend.borderaxespad": 0.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 4,
    "axes.axisbelow": True,
    "lines.linewidth": 1.0,
    "pdf.fonttype": 42,
}


@contextlib.contextmanager
def applied() -> Iterator[None]:
    """Draw in this style, whatever the user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def new_figure(height_mm: float) -> Figure:
    """Return an empty figure as wide as the text of a page."""
    figure = Figure(figsize=(WIDTH_MM / 25.4, height_mm / 25.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, hspace=0.03, wspace=0.03)
    return figure


def save(figure: Figure, png: str | Path, pdf: str | Path, source: str) -> None:
    """Write a figure as PNG and as PDF, the same bytes for the same figure.

    Parameters
    ----------
    source : str
        What the figure was drawn from; kept in the files' metadata.
    """
    with files.whole(png) as part:
        metadata = {"Software": "brainworth", "Source": source}
        figure.savefig(part, format="png", dpi=DPI, metadata=metadata)
    with files.whole(pdf) as part:
        metadata = {"CreationDate": None, "Creator": "brainworth", "Subject": source}
        figure.savefig(part, format="pdf", metadata=metadata)


def source_of(*envelopes: dict[str, Any] | None) -> str:
    """Return the digests of the results a figure is drawn from, as its metadata keep them."""
    return " ".join(each["digest"] for each in envelopes if each is not None)


def title(axes: Axes, letter: str, text: str) -> None:
    """Name a panel."""
    axes.set_title(f"$\\bf{{{letter}}}$  {text}")


def over_regions(axes: Axes, labels: list[str], *, named: bool = True) -> None:
    """Give a panel one column a region."""
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_xticks(range(len(labels)), labels if named else [""] * len(labels))
    axes.tick_params(axis="x", length=0)
    for edge in range(len(labels) - 1):
        axes.axvline(edge + 0.5, color="0.93", linewidth=0.5, zorder=0)


def points(axes: Axes, x, rows: list[tuple[float, list[float] | None] | None], **look) -> None:
    """Draw estimates with their intervals; missing ones leave a gap.

    Parameters
    ----------
    x : sequence of float
    rows : list of (estimate, interval) or None
    **look
        ``color``, ``marker``, ``label``, ``horizontal``.
    """
    horizontal = look.pop("horizontal", False)
    known = [(place, *row) for place, row in zip(x, rows, strict=True) if row is not None]
    if not known:
        return
    places = [place for place, _, _ in known]
    values = [value for _, value, _ in known]
    # Intervals alone, without a marker, carry the label themselves.
    label = None if look.get("marker") else look.get("label")
    for place, _, bounds in known:
        if bounds is not None:
            along = ([place, place], bounds)
            along = along[::-1] if horizontal else along
            axes.plot(*along, color=look["color"], linewidth=1.1, label=label)
    if label is not None:
        return
    drawn = (values, places) if horizontal else (places, values)
    axes.plot(*drawn, linestyle="none", **({"markersize": 4.2, "markeredgewidth": 0} | look))


def planted(axes: Axes, x, values: list[float | None], *, horizontal: bool = False) -> None:
    """Draw the planted truth: open black diamonds, labelled "planted"."""
    look = {
        "marker": "D",
        "markerfacecolor": "white",
        "markeredgewidth": 0.9,
        "markersize": 3.6,
        "color": INK,
        "label": "planted truth",
        "zorder": 4,
    }
    rows = [None if value is None else (value, None) for value in values]
    points(axes, x, rows, horizontal=horizontal, **look)


def bands(axes: Axes, x, rows: list[list[float] | None], width: float, **look) -> None:
    """Draw a box from low to high in each column."""
    known = [(place, *row) for place, row in zip(x, rows, strict=True) if row is not None]
    if known:
        axes.bar(
            [place for place, _, _ in known],
            [high - low for _, low, high in known],
            bottom=[low for _, low, _ in known],
            width=width,
            linewidth=0,
            **look,
        )


def legend(owner: Figure | Axes, sources: list[Axes], **where) -> None:
    """Draw one legend for several panels, each label once."""
    entries = {}
    for axes in sources:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    owner.legend(entries.values(), entries.keys(), **where)
