"""The doctor looks for GPUs of a cluster where rules of the study ask for one, and only there."""

import pytest
from project import TINY

from brainworth import config, doctor

pytestmark = pytest.mark.workflow

AUTO = {"encoder": {"run": True, "device": "auto"}}


@pytest.mark.parametrize(
    ("change", "asks"),
    [
        ({"encoder": {"run": True, "device": "cpu"}}, False),
        (AUTO, True),
        ({"encoder": AUTO["encoder"] | {"parts": ["linear"]}}, False),
        ({"encoder": AUTO["encoder"] | {"parts": ["linear", "stage1"]}}, True),
        ({"encoder": AUTO["encoder"] | {"run": False}}, False),
        (
            {
                "encoder": AUTO["encoder"] | {"run": False},
                "bridges": {"run": True, "averaging": {"models": ["ridge", "chasm"]}},
            },
            True,
        ),
        ({"encoder": AUTO["encoder"] | {"run": False}, "bridges": {"run": True}}, False),
    ],
)
def test_rules_ask_for_cards_as_the_doctor_says(project, change, asks):
    change = {"subjects": ["subj01", "subj02", "subj05", "subj07"], **change}
    project.write_study(config.merge(TINY, change))
    done = project.snakemake("--cores", "1", "-n")
    assert ("gpu=1" in done.stdout + done.stderr) is asks
    study = config.load(project.folder / "config.yaml", project.folder / "study.yaml")
    assert doctor.asks_for_cards(study) is asks
