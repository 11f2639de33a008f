"""What the publication of CHASMBrain states, and whether its errors and correlations can be true.

Numbers are those of tables 1 to 5 of "CHASMBrain: Coarse-to-fine Hierarchical Architecture with
Sequential Mamba for Brain Reconstruction", section 3, means over subjects 1, 2, 5 and 7 unless
said otherwise.

A prediction with correlation r has at least the error Var(y) (1 - r^2) in each voxel. The variance
of the targets is not published, but it follows from what is: trials z-scored (variance 1), three
of them averaged, and a noise ceiling of 36 % on average. Then a voxel with ceiling c has signal
variance c / (3 - 2c), and its mean responses have variance 1 / (3 - 2c), about 0.45 on average.
`judge` takes the ceilings of voxels to be Beta-distributed around 0.36 and r in proportion to their
roots. The linear rows lie within 3 % of this bound, as regressions must, so that it is likely to be
the protocol; what is far below it was measured on targets of another scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

from brainworth.errors import BrainworthError

REFERENCE = (
    "CHASMBrain: Coarse-to-fine Hierarchical Architecture with Sequential Mamba for Brain "
    "Reconstruction, section 3"
)
#: Average predictable variance in visual cortex (section 3.1).
CEILING = 0.36
TRIALS = 3
#: a + b of the Beta distribution of ceilings: their SD is 0.18 to 0.23.
CONCENTRATIONS = (3.5, 6.0)
#: By how much the model of the bound may be off before a row is said to violate it.
TOLERANCE = 0.05
VIOLATES, NO_BETTER, CONSISTENT = "violates bound", "worse than zero", "consistent"
_NODES = 64


@dataclass(frozen=True)
class Pair:
    """An error and a correlation of the same predictions, either of them perhaps not stated."""

    mse: float | None
    r: float | None


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes
    ----------
    table : str
        1, 2a, 2b, 3, 4 or 5; "text" for what only the text states.
    place : str
        Section and table of the publication.
    row : str
        What the row is called here.
    label : str
        What it is called there.
    clusters, voxels : Pair or None
        Of stage 1 and of stage 2.
    groups : dict or None
        From cortical group to correlation over its clusters.
    parameters, flops : float or None
    """

    table: str
    place: str
    row: str
    label: str
    clusters: Pair | None = None
    voxels: Pair | None = None
    groups: dict[str, float] | None = None
    parameters: float | None = None
    flops: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What a published error is worth; ranges are over `CONCENTRATIONS`.

    Attributes
    ----------
    flag : str
        "violates bound", "worse than zero" or "consistent".
    bound : (float, float)
        Least error that the correlation allows.
    zero : (float, float)
        Error of predicting zero.
    oracle : (float, float)
        Error of a model that knows the signal.
    below_oracle : bool
        Whether the error is smaller than that, by more than the tolerance.
    """

    flag: str
    bound: tuple[float, float]
    zero: tuple[float, float]
    oracle: tuple[float, float]
    below_oracle: bool


def _table_1() -> list[Row]:
    place = "section 3.2, Table 1"
    numbers = [
        ("ridge", "Ridge Regression (best)", 0.371, 0.368),
        ("mlp", "MLP", 0.533, 0.231),
        ("gru", "GRU", 0.461, 0.237),
        ("lstm", "LSTM", 0.468, 0.232),
        ("probe_layer_3", "Layer 3", 0.370, 0.366),
        ("probe_layer_6", "Layer 6", 0.359, 0.403),
        ("probe_layer_9", "Layer 9", 0.357, 0.410),
        ("probe_layer_12", "Layer 12", 0.357, 0.407),
        ("synbrain", "SynBrain (NeurIPS 2025)", 0.453, 0.338),
        ("mindsimulator", "MindSimulator (ICLR 2025)", 0.429, 0.322),
        ("chasm", "CHASMBrain (Ours)", 0.261, 0.429),
    ]
    return [Row("1", place, row, label, voxels=Pair(mse, r)) for row, label, mse, r in numbers]


def _table_2() -> list[Row]:
    first, second = "section 3.4, Table 2 (a)", "section 3.4, Table 2 (b)"
    return [
        Row(
            *("2a", first, "transformer", "Transformer", Pair(0.213, 0.452)),
            parameters=19.8e6,
            flops=4.52e9,
        ),
        Row("2a", first, "single_mamba", "Mamba (Single)", Pair(0.156, 0.481)),
        Row(
            *("2a", first, "dual_mamba", "Dual-Mamba", Pair(0.141, 0.585)),
            parameters=14.6e6,
            flops=2.31e9,
        ),
        Row("2b", second, "mlp", "MLP (Baseline)", voxels=Pair(0.535, 0.391)),
        Row("2b", second, "dual", "w-Dual only", voxels=Pair(0.399, 0.406)),
        Row("2b", second, "dual_diffusion", "w-Dual + Diff", voxels=Pair(1.973, 0.259)),
        Row("2b", second, "dual_vae", "w-Dual + VAE", voxels=Pair(0.261, 0.429)),
    ]


def _table_3() -> list[Row]:
    place = "section 3.4, Table 3"
    text = "section 3.4, Top-k threshold sensitivity"
    return [
        Row("3", place, "10", "10 voxels/cluster", Pair(0.242, 0.543), Pair(0.332, 0.375)),
        Row("3", place, "30", "30 voxels/cluster", Pair(0.141, 0.585), Pair(0.261, 0.429)),
        Row("3", place, "100", "100 voxels/cluster", Pair(0.123, 0.605), Pair(0.561, 0.370)),
        Row("3", place, "atlas", "Schaefer Atlas", Pair(0.486, 0.338), Pair(0.577, 0.236)),
        Row("text", text, "top_1", "k = 100 %", Pair(None, 0.586), Pair(0.381, None)),
    ]


def _table_4() -> list[Row]:
    numbers = [
        ("both", "Both (full model)", 0.512, 0.589, 0.625, 0.585),
        ("local", "Where only (patch stream only)", 0.425, 0.461, 0.501, 0.467),
        ("swap", "Swap (routes exchanged)", 0.279, 0.326, 0.472, 0.381),
        ("global", "What only (CLS stream only)", 0.273, 0.313, 0.446, 0.364),
    ]
    return [
        Row(
            *("4", "section 3.5, Table 4", row, label, Pair(None, overall)),
            groups={"early": early, "mid": mid, "higher": higher},
        )
        for row, label, early, mid, higher, overall in numbers
    ]


def _table_5() -> list[Row]:
    numbers = [
        ("within_subj07", "subj07 only (within-subject, no transfer)", 0.239, 0.451),
        ("subj01>subj07", "subj01 → subj07", 0.294, 0.436),
        ("subj01+subj02>subj07", "subj01, 02 → subj07", 0.269, 0.448),
        ("subj01+subj02+subj05>subj07", "subj01, 02, 05 → subj07", 0.271, 0.448),
        ("subj01+subj02>subj05", "subj01, 02 → subj05", 0.260, 0.457),
    ]
    place = "section 3.6, Table 5"
    return [Row("5", place, row, label, voxels=Pair(mse, r)) for row, label, mse, r in numbers]


ROWS: tuple[Row, ...] = (*_table_1(), *_table_2(), *_table_3(), *_table_4(), *_table_5())


def rows(table: str) -> tuple[Row, ...]:
    """Return the rows of a table (1, 2a, 2b, 3, 4, 5 or text), in its order.

    Raises
    ------
    BrainworthError
        If there is no such table.
    """
    found = tuple(row for row in ROWS if row.table == table)
    if not found:
        raise BrainworthError(f"the publication has no table {table!r}: it has 1, 2a, 2b, 3, 4, 5")
    return found


def find(table: str, row: str) -> Row | None:
    """Return a row of a table by what it is called here, or None if it has none of that name."""
    return next((one for one in rows(table) if one.row == row), None)


def judge(mse: float, r: float) -> Verdict:
    """Hold a published error of voxels against the published correlation and noise ceiling.

    Parameters
    ----------
    mse, r : float
        Means over voxels, as in `Row.voxels`. The model is of voxels, not of clusters.

    Returns
    -------
    Verdict
        "violates bound" for an error more than 5 % below the bound; "worse than zero" for one that
        is not below the error of predicting zero; else "consistent".
    """
    bounds, zeros, oracles = zip(*(_model(r, k) for k in CONCENTRATIONS), strict=True)
    floor = min(bounds) * (1 - TOLERANCE)
    flag = VIOLATES if mse < floor else NO_BETTER if mse >= min(zeros) else CONSISTENT
    return Verdict(
        flag,
        (min(bounds), max(bounds)),
        (min(zeros), max(zeros)),
        (min(oracles), max(oracles)),
        bool(mse < min(oracles) * (1 - TOLERANCE)),
    )


def flag(mse: float, r: float) -> str:
    """Return the flag of `judge`."""
    return judge(mse, r).flag


def _model(r: float, concentration: float) -> tuple[float, float, float]:
    """Return the bound, and the errors of zero and of an oracle, averaged over voxels."""
    ceiling, weights = _ceilings(concentration)
    variance = 1 / (TRIALS - (TRIALS - 1) * ceiling)
    signal = ceiling * variance
    slope = r / (weights @ np.sqrt(ceiling))  # r of a voxel = slope x root of its ceiling
    bound = weights @ (variance * (1 - slope**2 * ceiling))
    return float(bound), float(weights @ variance), float(weights @ (1 - signal)) / TRIALS


@cache
def _ceilings(concentration: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of the mean over Beta-distributed ceilings (Gauss-Jacobi)."""
    a, b = CEILING * concentration, (1 - CEILING) * concentration
    nodes, weights = special.roots_jacobi(_NODES, b - 1, a - 1)
    return (nodes + 1) / 2, weights / weights.sum()
