"""What runs again after a change: exactly the rules that depend on it."""

import copy
from collections.abc import Iterator

import pytest
import test_befs
from project import TINY

from brainworth import config
from brainworth.sections.base import Section

pytestmark = pytest.mark.workflow

REPORT = {"figure", "claims", "paper"}
TESTS = {"rsa", "fingerprinting", "heteroscedasticity"}
FROM_EXTRACTS = TESTS | {"rdms", "planted"} | REPORT
FROM_MATCHING = FROM_EXTRACTS | {"match_stimuli", "extract_betas"}
EVERYTHING = FROM_MATCHING | {"simulate_experiment", "simulate"}

CONFIG_EDITS = {
    ("erosion", "rsa", "n_permutations"): (200, {"rsa"} | REPORT),
    ("erosion", "rsa", "n_bootstrap"): (200, {"rsa"} | REPORT),
    ("erosion", "rsa", "comparison"): ("corr", {"rsa", "planted"} | REPORT),
    ("erosion", "fingerprinting", "n_subsamples"): (3, {"fingerprinting"} | REPORT),
    ("erosion", "heteroscedasticity", "n_surrogates"): (200, {"heteroscedasticity"} | REPORT),
    ("erosion", "tests"): (["rsa", "fingerprinting"], {"planted"} | REPORT),
    ("study",): ("another", EVERYTHING),
    ("subjects",): (["subj01", "subj03"], FROM_MATCHING),
    ("rdms", "label"): ("elsewhere", {"claims", "paper"}),
    ("interval",): (0.9, TESTS | REPORT),
    ("rois",): (["V1", "V2"], {"extract_betas"} | FROM_EXTRACTS),
    ("design", "min_repetitions"): (3, FROM_MATCHING),
    ("simulation", "variance_log_sd"): (0.0, EVERYTHING),
    ("seed",): (6, EVERYTHING),
    ("report", "title"): ("Another title", {"paper"}),
    ("data", "attempts"): (9, set()),
}

MODULE_EDITS = {
    "erosion/rsa.py": {"rsa"} | REPORT,
    "erosion/heteroscedasticity.py": {"heteroscedasticity"} | REPORT,
    "erosion/identification.py": {"fingerprinting", "planted"} | REPORT,
    "erosion/measure.py": {"rdms", "rsa"} | REPORT,
    "erosion/external.py": set(),
    "nsd/betas.py": {"extract_betas"} | FROM_EXTRACTS,
    "nsd/design.py": FROM_MATCHING,
    "nsd/simulate/sessions.py": EVERYTHING - {"simulate_experiment"} - {"match_stimuli"},
    "nsd/store.py": set(),
    "cli.py": set(),
}


def group_of(place: tuple[str, ...]) -> str:
    """Return the section of a key, two levels deep: what a rule is given as a whole."""
    return ".".join(place[:-1][:2] or place)


def leaves(section: type[Section], place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from leaves(kind, (*place, name))
        else:
            yield (*place, name)


def test_every_section_of_the_configuration_has_a_row():
    rows = {group_of(place) for place in CONFIG_EDITS}
    for change, _ in test_befs.EDITS.values():
        place = ()
        while isinstance(change, dict):
            (key, change), *_ = change.items()
            place = (*place, key)
        rows.add(group_of(place))
    assert {group_of(place) for place in leaves(config.Config)} == rows


def set_key(config: dict, place: tuple[str, ...], value) -> dict:
    config = copy.deepcopy(config)
    section = config
    for part in place[:-1]:
        section = section.setdefault(part, {})
    section[place[-1]] = value
    return config


@pytest.mark.parametrize("place", CONFIG_EDITS, ids=".".join)
def test_one_configuration_key(editable, place):
    value, expected = CONFIG_EDITS[place]
    editable.write_study(set_key(TINY, place, value))
    assert editable.planned() == expected


@pytest.mark.parametrize("module", MODULE_EDITS)
def test_one_line_of_a_module(editable, module):
    path = editable.folder / "src/brainworth" / module
    text = path.read_text()
    path.write_text(f"{text}\n# a comment and a blank line change nothing\n")
    assert editable.planned() == set()
    path.write_text(f"{text}\nUNUSED = 1\n")
    assert editable.planned() == MODULE_EDITS[module]


def test_a_claim_of_the_ledger(editable):
    ledger = editable.folder / "paper/claims.yaml"
    ledger.write_text(ledger.read_text().replace("tolerance: 0.05", "tolerance: 0.04"))
    assert editable.planned() == {"claims", "paper"}


def test_touching_every_file_changes_nothing(editable):
    """As a fresh clone over finished results: all code is newer than the products."""
    for part in ("Snakefile", "rules", "scripts", "src", "config.yaml"):
        path = editable.folder / part
        for file in [path] if path.is_file() else path.rglob("*"):
            file.touch()
    assert editable.planned() == set()


def test_forcing_one_rule(editable):
    assert editable.planned("-R", "rsa", "--until", "rsa") == {"rsa"}
