"""What brain samples are worth at the scale of fMRI: savings, rates, break-even, shift, budget."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from brainworth.report import style
from brainworth.report.numbers import MINUS

COLORS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)
DASHED, DOTTED = (0, (4, 2)), (0, (1, 1.5))
AXES = {
    "hours": "hours of scanning",
    "n_task": "task samples",
    "misalignment": "misalignment",
    "task_snr": "task signal-to-noise ratio",
    "latents": "latents the brain encodes, k",
}
LINEAR = {"misalignment"}


def curves(data: dict[str, Any]) -> Figure:
    """Draw savings and exchange rates over each parameter, from ``curves.json``."""
    figure = style.new_figure(225)
    panels = figure.subplots(len(AXES), 2)
    letters = iter("abcdefghij")
    for row, (name, sweep) in zip(panels, data["sweeps"].items(), strict=True):
        for axes, what in zip(row, ("savings", "rate"), strict=True):
            _sweep(axes, data, name, sweep, what)
            style.title(axes, next(letters), _held(data["base"], name))
    samples_axis(panels[0], data["samples_per_hour"])
    panels[0, 1].legend(title="misalignment", ncols=2, loc="lower left", title_fontsize=style.SMALL)
    handles, labels = panels[1, 0].get_legend_handles_labels()
    panels[1, 0].legend(handles[:-1], labels[:-1], loc="upper right")
    panels[0, 0].legend(handles[-1:], labels[-1:], loc="upper left")
    return figure


def ridge(data: dict[str, Any]) -> Figure:
    """Draw up to which misalignment brain data beats a tuned ridge, from ``curves.json``."""
    found = data["break_even"]
    hours, snrs = found["axes"]["hours"], found["axes"]["task_snr"]
    figure = style.new_figure(75)
    panels = figure.subplots(1, len(snrs), sharey=True, squeeze=False)[0]
    for axes, letter, snr, rows in zip(
        panels, "abcdefgh", snrs, found["misalignment"], strict=False
    ):
        for color, n_task, row in zip(COLORS, found["axes"]["n_task"], rows, strict=False):
            never = "" if max(row) > 0 else ": never"
            axes.plot(hours, row, color=color, label=f"{n_task:,} task samples{never}")
        axes.set_ylim(-0.02, 1)
        axes.set_xlabel("hours of scanning")
        logarithmic(axes, "x")
        axes.text(0.97, 0.95, "tuned ridge wins", transform=axes.transAxes, ha="right")
        axes.text(0.97, 0.30, "brain data wins", transform=axes.transAxes, ha="right")
        axes.legend(loc="lower right")
        style.title(axes, letter, f"task signal-to-noise ratio {snr:g}")
    panels[0].set_ylabel("misalignment")
    samples_axis(panels, data["samples_per_hour"])
    return figure


def shift(data: dict[str, Any]) -> Figure:
    """Draw the value under shifted tests, from ``shift.json``: simulated above, fMRI below."""
    figure = style.new_figure(150)
    panels = figure.subplots(2, 3)
    names = ("subspaces", "mixture", "adversarial")
    for row, (system, letters) in enumerate((("small", "abc"), ("fmri", "def"))):
        for column, (name, letter) in enumerate(zip(names, letters, strict=True)):
            axes = panels[row, column]
            _shift(axes, data[system], name)
            style.title(axes, letter, _shift_title(data, system, name))
        panels[row, 0].set_ylabel(
            "value (thousand task samples)" if row else "value (task samples)"
        )
        panels[row, 1].legend(loc="upper left", title="task samples", title_fontsize=style.SMALL)
    style.legend(figure, [panels[0, 0]], loc="outside upper center", ncols=4)
    return figure


def budget(data: dict[str, Any]) -> Figure:
    """Draw savings of budget and the best numbers of brain samples, from ``budget.json``."""
    figure = style.new_figure(80)
    figure.get_layout_engine().set(wspace=0.08)
    left, middle, right = figure.subplots(1, 3)
    budgets = np.array(data["axes"]["budget"])
    optimum, rules = data["optimum"], data["rules"]
    for number, (ratio, rule) in enumerate(zip(data["axes"]["cost_ratio"], rules, strict=True)):
        color = COLORS[number % len(COLORS)]
        collected = np.array(optimum["n_brain"][number])
        favour = rule["favourability"]
        sign = "ρ ≤ 0" if favour is None else f"F = {favour:.3g}"
        known = {"color": color, "label": f"{ratio:g}  ({sign})"}
        left.plot(budgets, 100 * np.array(optimum["savings"][number]), **known)
        some = collected > 0
        middle.plot(budgets[some], collected[some], color=color)
        if rule["feasible"]:
            middle.axhline(rule["n_brain"], color=color, linestyle=DOTTED, linewidth=0.9)
        extra = np.array(optimum["extra_budget"][number])
        right.plot(budgets[extra > 0], extra[extra > 0], color=color)
        if rule["net_extra_budget"] > 0:
            right.axhline(rule["net_extra_budget"], color=color, linestyle=DOTTED, linewidth=0.9)
    extra = np.array(data["ridge_extra_budget"])
    left.plot(budgets, 100 * extra / (extra + budgets), **RIDGE)
    right.plot(budgets, extra, **RIDGE)
    middle.plot(
        [], [], color=style.INK, linestyle=DOTTED, linewidth=0.9, label="rule, large budgets"
    )
    for axes, letter, text, label in (
        (left, "a", "budget saved", "budget savings (%)"),
        (middle, "b", "brain samples to collect", "brain samples"),
        (right, "c", "worth of them", "extra budget (task samples)"),
    ):
        axes.set_xlabel("budget (task samples)")
        axes.set_ylabel(label)
        logarithmic(axes, "x")
        style.title(axes, letter, text)
    left.set_ylim(0, None)
    logarithmic(middle, "y")
    right.set_ylim(1000, None)
    logarithmic(right, "y")
    per_hour = data["samples_per_hour"]
    second = middle.secondary_yaxis(
        "right", functions=(lambda n: n / per_hour, lambda hours: hours * per_hour)
    )
    second.set_ylabel("hours of scanning")
    second.yaxis.set_major_formatter(FuncFormatter(_plain))
    second.yaxis.set_minor_locator(NullLocator())
    handles, labels = left.get_legend_handles_labels()
    more = middle.get_legend_handles_labels()
    figure.legend(
        handles + more[0],
        labels + more[1],
        loc="outside upper center",
        ncols=4,
        title="cost of a brain sample in task samples",
        title_fontsize=style.SMALL,
    )
    return figure


RIDGE = {
    "color": style.INK,
    "linestyle": DASHED,
    "linewidth": 1.0,
    "label": "tuned ridge, no brain data",
}


def logarithmic(axes: Axes, which: str) -> None:
    """Give an axis a logarithmic scale with plain numbers: decades, and 2 and 5 if they are few."""
    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    steps = (1, 2, 5) if decades < 1.6 else (1, 3) if decades < 2.6 else (1,)
    axis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(_plain))
    axis.set_minor_formatter(NullFormatter())


def _sweep(axes: Axes, data: dict[str, Any], name: str, sweep: dict[str, Any], what: str) -> None:
    x = np.array(sweep["x"])
    hours = x if name == "hours" else None
    for color, line, number in zip(
        COLORS, sweep["lines"], range(len(sweep["lines"])), strict=False
    ):
        label = f"{line:g}" if name == "hours" else f"{line:g} h of scanning"
        scanned = np.array(hours if hours is not None else line) * data["samples_per_hour"]
        value, savings = sweep["value"][number], sweep["savings"][number]
        y = 100 * np.array(savings) if what == "savings" else np.array(value) / scanned
        axes.plot(x, y, color=color, label=label)
        if what == "rate":
            rate = np.array(sweep["ridge_value"][number]) / scanned
            shared = name == "hours"
            look = {"color": style.INK if shared else color, "linestyle": DASHED, "linewidth": 0.7}
            axes.plot(x, rate, **look)
    if what == "savings":
        axes.plot(x, 100 * np.array(sweep["ridge_savings"][0]), **RIDGE)
        axes.set_ylim(0, 100)
        axes.set_ylabel("savings (%)")
    else:
        axes.set_ylabel("task samples per\nbrain sample")
        logarithmic(axes, "y")
        axes.axhline(1, color=style.NULL, linewidth=0.6, zorder=0)
    axes.set_xlabel(AXES[name])
    axes.set_xlim(x[0], x[-1])
    if name not in LINEAR:
        logarithmic(axes, "x")


def _held(base: dict[str, float], name: str) -> str:
    parts = {
        "misalignment": f"misalignment {base['misalignment']:g}",
        "task_snr": f"SNR {base['task_snr']:g}",
        "n_task": f"{base['n_task']:,} task samples",
    }
    moving = {name} | ({"misalignment"} if name == "hours" else set())
    return ", ".join(text for key, text in parts.items() if key not in moving)


def samples_axis(panels, per_hour: float) -> None:
    """Show brain samples above an axis of hours."""
    for axes in panels:
        second = axes.secondary_xaxis(
            "top", functions=(lambda hours: hours * per_hour, lambda n: n / per_hour)
        )
        second.set_xlabel("brain samples")
        second.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
        second.xaxis.set_minor_locator(NullLocator())
        second.xaxis.set_major_formatter(FuncFormatter(_thousands))


def _shift(axes: Axes, study: dict[str, Any], name: str) -> None:
    found, grid = study[name], study["axes"]
    simulated = found.get("simulated")
    scale = 1000 if simulated is None else 1
    n_task = grid["n_task"]
    # with the most brain samples
    theory = np.array(found["theory"])[:, -1] / scale
    alone = np.array(found["ridge"]) / scale
    if name == "subspaces":
        labels = {
            "isotropic": "all inputs",
            "on": "seen by the brain",
            "off": "ignored by the brain",
        }
        for row, (color, test) in enumerate(zip(COLORS, grid[name], strict=False)):
            axes.plot(n_task, theory[row], color=color, label=labels[test])
            axes.plot(n_task, alone[row], color=color, linestyle=DASHED, linewidth=0.7)
            if simulated is not None:
                points(axes, n_task, simulated, (row, -1), color)
        axes.plot([], [], **RIDGE)
        logarithmic(axes, "x")
        axes.set_xlabel("task samples")
    else:
        x = np.array(grid[name]) * (100 if name == "mixture" else 1)
        for color, place in zip(COLORS, (0, len(n_task) // 2, -1), strict=False):
            axes.plot(x, theory[:, place], color=color, label=f"{n_task[place]:,.0f}")
            axes.plot(x, alone[:, place], color=color, linestyle=DASHED, linewidth=0.7)
            if simulated is not None:
                points(axes, x, simulated, (slice(None), -1, place), color)
    if name == "mixture":
        axes.set_xlabel("test variance the brain ignores (%)")
    if name == "adversarial":
        axes.set_xlabel("extra variance on the missed\ndirection (one input = 1)")
        logarithmic(axes, "x")
        axes.set_yscale("symlog", linthresh=100 / scale ** (1 / 3), linscale=0.6)
        axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    axes.axhline(0, color=style.NULL, linewidth=0.6, zorder=0)


def _shift_title(data: dict[str, Any], system: str, name: str) -> str:
    study = data[system]
    if name == "subspaces":
        most = study["axes"]["n_brain"][-1]
        where = f"d = {study['system']['d']:,}" + (
            f", {data['fmri']['hours'][-1]:g} h"
            if system == "fmri"
            else f", {most:,.0f} brain samples"
        )
        return where
    return {"mixture": "mixtures of subspaces", "adversarial": "adversarial tests"}[name]


def points(axes: Axes, x, summary: dict[str, Any], index, color: str, **look) -> None:
    """Draw simulated means with their intervals, at an index of the summary's arrays."""
    mean, low, high = (np.array(summary[name])[index] for name in ("mean", "low", "high"))
    rows = [(value, [bottom, top]) for value, bottom, top in zip(mean, low, high, strict=True)]
    style.points(axes, x, rows, **{"color": color, "marker": "o", "markersize": 3.2} | look)


def _plain(number: float, _: Any) -> str:
    for unit, size in (("M", 1e6), ("k", 1e4)):
        if abs(number) >= size:
            return f"{number / (1e6 if unit == 'M' else 1e3):g}{unit}".replace("-", MINUS)
    return f"{number:g}".replace("-", MINUS)


def _thousands(number: float, _: Any) -> str:
    return f"{number / 1000:g}k"
