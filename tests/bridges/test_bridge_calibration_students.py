"""Students, tasks and what is wrong with a table of tasks."""

import numpy as np
import pytest

from brainworth.befs import stage2
from brainworth.bridges.calibration import students, tasks
from brainworth.errors import BrainworthError


def world(n=60, d=8, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 0.5
    beta = rng.normal(size=(d, 2))
    return x, x @ beta + 1 + rng.normal(size=(n, 2)), np.linalg.qr(rng.normal(size=(d, d)))[0]


def test_task_only_is_least_squares():
    x, y, _ = world()
    found = students.task_only(students.lesson(x, y))
    direct = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]
    np.testing.assert_allclose(found.slope, direct[:-1], atol=1e-10)
    np.testing.assert_allclose(found.intercept, direct[-1], atol=1e-10)


def test_penalised_student_solves_the_stacked_problem():
    """Rows of sqrt(kappa) times the penalised directions, appended to the data."""
    x, y, basis = world()
    k, kappa = 3, np.array([2.0, 30.0])
    found = students.penalised(students.lesson(x, y), students.outside_of(basis, k), kappa)
    xc, yc = x - x.mean(axis=0), y - y.mean(axis=0)
    for task in range(2):
        rows = np.vstack([xc, np.sqrt(kappa[task]) * basis[:, k:].T])
        zeros = np.concatenate([yc[:, task], np.zeros(8 - k)])
        direct = np.linalg.lstsq(rows, zeros, rcond=None)[0]
        np.testing.assert_allclose(found.slope[:, task], direct, atol=1e-10)
    plain = students.ridge(students.lesson(x, y), kappa)
    rows = np.vstack([xc, np.sqrt(kappa[0]) * np.eye(8)])
    direct = np.linalg.lstsq(rows, np.concatenate([yc[:, 0], np.zeros(8)]), rcond=None)[0]
    np.testing.assert_allclose(plain.slope[:, 0], direct, atol=1e-10)


def test_errors_are_mean_squares_of_predictions():
    x, y, _ = world()
    found = students.task_only(students.lesson(x, y))
    fresh, target, _ = world(n=40, seed=2)
    direct = np.mean((fresh @ found.slope + found.intercept - target) ** 2, axis=0)
    np.testing.assert_allclose(students.errors(found, students.test_sums(fresh, target)), direct)


def test_students_have_the_errors_of_theory():
    """Least squares, ridge and the student of a given subspace, with their intercepts."""
    d, k, n, noise, missed = 12, 3, 40, 0.7, 0.3
    rng = np.random.default_rng(3)
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    beta = np.sqrt(1 - missed) * basis[:, 0] + np.sqrt(missed) * basis[:, k]
    kappa = np.array([noise * (d - k) / missed])
    ridge_kappa = np.array([noise * d])
    found = []
    for _ in range(3000):
        x = rng.normal(size=(n, d))
        y = x @ beta + 3 + np.sqrt(noise) * rng.normal(size=n)
        given = students.lesson(x, y[:, None])
        each = (
            students.task_only(given),
            students.ridge(given, ridge_kappa),
            students.penalised(given, students.outside_of(basis, k), kappa),
        )
        # population error of a prediction: coefficients, and the intercept at the mean input, 0
        found.append(
            [np.sum((s.slope[:, 0] - beta) ** 2) + (s.intercept[0] - 3) ** 2 for s in each]
        )
    excess = students.slope_excess(np.array(found), noise, n)
    theory = [
        float(stage2.task_only_excess(noise, n - 1, d)),
        float(stage2.ridge_excess(noise, n - 1, d)),
        float(stage2.optimal_excess(missed, noise, n - 1, d - k, k)),
    ]
    error = excess.std(axis=0) / np.sqrt(len(excess))
    assert (np.abs(excess.mean(axis=0) - theory) < 4 * error + 1e-3 * np.array(theory)).all()


def test_planted_tasks_have_the_misalignment_and_snr_they_are_planted_with():
    features = np.random.default_rng(4).normal(size=(4000, 30))
    seen = np.array([0, 1, 2, 20, 21])
    found = tasks.plant(features, seen, [0.0, 0.4, 1.0], 2.0, seed=1, subject="subj03")
    assert found.names == ["planted 0", "planted 0.4", "planted 1"]
    squares = found.coefficients**2
    np.testing.assert_allclose(squares.sum(axis=0), 1)
    np.testing.assert_allclose(squares[seen].sum(axis=0), [1, 0.6, 0], atol=1e-12)
    noise = found.labels - features @ found.coefficients
    np.testing.assert_allclose(noise.var(axis=0), 0.5, rtol=0.1)
    again = tasks.plant(features, seen, [0.0, 0.4, 1.0], 2.0, seed=1, subject="subj03")
    np.testing.assert_array_equal(found.labels, again.labels)


def table(folder, text):
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_table_of_tasks_is_read_in_order(tmp_path):
    found = tasks.read(table(tmp_path, "warmth,nsd_id,size\n1.5,7,2\n0,3,4\n"))
    assert found.names == ["warmth", "size"]
    np.testing.assert_array_equal(found.nsd_id, [3, 7])
    np.testing.assert_array_equal(found.labels, [[0, 4], [1.5, 2]])
    np.testing.assert_array_equal(found.rows(np.array([7])), [1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,warmth\n1,2\n2,3\n", "has the columns id, warmth; expected nsd_id"),
        ("nsd_id\n1\n2\n", "and a column of numbers for each task"),
        ("nsd_id,warmth\n1,2\n,3\n", "must hold whole numbers"),
        ("nsd_id,warmth\n1.5,2\n2,3\n", "must hold whole numbers"),
        ("nsd_id,warmth\n73000,2\n2,3\n", "nsd_id 73000 is no image; ids are 0-based"),
        ("nsd_id,warmth\n-1,2\n2,3\n", "nsd_id -1 is no image"),
        ("nsd_id,warmth\n2,2\n2,3\n", "nsd_id 2 is there twice"),
        ("nsd_id,warmth\n1,cat\n2,dog\n", "column warmth is not of numbers"),
        ("nsd_id,warmth\n1,\n2,3\n", "column warmth has no number for nsd_id 1"),
        ("nsd_id,warmth\n1,inf\n2,3\n", "column warmth has no number for nsd_id 1"),
        ("nsd_id,warmth\n1,2\n2,2\n", "the same value for every image"),
        ("", "is no CSV table"),
        ('nsd_id,warmth\n1,"2\n', "is no CSV table"),
    ],
)
def test_wrong_tables_are_refused_in_one_sentence(tmp_path, text, said):
    path = table(tmp_path, text)
    with pytest.raises(BrainworthError, match=said) as error:
        tasks.read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_absent_table_is_named():
    with pytest.raises(BrainworthError, match=r"nowhere\.csv does not exist"):
        tasks.read("nowhere.csv")
