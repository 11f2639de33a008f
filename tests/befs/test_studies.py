"""The parts of the stage on small settings: repeatable, whole, and drawn."""

import json
import warnings

import numpy as np
import pytest
from matplotlib import text as mpl_text

from brainworth import config
from brainworth.befs import (
    breakdown,
    budgets,
    curves,
    estimators,
    paper_study,
    shifts,
    trials,
    verification,
)
from brainworth.report import style
from brainworth.report.befs import befs_figure, befs_figure_checks
from brainworth.results import to_plain

FEW = {"n_replicates": 4, "n_trials": 10, "n_bootstrap": 100}


@pytest.fixture(scope="module")
def settings(default_config):
    """The default settings, with fewer replicates and a smaller scanner."""
    befs = default_config.befs.model_dump()
    befs["fmri"] |= {"inputs": 200, "latents": 20, "channels": 300, "samples_per_hour": 100.0}
    befs["curves"] |= {
        "points": 9,
        "latents": [10, 20, 40],
        "task_range": [250.0, 5000.0],
        "break_even_n_task": [300, 900, 4000],
    }
    befs["verification"] |= FEW | {"brain_points": 4, "task_points": 4, "kappa_points": 40}
    befs["breakdown"] |= FEW | {"points": 5}
    befs["shift"] |= FEW
    befs["budget"] |= {"budget_points": 4, "budget_range": [300.0, 1e5]}
    befs["estimators"] |= FEW | {"task_points": 4}
    befs["paper_scale"] |= {"n_replicates": 3, "n_bootstrap": 100, "hours": [2.5, 5.0, 20.0]}
    return befs


def analyse(settings, part):
    fmri, small, chosen = settings["fmri"], settings["small"], settings[part]
    common = {"interval": 0.95, "seed": 3}
    calls = {
        "curves": lambda: curves.analyse(fmri, chosen, seed=3),
        "verification": lambda: verification.analyse(small, chosen, **common),
        "breakdown": lambda: breakdown.analyse(small, chosen, **common),
        "shift": lambda: shifts.analyse(fmri, small, chosen, **common),
        "budget": lambda: budgets.analyse(fmri, chosen, seed=3),
        "estimators": lambda: estimators.analyse(small, chosen, **common),
        "paper_scale": lambda: paper_study.analyse(fmri, chosen, **common),
    }
    return to_plain(calls[part](), part)


PARTS = ("curves", "verification", "breakdown", "shift", "budget", "estimators", "paper_scale")
DRAWINGS = {
    "curves": (befs_figure.curves, befs_figure.ridge),
    "verification": (befs_figure_checks.verification,),
    "breakdown": (befs_figure_checks.breakdown,),
    "shift": (befs_figure.shift,),
    "budget": (befs_figure.budget,),
    "estimators": (befs_figure_checks.estimators,),
    "paper_scale": (befs_figure_checks.paper_scale,),
}


@pytest.fixture(scope="module")
def data(settings):
    return {part: analyse(settings, part) for part in PARTS}


@pytest.mark.parametrize("part", PARTS)
def test_the_same_seed_gives_the_same_result(settings, data, part):
    again = analyse(settings, part)
    assert json.dumps(again, sort_keys=True) == json.dumps(data[part], sort_keys=True)


@pytest.mark.parametrize("part", PARTS)
def test_figures_have_labels_units_and_readable_fonts(data, part, tmp_path):
    for drawing in DRAWINGS[part]:
        with style.applied(), warnings.catch_warnings():
            warnings.simplefilter("error")
            figure = drawing(data[part])
            figure.savefig(tmp_path / f"{part}.png")
        for axes in figure.axes:
            assert axes.get_xlabel(), f"{part}: {axes.get_title(loc='left')}"
        first = figure.axes[0]
        assert first.get_ylabel()
        sizes = [each.get_fontsize() for each in figure.findobj(mpl_text.Text) if each.get_text()]
        assert min(sizes) >= 7


@pytest.mark.parametrize("part", ["curves", "budget", "verification", "breakdown", "estimators"])
def test_every_value_plot_shows_the_ridge(data, part):
    with style.applied():
        figure = DRAWINGS[part][0](data[part])
    labels = [each.get_text() for each in figure.findobj(mpl_text.Text)]
    assert "tuned ridge, no brain data" in labels


