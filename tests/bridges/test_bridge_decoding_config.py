"""Settings of decoding that cannot be meant."""

import copy

import pytest

from brainworth import config
from brainworth.errors import BrainworthError


def changed(default_config, **changes):
    content = copy.deepcopy(default_config.model_dump())
    content["bridges"]["decoding"] |= changes
    return content


def test_the_default_is_valid(default_config):
    given = config.validate(changed(default_config)).bridges.decoding
    assert set(given.regions) <= set(default_config.rois)
    assert {1, 2} <= set(given.n_subjects)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"regions": ["nsdgeneral"]},
            "none of bridges.decoding.regions (nsdgeneral) is",
        ),
        ({"regions": ["V1", "V1"]}, "decoding.regions names something twice"),
        ({"n_subjects": [2, 2]}, "decoding.n_subjects names something twice"),
        ({"alpha_range": [10.0, 1.0]}, "decoding.alpha_range must ascend"),
        ({"regions": []}, "bridges.decoding.regions"),
        ({"smallest": 3}, "bridges.decoding.smallest"),
        ({"n_bootstrap": 10}, "bridges.decoding.n_bootstrap"),
    ],
)
def test_refused(default_config, changes, message):
    with pytest.raises(BrainworthError) as raised:
        config.validate(changed(default_config, **changes))
    assert message in str(raised.value)


def test_regions_matter_only_if_decoding_runs(default_config):
    config.validate(changed(default_config, regions=["nsdgeneral", "V1"]))
    content = changed(default_config, regions=["nsdgeneral"])
    content["bridges"]["parts"] = ["calibration"]
    config.validate(content)
    content["bridges"] |= {"parts": ["decoding"], "run": False}
    config.validate(content)
