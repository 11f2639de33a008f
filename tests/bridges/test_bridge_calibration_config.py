"""What the configuration of the calibration is held to."""

from pathlib import Path

import pytest

from brainworth import config
from brainworth.errors import BrainworthError

DEFAULT = Path(__file__).parents[2] / "config.yaml"


def given(change, **top):
    content = config.read_file(DEFAULT)
    parts = {"parts": ["calibration"], "calibration": change}
    return config.merge(content, {"bridges": parts} | top)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rois": ["hV5"]}, r"none of bridges.calibration.rois \(hV5\) is among them"),
        ({"rois": ["V1", "V1"]}, "names something twice"),
        ({"brain_fractions": [0.5, 0.25]}, "brain_fractions must ascend"),
        ({"brain_fractions": [0.5, 1.5]}, "brain_fractions"),
        ({"n_blocks": 7}, "n_blocks"),
        ({"task_multiples": [1.0]}, "task_multiples"),
        ({"rank_rule": "most"}, "rank_rule"),
        ({"inputs": "pixels"}, "inputs"),
    ],
)
def test_senseless_settings_are_refused(change, said):
    with pytest.raises(BrainworthError, match=said):
        config.validate(given(change))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inputs": "truth", "tasks": "labels.csv"}, "inputs is truth, which only simulated data"),
        ({"inputs": "features", "tasks": "planted"}, "tasks is planted, which only simulated data"),
    ],
)
def test_truth_is_for_simulated_data(change, said):
    data = {"data": {"source": "local", "local_dir": "/nsd", "accept_nsd_terms": True}}
    with pytest.raises(BrainworthError, match=said):
        config.validate(given(change, **data))


def test_the_default_study_and_a_real_one_are_valid():
    assert config.validate(given({})).bridges.calibration.inputs == "truth"
    data = {"data": {"source": "local", "local_dir": "/nsd", "accept_nsd_terms": True}}
    found = config.validate(given({"inputs": "features", "tasks": "labels.csv"}, **data))
    assert found.bridges.calibration.tasks == "labels.csv"