def test_verification_covers_the_grid(data):
    found = data["verification"]
    shape = np.shape(found["value"]["mean"])
    assert shape == (3, 4, 5, 4, 4)
    assert found["summary"]["n_points"] == np.prod(shape)
    above = np.array(found["value"]["mean"]) > np.array(found["theory"]["value"])
    assert found["summary"]["n_above_theory"] == np.count_nonzero(above)
    assert (np.array(found["value"]["low"]) <= np.array(found["value"]["high"])).all()
    # 40 trials in all
    assert found["summary"]["value_error"]["median"] < 0.02


def test_the_default_grid_is_the_size_of_the_published_study(default_config):
    chosen = default_config.befs.verification
    points = (
        len(chosen.stimulus_shares)
        * len(chosen.misalignments)
        * len(chosen.task_snrs)
        * chosen.brain_points
        * chosen.task_points
    )
    assert points >= 8000
    assert (chosen.n_replicates, chosen.n_trials) == (30, 100)


def test_the_first_order_law_breaks_where_the_resummed_does_not(data):
    errors = data["breakdown"]["stage1"]["largest_error"]
    assert errors["first_order"] > 1
    assert errors["resummed"] < 0.1
    second = data["breakdown"]["stage2"]
    simulated = np.array(second["excess"]["mean"])
    assert np.abs(np.array(second["asymptotic"]) / simulated - 1).max() > 1
    assert np.abs(np.array(second["exact"]) / simulated - 1).max() < 0.1


def test_shift_at_the_isotropic_point_is_the_mixture_of_equal_variances(data):
    small = data["shift"]["small"]
    theory = np.array(small["mixture"]["theory"])
    shares = np.array(small["axes"]["mixture"])
    place = np.interp(54 / 60, shares, np.arange(shares.size))
    assert place == pytest.approx(9)
    whole = np.array(small["subspaces"]["theory"])[0]
    np.testing.assert_allclose(theory[9], whole, rtol=1e-9)
    ridge = np.array(small["mixture"]["ridge"])[9]
    np.testing.assert_allclose(ridge, small["subspaces"]["ridge"][0], rtol=1e-9)


def test_break_even_is_where_both_are_equal(data, settings):
    found = data["curves"]["break_even"]
    misalignment = np.array(found["misalignment"])
    assert ((misalignment >= 0) & (misalignment <= 1)).all()
    # more scanning tolerates more misalignment
    assert (np.diff(misalignment, axis=-1) > -1e-9).all()


def test_lowest_finds_the_minimum_between_grid_points():
    kappa = np.geomspace(1, 1000, 30)
    for place in (7.0, 33.0, 400.0):
        risk = 2 + np.log(kappa / place) ** 2
        minimum, found = trials.lowest(risk[None], kappa)
        assert found[0] == pytest.approx(place, rel=1e-9)
        assert minimum[0] == pytest.approx(2, abs=1e-12)


def test_bootstrap_intervals_cover_the_mean():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((30, 400)) + 5
    found = trials.summary(values, 1000, 0.95, 1, "coverage")
    inside = (found["low"] <= 5) & (found["high"] >= 5)
    assert 0.89 < inside.mean() < 0.98
    assert found["n"] == 30
    expected = np.quantile(
        [1.0, 2, 3, 4], [0.025, 0.975]
    )  # the same interpolation as numpy's quantile
    ordered = np.array([[1.0], [2], [3], [4]])
    for level, number in zip((0.025, 0.975), expected, strict=True):
        assert trials._quantiles(ordered, level)[0] == pytest.approx(number)


@pytest.mark.parametrize(
    ("key", "content", "said"),
    [
        ("small", {"latents": 60}, "latents must be fewer than inputs"),
        ("small", {"channels": 5}, "channels must be at least as many as latents"),
        ("small", {"latents_per_channel": 6}, "latents_per_channel must be fewer"),
        ("small", {"stimulus_share": 0.0}, "stimulus_share"),
        ("verification", {"n_trials": 0}, "n_trials"),
        ("shift", {"misalignment": 0.0}, "misalignment"),
        ("budget", {"cost_ratios": []}, "cost_ratios"),
        ("curves", {"table": []}, "table"),
    ],
)
def test_settings_outside_the_domain_are_refused(default_config, key, content, said):
    study = default_config.model_dump()
    study["befs"][key] |= content
    with pytest.raises(config.BrainworthError, match=said):
        config.validate(study)


def test_a_part_named_twice_is_refused(default_config):
    study = default_config.model_dump()
    study["befs"]["parts"] = ["curves", "curves"]
    with pytest.raises(config.BrainworthError, match=r"befs\.parts names something twice"):
        config.validate(study)
