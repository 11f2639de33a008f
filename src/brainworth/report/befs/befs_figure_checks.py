"""The theory of brain samples against simulation: checks, breakdown, students, paper scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainworth.report import style
from brainworth.report.befs.befs_figure import (
    COLORS,
    DASHED,
    DOTTED,
    RIDGE,
    logarithmic,
    points,
    samples_axis,
)


def verification(data: dict[str, Any]) -> Figure:
    """Draw simulated values with the theory on them, from ``verification.json``."""
    figure = style.new_figure(140)
    panels = figure.subplots(2, 2)
    grid = data["axes"]
    share = len(grid["stimulus_share"]) // 2
    snr = _nearest(grid["task_snr"], 1.0)
    n_task = _nearest(grid["n_task"], 3 * data["systems"][0]["d"])
    n_brain = _nearest(grid["n_brain"], 5 * data["systems"][0]["d"])
    across = (share, slice(None), slice(None), snr, n_task)
    along = (share, n_brain, slice(None), snr, slice(None))
    _values(panels[0, 0], data, grid["n_brain"], across, swapped=True)
    _values(panels[0, 1], data, grid["n_task"], along, swapped=False)
    panels[0, 0].set_xlabel("brain samples")
    panels[0, 1].set_xlabel("task samples")
    for axes in panels[0]:
        axes.set_ylabel("value (task samples)")
    at = f"d = {data['systems'][0]['d']}, SNR {grid['task_snr'][snr]:g}"
    style.title(panels[0, 0], "a", f"{at}, {grid['n_task'][n_task]:.0f} task samples")
    style.title(panels[0, 1], "b", f"{at}, {grid['n_brain'][n_brain]:.0f} brain samples")
    style.legend(figure, list(panels[0]), loc="outside upper center", ncols=5)
    _error(panels[1, 0], data)
    _penalties(panels[1, 1], data)
    return figure


def breakdown(data: dict[str, Any]) -> Figure:
    """Draw the laws of both stages and what is simulated, from ``breakdown.json``."""
    figure = style.new_figure(85)
    left, right = figure.subplots(1, 2)
    first, second = data["stage1"], data["stage2"]
    n_brain = np.array(first["axes"]["n_brain"])
    for row, (color, misalignment) in enumerate(
        zip(COLORS, first["axes"]["misalignment"], strict=False)
    ):
        left.plot(
            n_brain, first["resummed"][row], color=color, label=f"misalignment {misalignment:g}"
        )
        left.plot(n_brain, first["first_order"][row], color=color, linestyle=DOTTED)
        left.plot(n_brain, first["first_order_simplified"][row], color=color, linestyle=DASHED)
        points(left, n_brain, first["missed"], (row,), color)
    _styles(left, ("resummed (ours)", "-"), ("first order", DOTTED), ("first order, 1/N", DASHED))
    left.axhline(1, color=style.NULL, linewidth=0.6, zorder=0)
    left.set_ylim(0.01, 3)
    left.set_xlabel("brain samples")
    left.set_ylabel("share of the task missed")
    style.title(left, "a", f"stage 1, d = {data['system']['d']}")
    n_task = np.array(second["axes"]["n_task"])
    for row, (color, samples) in enumerate(zip(COLORS, second["axes"]["n_brain"], strict=False)):
        right.plot(n_task, second["exact"][row], color=color, label=f"{samples:,.0f} brain samples")
        law = np.array(second["asymptotic"][row])
        right.plot(n_task, np.where(law > 0, law, np.nan), color=color, linestyle=DASHED)
        points(right, n_task, second["excess"], (row,), color)
    right.plot(n_task, second["task_only"], color=style.NULL, label="least squares")
    right.plot(n_task, second["ridge"], **RIDGE | {"linestyle": DOTTED})
    _styles(right, ("exact (ours)", "-"), ("many task samples", DASHED))
    right.set_ylim(5e-3, 2)
    right.set_xlabel("task samples")
    right.set_ylabel("excess test error (task signal = 1)")
    style.title(right, "b", "stage 2")
    for axes in (left, right):
        logarithmic(axes, "x")
        logarithmic(axes, "y")
        axes.legend(loc="best")
    return figure


def estimators(data: dict[str, Any]) -> Figure:
    """Draw the students over task samples and penalties, from ``estimators.json``."""
    figure = style.new_figure(85)
    left, right = figure.subplots(1, 2)
    _students(left, data["by_task"])
    found = data["by_penalty"]
    kappa = np.array(found["axes"]["kappa"])
    for row, (color, samples) in enumerate(zip(COLORS, found["axes"]["n_task"], strict=False)):
        right.plot(kappa, found["theory"][row], color=color, label=f"{samples:,} task samples")
        mean, low, high = (
            np.array(found["simulated"][name])[row] for name in ("mean", "low", "high")
        )
        right.fill_between(kappa, low, high, color=color, alpha=0.3, linewidth=0)
        place = np.array(found["best_kappa_simulated"]["mean"])[row]
        right.plot(place, np.interp(place, kappa, mean), "o", color=color, markersize=4.5)
    right.axvline(found["best_kappa"], color=style.INK, linewidth=0.8, linestyle=DASHED)
    right.plot([], [], color=style.INK, linewidth=0.8, linestyle=DASHED, label="best in theory")
    right.plot([], [], "o", color=style.INK, markersize=4.5, label="best in simulation")
    right.set_xlabel("penalty κ = λ × task samples")
    style.title(right, "b", "excess over the penalty")
    style.title(
        left, "a", f"students, d = {data['system']['d']}, {data['n_brain']:,.0f} brain samples"
    )
    left.set_xlabel("task samples")
    for axes in (left, right):
        axes.set_ylabel("excess test error (task signal = 1)")
        logarithmic(axes, "x")
        logarithmic(axes, "y")
        axes.legend(loc="best")
    return figure


def paper_scale(data: dict[str, Any]) -> Figure:
    """Draw the simulation at full size with the laws on it, from ``paper_scale.json``."""
    figure = style.new_figure(80)
    left, right = figure.subplots(1, 2)
    hours, leak, value = np.array(data["axes"]["hours"]), data["leak"], data["value"]
    for name, look, label in (
        ("resummed", "-", "resummed (ours)"),
        ("first_order", DOTTED, "first order"),
        ("first_order_simplified", DASHED, "first order, 1/N"),
    ):
        left.plot(hours, leak[name], color=style.BLUE, linestyle=look, label=label)
    points(left, hours, leak["simulated"], (), style.VERMILLION, label="simulated")
    left.set_ylim(0.01, 2)
    left.set_ylabel("mean squared sine to the true subspace")
    style.title(left, "a", f"stage 1, d = {data['system']['d']:,}, n = {data['system']['n']:,}")
    for row, (color, misalignment) in enumerate(
        zip(COLORS, data["axes"]["misalignment"], strict=False)
    ):
        right.plot(hours, value["theory"][row], color=color, label=f"misalignment {misalignment:g}")
        points(right, hours, value["simulated"], (row,), color)
    right.plot(hours, value["ridge"][0], **RIDGE)
    right.set_ylabel("value (task samples)")
    style.title(right, "b", f"{data['n_task']:,} task samples, SNR {data['task_snr']:g}")
    for axes in (left, right):
        axes.set_xlabel("hours of scanning")
        logarithmic(axes, "x")
        logarithmic(axes, "y")
        axes.legend(loc="best")
    samples_axis((left, right), data["samples_per_hour"])
    return figure


def _values(axes: Axes, data: dict[str, Any], x, index, *, swapped: bool) -> None:
    theory = {name: np.array(values)[index] for name, values in data["theory"].items()}
    simulated = {name: np.array(data["value"][name])[index] for name in ("mean", "low", "high")}
    if swapped:
        theory = {name: values.T for name, values in theory.items()}
        simulated = {name: values.T for name, values in simulated.items()}
    for row, (color, misalignment) in enumerate(
        zip(COLORS, data["axes"]["misalignment"], strict=False)
    ):
        axes.plot(x, theory["value"][row], color=color, label=f"misalignment {misalignment:g}")
        axes.plot(x, theory["first_order_value"][row], color=color, linestyle=DOTTED, linewidth=0.8)
        points(axes, x, simulated, (row,), color)
    axes.plot(x, theory["ridge_value"][0], **RIDGE)
    axes.plot([], [], color=style.INK, linestyle=DOTTED, linewidth=0.8, label="published law")
    logarithmic(axes, "x")
    logarithmic(axes, "y")


def _error(axes: Axes, data: dict[str, Any]) -> None:
    error = 100 * (np.array(data["value"]["mean"]) / np.array(data["theory"]["value"]) - 1)
    published = np.array(data["theory"]["first_order_value"]) / np.array(data["value"]["mean"])
    n_brain = data["axes"]["n_brain"]
    rows = np.moveaxis(error, 1, 0).reshape(len(n_brain), -1)
    levels = np.quantile(rows, (0.025, 0.5, 0.975), axis=1)
    axes.fill_between(
        n_brain,
        levels[0],
        levels[2],
        color=style.SKY,
        alpha=0.4,
        linewidth=0,
        label="95 % of settings",
    )
    axes.plot(n_brain, levels[1], color=style.BLUE, label="median")
    axes.axhline(0, color=style.INK, linewidth=0.6)
    axes.set_xlabel("brain samples")
    axes.set_ylabel("simulated / theory − 1 (%)")
    logarithmic(axes, "x")
    axes.legend(loc="upper right")
    far = np.quantile(np.abs(published - 1), 0.5)
    style.title(
        axes, "c", f"all {error.size:,} settings (published law: median {100 * far:.0f} % off)"
    )


def _penalties(axes: Axes, data: dict[str, Any]) -> None:
    n_brain, found = data["axes"]["n_brain"], data["summary"]
    step = found["kappa_grid_step"]
    axes.axhspan(1 / step, step, color=style.BAND, linewidth=0, label="one step of the grid")
    axes.axhline(1, color=style.INK, linewidth=0.6)
    axes.plot(
        n_brain,
        found["kappa_ratio_by_n_brain"],
        "o-",
        color=style.BLUE,
        markersize=3.2,
        label="median over settings",
    )
    axes.set_ylim(0.6, 1.4)
    axes.set_xlabel("brain samples")
    axes.set_ylabel("best penalty, simulated / theory")
    logarithmic(axes, "x")
    axes.legend(loc="lower right")
    style.title(axes, "d", "the best penalty")


def _students(axes: Axes, found: dict[str, Any]) -> None:
    n_task = found["axes"]["n_task"]
    looks = {"best": (style.BLUE, "best penalty"), "hard": (style.GREEN, "hard constraint")}
    fixed = zip(
        (style.ORANGE, style.VERMILLION, style.PURPLE), found["axes"]["lambda"], strict=False
    )
    looks |= {f"lambda_{each:g}": (color, f"λ = {each:g}") for color, each in fixed}
    for name, (color, label) in looks.items():
        axes.plot(n_task, found["theory"][name], color=color, label=label)
        points(axes, n_task, found["simulated"][name], (), color)
    axes.plot(n_task, found["theory"]["ridge"], **RIDGE)
    points(axes, n_task, found["simulated"]["ridge"], (), style.INK)
    axes.plot(n_task, found["theory"]["task_only"], color=style.NULL, label="least squares")
    axes.set_ylim(5e-3, 3)


def _styles(axes: Axes, *looks: tuple[str, Any]) -> None:
    for label, linestyle in looks:
        axes.plot([], [], color=style.INK, linestyle=linestyle, label=label)


def _nearest(values: list[float], target: float) -> int:
    return int(np.argmin(np.abs(np.log(np.array(values) / target))))
