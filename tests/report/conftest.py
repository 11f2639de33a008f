"""A finished study: a tiny simulated NSD, all tests run on it, brain samples valued, all drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from brainworth import results
from brainworth.befs import (
    breakdown,
    budgets,
    curves,
    estimators,
    paper_study,
    shifts,
    verification,
)
from brainworth.erosion import (
    alignment,
    direction_erosion,
    encoding_gap,
    fingerprinting,
    heteroscedasticity,
    measure,
    rdm_gap,
    rdms,
    rsa,
    variance_blindness,
    variance_predictability,
    variance_reliability,
)
from brainworth.erosion.planted import planted
from brainworth.erosion.validity import measure as right
from brainworth.nsd import betas, design, registry
from brainworth.nsd.simulate import paths
from brainworth.report import figures
from brainworth.report.befs import befs_figures
from brainworth.report.ledger import claims_file, evaluate
from brainworth.report.validity import figure as right_figure
from brainworth.sections.erosion import VALIDATED

SUBJECTS = ["subj01", "subj02", "subj03", "subj05"]
REGIONS = ["V1", "LO", "faces"]
SEED = 3
LEVEL = 0.95
LEDGER = Path(__file__).parents[2] / "paper/claims.yaml"


@dataclass(frozen=True)
class Finished:
    """Paths of a study's results and figures."""

    study: str
    folder: Path
    data: list[Path]
    tests: dict[str, Path]
    planted: Path | None
    figures: list[Path]
    claims: Path
    befs: dict[str, Path] = field(default_factory=dict)
    validity: dict[str, Path] = field(default_factory=dict)

    def answers(self) -> list[dict]:
        return results.read(self.claims)["data"]["claims"]

    @property
    def results(self) -> list[Path]:
        planted = [self.planted] if self.planted else []
        return [
            *(*self.data, *self.tests.values(), *planted, self.claims),
            *(*self.befs.values(), *self.validity.values()),
        ]


def keep(folder, name, data, rule, study, **params):
    path = folder / f"{name}.json"
    results.write(path, data, study=study, rule=rule, params=params, inputs={}, seed=SEED)
    return path


def answer_claims(folder, study, source, paths):
    """Hold the ledger to results."""
    found = [results.read(path) for path in paths]
    claims = claims_file.read(LEDGER)
    by_rule: dict[str, list[dict]] = {}
    for each in found:
        by_rule.setdefault(each["rule"], []).append(each)
    answers = evaluate.evaluate(claims, by_rule, source)
    return keep(folder, "claims", {"source": source, "claims": answers}, "claims", study)


def gap_of(content):
    few = {"n_permutations": 99, "n_labellings": 24, "n_bootstrap": 60}
    return rdm_gap.analyse(content, comparison="spearman", interval=LEVEL, seed=SEED, **few)


def draw_all(folder, tests, truth):
    drawn = []
    for test, path in tests.items():
        png = folder / f"{test}.png"
        figures.draw(test, path, truth, png, folder / f"{test}.pdf")
        drawn.append(png)
    return drawn


def value_brains(sections, study, folder):
    """Run all parts on what brain samples are worth, on small systems."""
    few = {"n_replicates": 3, "n_trials": 5, "n_bootstrap": 50}
    fmri = sections["fmri"] | {
        "inputs": 200,
        "latents": 20,
        "channels": 300,
        "samples_per_hour": 100.0,
    }
    small = sections["small"]
    changes = {
        "curves": {
            "points": 9,
            "latents": [10, 20],
            "task_range": [250.0, 5000.0],
            "break_even_n_task": [300, 4000],
            "table_n_task": [300, 3000],
        },
        "verification": few
        | {"brain_points": 4, "task_points": 3, "misalignments": [0.0, 0.3], "kappa_points": 20},
        "breakdown": few | {"points": 5},
        "shift": few | {"task_points": 3, "curve_points": 4, "mixture_points": 4},
        "budget": {"budget_points": 4, "budget_range": [300.0, 1e5]},
        "estimators": few | {"task_points": 4, "kappa_points": 20},
        "paper_scale": {"n_replicates": 3, "n_bootstrap": 50, "hours": [2.5, 5.0, 20.0]},
    }
    common = {"interval": LEVEL, "seed": SEED}
    calls = {
        "curves": lambda given: curves.analyse(fmri, given, seed=SEED),
        "verification": lambda given: verification.analyse(small, given, **common),
        "breakdown": lambda given: breakdown.analyse(small, given, **common),
        "shift": lambda given: shifts.analyse(fmri, small, given, **common),
        "budget": lambda given: budgets.analyse(fmri, given, seed=SEED),
        "estimators": lambda given: estimators.analyse(small, given, **common),
        "paper_scale": lambda given: paper_study.analyse(fmri, given, **common),
    }
    kept = {}
    for part, call in calls.items():
        given = sections[part] | changes[part]
        params = {f"befs.{part}": given, "befs.fmri": fmri, "befs.small": small}
        kept[part] = folder / f"{part}.json"
        results.write(
            kept[part],
            call(given),
            study=study,
            rule=f"befs_{part}",
            params=params,
            inputs={},
            seed=SEED,
        )
    return kept


