"""What every script does around its own work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import types

import numpy as np
import pytest
import threadpoolctl

from brainworth import results
from brainworth.errors import BrainworthError
from brainworth.job import job, notes, write_result


class Files(dict):
    """Named files as the workflow gives them: attributes and items."""

    __getattr__ = dict.__getitem__


@pytest.fixture
def workflow(tmp_path):
    given = {"study": "simulated", "seed": 5, "erosion.rsa": {"n_permutations": 100}}
    return types.SimpleNamespace(
        rule="rsa",
        log=[str(tmp_path / "logs" / "rsa.log")],
        params=types.SimpleNamespace(config=json.dumps(given)),
        input=Files(),
        output=Files(json=str(tmp_path / "rsa.json")),
    )


@pytest.fixture
def log(tmp_path):
    return tmp_path / "logs" / "rsa.log"


def test_work_is_given_its_slice_of_the_configuration(workflow, log):
    with job(workflow) as given:
        assert given == {"study": "simulated", "seed": 5, "erosion.rsa": {"n_permutations": 100}}
    assert log.read_text().startswith("done in ")


def test_bad_input_ends_with_one_sentence_and_its_place_in_the_log(workflow, log):
    with pytest.raises(SystemExit) as caught, job(workflow):
        raise BrainworthError("betas.h5 is truncated; fetch or simulate it again")
    assert caught.value.code == "\nrsa: betas.h5 is truncated; fetch or simulate it again\n"
    text = log.read_text()
    assert "Traceback" not in text
    assert "raised in" in text
    assert "test_job.py" in text
    assert text.startswith("betas.h5 is truncated; fetch or simulate it again\n")


def test_bad_input_exits_with_failure_and_shows_no_traceback(tmp_path):
    program = (
        "import types, sys\n"
        "from brainworth.job import job\n"
        "from brainworth.errors import BrainworthError\n"
        "params = types.SimpleNamespace(config='{}')\n"
        "w = types.SimpleNamespace(rule='rsa', log=[sys.argv[1]], params=params)\n"
        "with job(w):\n"
        "    raise BrainworthError('a.h5 is empty')\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.log")]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 1
    assert answer.stderr.strip() == "rsa: a.h5 is empty"


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, MemoryError])
def test_other_errors_are_logged_and_go_on(error, workflow, log):
    with pytest.raises(error), job(workflow):
        raise error("unexpected")
    assert f"{error.__name__}: unexpected" in log.read_text()
    assert "done" not in log.read_text()


def test_damaged_configuration_is_logged(workflow, log):
    workflow.params.config = "{"
    with pytest.raises(json.JSONDecodeError), job(workflow):
        pass
    assert "JSONDecodeError" in log.read_text()


def blas_threads():
    np.linalg.svd(np.eye(3))
    return [
        library["num_threads"]
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    ]


def test_linear_algebra_has_one_thread_inside_and_as_many_as_before_outside(workflow):
    with threadpoolctl.threadpool_limits(2):
        before = blas_threads()
        with job(workflow):
            inside = blas_threads()
        assert blas_threads() == before
    assert inside
    assert set(inside) == {1}
    assert set(before) == {2}


def test_threads_are_given_back_after_an_error(workflow):
    with threadpoolctl.threadpool_limits(2):
        with pytest.raises(ZeroDivisionError), job(workflow):
            raise ZeroDivisionError
        assert set(blas_threads()) == {2}


def test_result_holds_what_the_rule_was_given_and_read(workflow, tmp_path):
    for name in ("rdms.h5", "betas_subj01.h5", "betas_subj02.h5"):
        (tmp_path / name).write_text(name)
    workflow.input["rdms"] = str(tmp_path / "rdms.h5")
    workflow.input["betas"] = [str(tmp_path / f"betas_subj0{n}.h5") for n in (1, 2)]
    with job(workflow) as given:
        write_result(workflow, given, given["study"], {"x": 1})
    envelope = results.read(workflow.output.json)
    assert (envelope["study"], envelope["rule"], envelope["seed"]) == ("simulated", "rsa", 5)
    assert envelope["params"] == {"seed": 5, "erosion.rsa": {"n_permutations": 100}}
    assert list(envelope["inputs"]) == ["betas/betas_subj01.h5", "betas/betas_subj02.h5", "rdms"]
    assert len(set(envelope["inputs"].values())) == 3
    assert envelope["data"] == {"x": 1}


def test_result_of_a_rule_without_randomness_has_no_seed(workflow):
    workflow.params.config = json.dumps({"study": "simulated"})
    with job(workflow) as given:
        write_result(workflow, given, given["study"], {"x": 1})
    assert results.read(workflow.output.json)["seed"] is None


def test_notes_are_lines_of_the_log_with_the_time(workflow, log):
    for _ in range(2):  # a second run begins a new log
        with job(workflow):
            notes(workflow)("1 of 2 objects")
    first, second = log.read_text().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d 1 of 2 objects", first)
    assert second.startswith("done in ")


def test_digests_of_inputs_may_be_known_already(workflow, tmp_path):
    (tmp_path / "a.h5").write_bytes(b"a")
    workflow.input["a"] = str(tmp_path / "a.h5")
    with job(workflow) as given:
        write_result(workflow, given, "simulated", {}, sha256=lambda path: f"known of {path}")
    inputs = results.read(tmp_path / "rsa.json")["inputs"]
    assert inputs == {"a": f"known of {tmp_path / 'a.h5'}"}
