"""What runs again after a change: exactly the rules that depend on it."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import test_befs
import test_bridges
import test_encoder
import test_validity_stage
from project import ROOT, TINY

from brainworth import config
from brainworth.sections.base import Section

pytestmark = pytest.mark.workflow

REPORT = {"figure", "claims", "paper", "paper_html"}
VARIANCE = {"variance_reliability", "variance_predictability"}
ON_DATA = VARIANCE | {
    *("rsa", "alignment", "encoding_gap", "rdm_gap", "fingerprinting"),
    *("heteroscedasticity", "variance_blindness"),
}
TESTS = ON_DATA | {"direction_erosion"}
FROM_EXTRACTS = ON_DATA | {"rdms", "planted"} | REPORT
FROM_MATCHING = FROM_EXTRACTS | {"match_stimuli", "extract_betas"}
EVERYTHING = FROM_MATCHING | {"simulate_experiment", "simulate"}
SEEDED = EVERYTHING | {"direction_erosion"}

CONFIG_EDITS = {
    ("erosion", "rsa", "n_permutations"): (200, {"rsa"} | REPORT),
    ("erosion", "rsa", "n_bootstrap"): (200, {"rsa"} | REPORT),
    ("erosion", "rsa", "noise"): ("none", {"rdms", "rsa", "rdm_gap"} | REPORT),
    ("erosion", "rsa", "comparison"): ("corr", {"rsa", "planted"} | REPORT),
    ("erosion", "rdm_gap", "n_labellings"): (200, {"rdm_gap"} | REPORT),
    ("erosion", "rdm_gap", "comparison"): ("corr", {"rdm_gap", "planted"} | REPORT),
    ("erosion", "fingerprinting", "n_subsamples"): (3, {"fingerprinting"} | REPORT),
    ("erosion", "heteroscedasticity", "n_surrogates"): (200, {"heteroscedasticity"} | REPORT),
    ("erosion", "alignment", "dimensions"): ([4, 8], {"alignment"} | REPORT),
    ("erosion", "encoding_gap", "n_folds"): (4, {"encoding_gap"} | REPORT),
    ("erosion", "variance_reliability", "n_splits"): (3, {"variance_reliability"} | REPORT),
    ("erosion", "variance_predictability", "n_folds"): (4, {"variance_predictability"} | REPORT),
    ("erosion", "direction_erosion", "noise_sd"): (0.6, {"direction_erosion"} | REPORT),
    ("erosion", "variance_blindness", "n_folds"): (4, {"variance_blindness"} | REPORT),
    ("erosion", "validity", "n_draws"): (200, set()),
    ("erosion", "tests"): (["rsa", "fingerprinting"], {"planted"} | REPORT),
    ("study",): ("another", SEEDED),
    ("subjects",): (["subj01", "subj03"], FROM_MATCHING),
    ("rdms", "label"): ("elsewhere", set()),
    ("interval",): (0.9, TESTS | REPORT),
    ("rois",): (["V1", "V2"], {"extract_betas"} | FROM_EXTRACTS),
    ("design", "min_repetitions"): (3, FROM_MATCHING),
    ("simulation", "variance_log_sd"): (0.0, EVERYTHING),
    ("roi_means", "zscore"): (False, set()),
    ("seed",): (6, SEEDED),
    ("report", "title"): ("Another title", {"paper", "paper_html"}),
    ("data", "attempts"): (9, set()),
}

MODULE_EDITS = {
    "erosion/rsa.py": {"rsa"} | REPORT,
    "erosion/heteroscedasticity.py": {"heteroscedasticity"} | REPORT,
    "erosion/rdm_gap.py": {"rdm_gap"} | REPORT,
    "erosion/identification.py": {"rdm_gap", "fingerprinting", "planted"} | REPORT,
    "erosion/measure.py": {"rdms", "rsa", "rdm_gap"} | REPORT,
    "erosion/alignment_folds.py": {"alignment"} | REPORT,
    "erosion/calibration.py": {"encoding_gap"} | REPORT,
    "erosion/shared_fraction.py": {"alignment", "encoding_gap"} | REPORT,
    "erosion/planted_sharing.py": {"planted"} | REPORT,
    "erosion/variance_agreement.py": {"variance_reliability"} | REPORT,
    "erosion/variance_halves.py": VARIANCE | REPORT,
    "erosion/variance_predictors.py": {"variance_predictability"} | REPORT,
    "erosion/averaging.py": {"direction_erosion"} | REPORT,
    "erosion/predicted_variance.py": {"variance_blindness"} | REPORT,
    "erosion/noise.py": {"rdms", "rsa", "rdm_gap"} | REPORT,
    "erosion/external.py": set(),
    "report/tables.py": {"paper", "paper_html"},
    "report/webpage_look.py": {"paper_html"},
    "nsd/betas.py": {"extract_betas"} | FROM_EXTRACTS,
    "nsd/design.py": FROM_MATCHING,
    "nsd/simulate/sessions.py": EVERYTHING - {"simulate_experiment"} - {"match_stimuli"},
    "nsd/store.py": set(),
    "nsd/ranges/session.py": set(),
    "report/ledger/evaluate.py": {"claims", "paper", "paper_html"},
    "report/encoder/encoder_chapter.py": {"paper", "paper_html"},
    "nsd/roi_means.py": set(),
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
    elsewhere = (test_befs.EDITS, test_encoder.EDITS, test_bridges.EDITS)
    for change, _ in [row for table in elsewhere for row in table.values()]:
        place = ()
        while isinstance(change, dict):
            (key, change), *_ = change.items()
            place = (*place, key)
        rows.add(group_of(place))
    assert {group_of(place) for place in leaves(config.Config)} == rows


def test_every_stage_of_the_library_has_a_row():
    library = ROOT / "src/brainworth"
    modules = [path for path in library.glob("*/**/*.py") if path.name != "__init__.py"]
    rows = [*MODULE_EDITS, *test_befs.MODULES, *test_bridges.MODULES, *test_validity_stage.MODULES]
    rows += [f"encoder/{module}" for module in test_encoder.MODULES]
    assert all((library / row).is_file() for row in rows)
    assert {Path(row).parent for row in rows} >= {m.parent.relative_to(library) for m in modules}


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
    assert editable.planned() == {"claims", "paper", "paper_html"}


def test_touching_every_file_changes_nothing(editable):
    """As a fresh clone over finished results: all code is newer than the products."""
    for part in ("Snakefile", "rules", "scripts", "src", "config.yaml"):
        path = editable.folder / part
        for file in [path] if path.is_file() else path.rglob("*"):
            file.touch()
    assert editable.planned() == set()


def test_forcing_one_rule(editable):
    assert editable.planned("-R", "rsa", "--until", "rsa") == {"rsa"}


def test_a_forked_dry_run_says_what_a_process_of_its_own_says(editable):
    """What other tests rely on where they only plan."""
    rsa = editable.folder / "src/brainworth/erosion/rsa.py"
    rsa.write_text(f"{rsa.read_text()}\nUNUSED = 1\n")

    def said(forked: bool) -> tuple[int, list[list[str]], list[str]]:
        done = editable.snakemake("--cores", "1", "-n", forked=forked, check=False)
        # where and when it was started, and the order of a set, differ between any two processes
        lines = [
            sorted(re.split("[ ,]+", line))
            for line in done.stdout.splitlines()
            if not re.match(r" +(Date|Workflow ID|Command|Run directory): |\[.* \d{4}\]$", line)
        ]
        return done.returncode, sorted(lines), sorted(done.stderr.splitlines())

    assert said(forked=True) == said(forked=False)
    assert any("results/tiny/erosion/rsa.json" in line for line in said(forked=True)[1])
    editable.write_study(TINY | {"unknown": 1})
    assert said(forked=True) == said(forked=False)
    assert said(forked=True)[0] == 1
