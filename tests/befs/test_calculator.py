"""``brainworth value`` and ``brainworth budget``: numbers, caveats, refusals."""

import re

import pytest

from brainworth.befs import calculator, value
from brainworth.befs.model import Task
from brainworth.cli import main

SMALL = ["--inputs", "60", "--latents", "6", "--channels", "24"]


def run(capsys, *arguments):
    status = main([*arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def number_in(text, row):
    found = re.search(rf"^ *{re.escape(row)} +(-?[\d,.]+)", text, re.MULTILINE)
    assert found, f"{row} in\n{text}"
    return float(found[1].replace(",", ""))


def test_value_at_the_scale_of_fmri(capsys):
    status, out, err = run(
        capsys,
        *("value", "--n-brain", "18000", "--n-task", "50000"),
        *("--misalignment", ".1", "--task-snr", "1"),
    )
    assert status == 0
    assert err == ""
    assert "10.0 hours of scanning" in out
    assert number_in(out, "value") == pytest.approx(16_120, rel=0.005)
    assert number_in(out, "exchange rate") == pytest.approx(0.896, rel=0.005)
    assert number_in(out, "savings") == pytest.approx(24.4, abs=0.1)
    assert number_in(out, "value of a tuned ridge") == pytest.approx(4429, abs=1)
    assert number_in(out, "value over a tuned ridge") == pytest.approx(11_753, rel=0.01)
    assert "Caveats" not in out


def test_too_few_brain_samples_is_a_caveat(capsys):
    status, out, _ = run(capsys, "value", "--n-brain", "61", "--n-task", "100", *SMALL)
    assert status == 0
    assert re.search(r"^value +- ", out, re.MULTILINE)
    assert "61 brain samples are fewer than 62" in out
    assert number_in(out, "value of a tuned ridge") > 0


def test_rho_below_zero_and_a_better_ridge_are_caveats(capsys):
    given = ("value", "--n-brain", "200", "--n-task", "100", "--misalignment", "0.97", *SMALL)
    _, out, _ = run(capsys, *given)
    assert "rho = -" in out
    assert "A tuned ridge regression on the task samples alone does as well or better" in out


def test_few_task_samples_and_a_failing_law_are_caveats(capsys):
    _, out, _ = run(capsys, "value", "--n-brain", "100", "--n-task", "50", *SMALL)
    assert "50 task samples do not fit 60 coefficients" in out
    assert "the published first-order law fails" in out


def test_a_student_worse_than_nothing_is_a_caveat(capsys):
    given = ("value", "--n-brain", "500", "--n-task", "20", "--task-snr", "0.01", *SMALL)
    _, out, _ = run(capsys, *given)
    assert "does worse than predicting nothing" in out


def test_a_ridge_that_overtakes_is_a_caveat(brain):
    """Better now, with few task samples, but not with many."""
    texts = [
        " ".join(
            calculator.appraise(
                brain, n_brain=200, n_task=n_task, misalignment=0.85, task_snr=snr
            ).caveats
        )
        for n_task in (70, 100, 1000, 100_000)
        for snr in (0.1, 1, 10)
    ]
    assert any("overtakes" in text or "as well or better" in text for text in texts)


def test_the_appraisal_is_the_theory(brain):
    found = calculator.appraise(brain, n_brain=300, n_task=200, misalignment=0.2, task_snr=2)
    expected = value.worth(brain, Task(0.2, 2), 300, 200)
    assert found.value == float(expected.value)
    assert found.penalty == float(expected.kappa) / 200
    assert found.ridge_value == pytest.approx(float(expected.ridge_value))
    assert found.ridge_savings == pytest.approx(float(expected.ridge_savings))
    assert found.hours == 300 / 1800


def test_budget_at_the_scale_of_fmri(capsys):
    given = ("budget", "--cost-brain", "1", "--cost-task", ".01", "--budget", "1e4")
    status, out, _ = run(capsys, *given)
    assert status == 0
    assert number_in(out, "favourability F") < 1
    assert number_in(out, "brain samples") == 0
    assert "Spend everything on task samples" in out
    given = ("budget", "--cost-brain", "1", "--cost-task", "1", "--budget", "1e5")
    _, out, _ = run(capsys, *given, "--task-snr", ".1")
    assert number_in(out, "favourability F") > 1
    assert number_in(out, "brain samples") > 4098
    assert "hours of scanning" in out
    assert "Caveats" not in out


def test_favourable_but_infeasible_is_a_caveat(capsys):
    given = ("budget", "--cost-brain", "15", "--cost-task", "1", "--budget", "1e5")
    _, out, _ = run(capsys, *given, "--task-snr", "0.05", *SMALL)
    assert "> 1 favours brain data, but the rule's" in out
    assert "infeasible" in out


def test_a_budget_too_small_for_brain_data_is_a_caveat(capsys):
    given = ("budget", "--cost-brain", "10", "--cost-task", "1", "--budget", "400")
    _, out, _ = run(capsys, *given, *SMALL)
    assert "The budget does not pay for the 62 brain samples" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("value", "--n-brain", "500", "--n-task", "3", *SMALL), "give at least 8"),
        (("value", "--n-brain", "-5", "--n-task", "30", *SMALL), "n_brain = -5 must not"),
        (("value", "--n-brain", "nan", "--n-task", "30", *SMALL), "NaN"),
        (
            ("value", "--n-brain", "500", "--n-task", "30", "--misalignment", "1.5", *SMALL),
            "exceeds the squared length",
        ),
        (("value", "--n-brain", "500", "--n-task", "30", "--latents", "5000"), "do not fit"),
        (
            ("budget", "--cost-brain", "1", "--cost-task", "1", "--budget", "9", *SMALL),
            "pays for 9 task samples",
        ),
        (
            ("budget", "--cost-brain", "0", "--cost-task", "1", "--budget", "9", *SMALL),
            "cost_brain = 0 must be above 0",
        ),
    ],
)
def test_what_is_outside_the_domain_is_refused(capsys, arguments, said):
    status, out, err = run(capsys, *arguments)
    assert status == 1
    assert out == ""
    assert err.startswith("brainworth: ")
    assert said in err
    assert len(err.splitlines()) == 1
