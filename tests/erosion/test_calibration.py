"""From simulated session files to p-values, with the planted effects switched off.

Nothing is shared between subjects and the noise is homoscedastic, so the p-values of RSA and of
heteroscedasticity must be uniform; every seed is a new brain, design and noise.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats

from brainworth import config
from brainworth.erosion import heteroscedasticity, measure, rsa
from brainworth.nsd import betas, design, registry
from brainworth.nsd.simulate import anatomy, experiment, one_subject, paths, scales, truth

ROOT = Path(__file__).resolve().parents[2]
N_SEEDS = 40
REGIONS = ["V1", "faces"]
SUBJECTS = ("subj01", "subj02", "subj05")


def simulate_null(root: Path, seed: int) -> dict[str, Path]:
    """Write and extract one study without effects; returns the extracts."""
    simulation = config.load(ROOT / "config.yaml").simulation.model_copy(
        update={"scale": "tiny", "shared_fraction": [0.0] * 8, "variance_log_sd": 0.0}
    )
    scale = scales.SCALES["tiny"]
    ordering = experiment.draw_master_ordering(scale, seed)
    images = experiment.draw_subject_images(scale, seed)
    truth.write_images(root / paths.IMAGE_TRUTH, truth.draw_images(scale, simulation, seed))
    for atlas in registry.FSAVERAGE_TABLES:
        path = root / registry.label_table_key("fsaverage", atlas)
        anatomy.write_label_table(path, atlas)
    known = design.ExpDesign(ordering - 1, images - 1, images[0, : scale.shared] - 1)
    trials = design.match(known, dict.fromkeys(SUBJECTS, 2), 2)
    extracts = {}
    for subject in SUBJECTS:
        one_subject.write(root, simulation, subject, 2, seed)
        extracts[subject] = root / f"{subject}.h5"
        betas.extract(
            root, subject, REGIONS, trials[trials["subject"] == subject], extracts[subject]
        )
    return extracts


@pytest.fixture(scope="module")
def p_values(tmp_path_factory) -> dict[str, np.ndarray]:
    found: dict[str, list[float]] = {"rsa": [], "cv": [], "ratio": [], "mismatched": []}
    for seed in range(N_SEEDS):
        extracts = simulate_null(tmp_path_factory.mktemp("null"), seed)
        similarity = rsa.analyse(
            measure.measure(extracts, REGIONS, seed),
            comparison="spearman",
            n_permutations=199,
            n_bootstrap=100,
            interval=0.95,
            seed=seed,
            n_threads=1,
        )
        variance = heteroscedasticity.analyse(
            extracts, REGIONS, n_surrogates=199, n_bootstrap=100, interval=0.95, seed=seed
        )
        for region in similarity["regions"]:
            found["rsa"].append(region["similarity"]["p"])
            found["mismatched"].append(region["mismatched"]["p"])
        for region in variance["regions"]:
            for statistic in ("cv", "ratio"):
                found[statistic].append(region["mean"][statistic]["rotation"]["p"])
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.parametrize("name", ["rsa", "mismatched", "cv", "ratio"])
def test_p_values_are_uniform(p_values, name):
    p = p_values[name]
    assert p.size == N_SEEDS * len(REGIONS)
    assert scipy_stats.kstest(p, "uniform").pvalue > 0.001
    assert np.count_nonzero(p <= 0.05) <= scipy_stats.binom.ppf(0.999, p.size, 0.05)
