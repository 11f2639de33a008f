"""How numbers are printed."""

import pytest

from brainworth.report import numbers


@pytest.mark.parametrize(
    ("p", "n_draws", "printed"),
    [
        (1 / 5001, 5000, "<\N{NO-BREAK SPACE}0.0002"),
        (1 / 1001, 1000, "<\N{NO-BREAK SPACE}0.001"),
        (1 / 1501, 1500, "<\N{NO-BREAK SPACE}0.0007"),
        (1 / 20, 19, "≤\N{NO-BREAK SPACE}0.05"),
        (2 / 5001, 5000, "0.00040"),
        (1 / 40320, None, "0.000025"),
        (0.0178571, None, "0.0179"),
        (0.0496, 5000, "0.0496"),
        (0.889022, 5000, "0.889"),
        (1.0, None, "1"),
        (None, 5000, "–"),
    ],
)
def test_p_values(p, n_draws, printed):
    assert numbers.p_value(p, n_draws) == printed


def test_two_sided_p_has_a_floor_of_two_draws():
    assert numbers.p_value(2 / 1001, 1000, sides=2) == "<\N{NO-BREAK SPACE}0.002"


@pytest.mark.parametrize("m", [19, 99, 499, 999, 1234, 4999, 5000, 50000])
def test_the_bound_is_never_below_p(m):
    p = 1 / (m + 1)
    relation, bound = numbers.p_value(p, m).split("\N{NO-BREAK SPACE}")
    assert p < float(bound) if relation == "<" else p == pytest.approx(float(bound))


def test_zero_has_no_sign():
    assert numbers.number(-0.0001) == "0.000"
    assert numbers.number(-0.0006) == "−0.001"


def test_intervals_do_not_break():
    assert " " not in numbers.estimate(0.5, [-0.25, 1])
    assert numbers.interval([-0.25, 1], 2).replace(numbers.GLUE, " ") == "[−0.25, 1.00]"


def test_missing_numbers_are_dashes():
    assert numbers.number(None) == numbers.DASH
    assert numbers.estimate(None, None) == numbers.DASH
    assert numbers.span([None]) == numbers.DASH


def test_spans_join_equal_ends():
    assert numbers.span([0.1234, 0.1231, None]) == "0.123"
    assert numbers.percent_span([0.5, 1]).replace(numbers.GLUE, " ") == "50 to 100 %"


def test_plurals():
    assert numbers.things(1, "stimulus").endswith("stimulus")
    assert numbers.things(2, "matched stimulus").endswith("matched stimuli")
    assert numbers.things(2, "region").endswith("regions")
