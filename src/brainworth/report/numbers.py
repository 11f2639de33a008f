"""How numbers are printed, all of them by these functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
#: Joins what must stay on one line.
GLUE = "\N{NO-BREAK SPACE}"
COMPARISONS = {
    "spearman": "Spearman correlation",
    "corr": "Pearson correlation",
    "rho-a": "rank correlation rho-a",
    "cosine": "cosine similarity",
}


def number(value: float | None, decimals: int = 3) -> str:
    """Return a number with a fixed number of decimals; an en dash if there is none."""
    if value is None:
        return DASH
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def interval(bounds: Sequence[float] | None, decimals: int = 3) -> str:
    """Return ``[low, high]``; an en dash if there is none."""
    if bounds is None:
        return DASH
    low, high = bounds
    return f"[{number(low, decimals)},{GLUE}{number(high, decimals)}]"


def estimate(value: float | None, bounds: Sequence[float] | None, decimals: int = 3) -> str:
    """Return ``value [low, high]``."""
    if value is None:
        return DASH
    return f"{number(value, decimals)}{GLUE}{interval(bounds, decimals)}"


def span(values: Iterable[float | None], decimals: int = 3) -> str:
    """Return the smallest and the largest of some numbers, as ``low to high``."""
    known = [value for value in values if value is not None]
    if not known:
        return DASH
    low, high = number(min(known), decimals), number(max(known), decimals)
    if low == high:
        return low
    return f"{low}{GLUE}to{GLUE}{high}"


def percent(value: float | None, decimals: int = 1) -> str:
    """Return a share as a percentage without its sign; whole numbers without decimals."""
    if value is None:
        return DASH
    return number(100 * value, decimals).removesuffix("." + "0" * decimals)


def percent_span(values: Iterable[float | None], decimals: int = 1) -> str:
    """Return the smallest and the largest share, as ``low to high %``."""
    known = [value for value in values if value is not None]
    if not known:
        return DASH
    low, high = percent(min(known), decimals), percent(max(known), decimals)
    both = low if low == high else f"{low}{GLUE}to{GLUE}{high}"
    return f"{both}{GLUE}%"


def p_value(p: float | None, n_draws: int | None = None, *, sides: int = 1) -> str:
    """Return a p-value; never 0.

    Parameters
    ----------
    p : float or None
    n_draws : int or None
        Random draws m of the null: the smallest p they can give, (b + 1) / (m + 1) with b = 0, is
        printed as a bound. None where all arrangements were listed and p is exact.
    sides : {1, 2}
        A two-sided p is twice the smaller tail.

    Returns
    -------
    str
        Such as ``< 0.0002``, ``0.00476`` or ``0.212``.
    """
    if p is None:
        return DASH
    if n_draws is not None and math.isclose(p, sides / (n_draws + 1), rel_tol=1e-9):
        return _bound(p)
    if p < 0.001:
        exponent = math.floor(math.log10(p))
        return f"{p:.{1 - exponent}f}"
    if p < 0.1:
        return f"{p:.3g}"
    return "1" if p > 0.9995 else f"{p:.3f}"


def comparison(name: str) -> str:
    """Return how a comparison of RDMs is named in the text."""
    return COMPARISONS.get(name, name)


def with_sign(text: str) -> str:
    """Return ``p = 0.02`` or ``p < 0.0002`` from what `p_value` returned."""
    relation = "" if text[:1] in "<≤" else f"={GLUE}"
    return f"p{GLUE}{relation}{text}"


def _bound(p: float) -> str:
    """Round up to one significant digit."""
    exponent = math.floor(math.log10(p))
    digit = math.ceil(round(p / 10**exponent, 9))
    bound = digit * 10.0**exponent
    relation = "≤" if math.isclose(bound, p, rel_tol=1e-9) else "<"
    decimals = -math.floor(math.log10(bound) + 1e-9)
    return f"{relation}{GLUE}{bound:.{decimals}f}"


def count(n: int, total: int) -> str:
    """Return ``n of total``."""
    return f"{n}{GLUE}of{GLUE}{total}"


def whole(n: int | None) -> str:
    """Return an integer, thousands separated by a comma."""
    return DASH if n is None else f"{n:,}"


def samples(value: float | None) -> str:
    """Return a number of samples, rounded to whole ones, thousands separated by a comma."""
    if value is None:
        return DASH
    text = f"{value:,.0f}"
    return "0" if text == "-0" else text.replace("-", MINUS)


def samples_span(values: Iterable[float]) -> str:
    """Return the smallest and the largest number of samples, as ``low to high``."""
    known = list(values)
    low, high = samples(min(known)), samples(max(known))
    return low if low == high else f"{low}{GLUE}to{GLUE}{high}"


def things(n: int, noun: str) -> str:
    """Return ``1 region``, ``2 regions``."""
    plural = f"{noun.removesuffix('us')}i" if noun.endswith("us") else f"{noun}s"
    return f"{n:,}{GLUE}{noun if n == 1 else plural}"