def draw_brains(folder, parts):
    drawn = []
    for name, (rule, _) in befs_figures.DRAWINGS.items():
        part = rule.removeprefix("befs_")
        if part in parts:
            drawn.append(folder / f"{name}.png")
            befs_figures.draw(name, parts[part], drawn[-1], folder / f"{name}.pdf")
    return drawn


def measure_validity(folder):
    """Measure how often the tests are right, in very few data sets."""
    folder.mkdir()
    few = {"n_replicates": 3, "n_subjects": 4, "n_stimuli": 20, "n_voxels": 12}
    few |= {"n_draws": 100, "n_bootstrap": 100, "interval": LEVEL, "seed": SEED}
    return {
        test: keep(folder, test, right.measure(test, **few), "validity", "tiny")
        for test in VALIDATED
    }


@pytest.fixture(scope="session")
def finished(tiny, default_config, tmp_path_factory) -> Finished:
    folder = tmp_path_factory.mktemp("finished")
    sessions = {subject: tiny.sessions[subject] for subject in SUBJECTS}
    trials = design.match(design.read_expdesign(tiny.root / registry.EXPDESIGN), sessions, 2)
    summary = design.summarise(trials, sessions, 2, real=False)
    data = [keep(folder, "matching", summary, "match_stimuli", "tiny")]
    extracts = {}
    for subject in SUBJECTS:
        extracts[subject] = folder / f"{subject}.h5"
        mine = trials[trials["subject"] == subject]
        found = betas.extract(tiny.root, subject, REGIONS, mine, extracts[subject])
        data.append(keep(folder, f"betas_{subject}", found, "extract_betas", "tiny", rois=REGIONS))
    tests = {
        "rsa": rsa.analyse(
            measure.measure(extracts, REGIONS, SEED),
            comparison="spearman",
            n_permutations=99,
            n_bootstrap=60,
            interval=LEVEL,
            seed=SEED,
            progress=False,
        ),
        "rdm_gap": gap_of(measure.measure(extracts, REGIONS, SEED)),
        "fingerprinting": fingerprinting.analyse(
            extracts,
            REGIONS,
            n_permutations=100,
            n_bootstrap=60,
            n_subsamples=2,
            interval=LEVEL,
            seed=SEED,
        ),
        "heteroscedasticity": heteroscedasticity.analyse(
            extracts, REGIONS, n_surrogates=60, n_bootstrap=60, interval=LEVEL, seed=SEED
        ),
        "alignment": alignment.analyse(
            extracts,
            REGIONS,
            n_folds=3,
            dimensions=[5, 10],
            n_permutations=60,
            n_bootstrap=60,
            interval=LEVEL,
            seed=SEED,
        ),
        "variance_reliability": variance_reliability.analyse(
            extracts,
            REGIONS,
            n_splits=2,
            n_surrogates=60,
            n_permutations=60,
            n_bootstrap=60,
            interval=LEVEL,
            seed=SEED,
        ),
        "encoding_gap": encoding_gap.analyse(
            extracts,
            REGIONS,
            n_folds=3,
            n_permutations=60,
            n_bootstrap=60,
            interval=LEVEL,
            seed=SEED,
        ),
        "variance_predictability": variance_predictability.analyse(
            extracts,
            REGIONS,
            n_components=5,
            n_folds=3,
            n_surrogates=60,
            n_bootstrap=60,
            interval=LEVEL,
            seed=SEED,
        ),
        "direction_erosion": direction_erosion.analyse(
            n_stimuli=50,
            n_subjects=8,
            n_replicates=5,
            n_bootstrap=60,
            shared_fractions=[0.25, 0.5, 0.75],
            cohort_share=0.2,
            tail_index=1.5,
            n_samples=100,
            neighbours=4,
            noise_sd=0.5,
            interval=LEVEL,
            seed=SEED,
        ),
        "variance_blindness": variance_blindness.analyse(
            extracts,
            REGIONS,
            log_sd=0.8,
            sizes=[100, 300],
            n_replicates=2,
            n_folds=3,
            n_components=3,
            prior_sd=0.5,
            n_surrogates=60,
            n_bootstrap=60,
            interval=LEVEL,
            seed=SEED,
        ),
    }
    params = {
        "rsa": {"erosion.rsa": {"comparison": "spearman"}},
        "rdm_gap": {},
        "fingerprinting": {"erosion.fingerprinting": {"n_subsamples": 2}},
        "heteroscedasticity": {},
        "alignment": {},
        "encoding_gap": {},
        "variance_reliability": {},
        "variance_predictability": {},
        "direction_erosion": {},
        "variance_blindness": {},
    }
    kept = {t: keep(folder, t, found, t, "tiny", **params[t]) for t, found in tests.items()}
    known = planted(
        extracts,
        {subject: tiny.root / paths.subject_truth_key(subject) for subject in SUBJECTS},
        tiny.root / paths.IMAGE_TRUTH,
        REGIONS,
        tiny.simulation,
        "spearman",
        list(tests),
        gap_comparison="spearman",
    )
    truth = keep(folder, "planted", known, "planted", "tiny")
    worth = value_brains(default_config.befs.model_dump(), "tiny", folder)
    drawn = [*draw_all(folder, kept, truth), *draw_brains(folder, worth)]
    answered = answer_claims(
        folder, "tiny", "simulated", [data[0], *kept.values(), truth, *worth.values()]
    )
    valid = measure_validity(folder / "validity")
    drawn.append(folder / "validity.png")
    right_figure.draw(list(valid.values()), drawn[-1], folder / "validity.pdf")
    return Finished("tiny", folder, data, kept, truth, drawn, answered, worth, valid)


@pytest.fixture
def answer():
    """Return the function that holds the ledger to results."""
    return answer_claims


@pytest.fixture
def draw():
    """Return the function that draws the figures of tests."""
    return draw_all


@pytest.fixture
def external(tmp_path):
    """Make a study of RDMs measured elsewhere."""

    def make(n_subjects=4, n_repeats=None, label="human IT") -> Finished:
        rng = np.random.default_rng(0)
        n = 12
        shared = rng.normal(size=rdms.n_pairs(n))
        own = shared + 0.7 * rng.normal(size=(n_subjects, shared.size))
        repeats = None
        if n_repeats:
            repeats = own + rng.normal(size=(n_repeats, *own.shape))
        names = tuple(f"S{i}" for i in range(n_subjects))
        region = rdms.RdmSet(label, names, {"external": own}, repeats=repeats)
        content = rdms.RdmFile(np.array([f"image{i:02d}" for i in range(n)]), [region])
        found = rsa.analyse(
            content,
            comparison="spearman",
            n_permutations=99,
            n_bootstrap=60,
            interval=LEVEL,
            seed=SEED,
            progress=False,
        )
        path = keep(tmp_path, "rsa", found, "rsa", "elsewhere")
        gap = keep(tmp_path, "rdm_gap", gap_of(content), "rdm_gap", "elsewhere")
        kept = {"rsa": path, "rdm_gap": gap}
        answered = answer_claims(tmp_path, "elsewhere", "rdms", [path, gap])
        drawn = draw_all(tmp_path, kept, None)
        return Finished("elsewhere", tmp_path, [], kept, None, drawn, answered)

    return make
