"""Cross-subject RSA at NSD's size against rsatoolbox, scikit-bio, SciPy and explicit resampling.

8 subjects, 766 stimuli, Spearman, all 28 pairs, one thread on both sides. The two sides take turns
and medians are reported. What would take minutes to hours is measured on a part of the work and
scaled up; every such line says so. Each pair of implementations is also checked to agree.
"""

import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.stats
from scipy.spatial.distance import squareform
from threadpoolctl import threadpool_limits

from brainworth.erosion import compare, rdms, relabel, resample, rsa
from brainworth.erosion.dissimilarity import correlation_rdm

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm import calc_rdm
    from skbio.stats.distance import DistanceMatrix, mantel

ROOT = Path(__file__).resolve().parents[1]
SUBJECTS = tuple(f"subj{s:02d}" for s in range(1, 9))
STIMULI, VOXELS = 766, 2000
PERMUTATIONS, DRAWS = 5000, 1000
PAIRS = np.stack(np.triu_indices(len(SUBJECTS), 1), axis=1)
UPPER = np.triu_indices(STIMULI, 1)


def main() -> None:
    rng = np.random.default_rng(1)
    features = rng.standard_normal((STIMULI, 20))
    patterns = [
        features @ rng.standard_normal((20, VOXELS)) + 4 * rng.standard_normal((STIMULI, VOXELS))
        for _ in SUBJECTS
    ]
    vectors = np.stack([correlation_rdm(one) for one in patterns])
    with threadpool_limits(1):
        result = {
            "machine": {"processor": processor(), "threads": 1},
            "rdm": rdm(patterns[0]),
            "permutation": permutation(vectors),
            "bootstrap": bootstrap(vectors),
            "whole_region": whole_region(vectors, rng),
        }
    output = ROOT / "benchmarks/results/rsa.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")


def take_turns(runs: int, **sides: Callable[[], object]) -> tuple[dict[str, float], dict]:
    """Return the median seconds of each side, and what each returned last."""
    seconds, answers = {name: [] for name in sides}, {}
    for _ in range(runs):
        for name, side in sides.items():
            start = time.perf_counter()
            answers[name] = side()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}, answers


def rdm(patterns: np.ndarray) -> dict[str, float]:
    dataset = Dataset(patterns)
    seconds, answers = take_turns(
        7,
        ours=lambda: correlation_rdm(patterns),
        rsatoolbox=lambda: calc_rdm(dataset, method="correlation").dissimilarities[0],
    )
    np.testing.assert_allclose(answers["ours"], answers["rsatoolbox"], atol=1e-8)
    print(f"Correlation RDM, {STIMULI} stimuli x {VOXELS} voxels")
    return report(seconds, {"rsatoolbox": 10})


def permutation(vectors: np.ndarray) -> dict[str, float]:
    squares = [squareform(row) for row in vectors]
    matrices = [DistanceMatrix(one) for one in squares]
    order = relabel.draw(1, ["naive"], 3, STIMULI)[0]

    def ours() -> np.ndarray:
        permutations = relabel.draw(1, SUBJECTS, PERMUTATIONS, STIMULI)
        standardised = compare.standardise(vectors, "spearman")
        return relabel.similarities(standardised, permutations)[0]

    def scikit_bio() -> float:
        return mantel(
            matrices[0], matrices[1], method="spearman", permutations=PERMUTATIONS, seed=1
        )[0]

    def scipy_loop() -> None:
        for labels in order:
            relabelled = squares[1][np.ix_(labels, labels)][UPPER]
            scipy.stats.spearmanr(vectors[0], relabelled)

    ours()  # compiles
    seconds, answers = take_turns(3, ours=ours, scikit_bio=scikit_bio, scipy_loop=scipy_loop)
    np.testing.assert_allclose(answers["ours"][0], answers["scikit_bio"], atol=1e-6)
    seconds["scikit_bio"] *= len(PAIRS)
    seconds["scipy_loop"] *= len(PAIRS) * PERMUTATIONS / len(order)
    print(f"\nPermutation test, {len(PAIRS)} pairs x {PERMUTATIONS} permutations, whole")
    print(f"  scikit-bio: 1 pair measured, times {len(PAIRS)}")
    print(f"  SciPy loop: {len(order)} permutations of 1 pair measured, scaled up")
    answer = report(seconds, {"scikit_bio": 4, "scipy_loop": 100})
    answer["ours_ms_per_permutation"] = 1000 * seconds["ours"] / PERMUTATIONS
    print(f"  ours, per permutation of all pairs: {answer['ours_ms_per_permutation']:.2f} ms")
    return answer


def bootstrap(vectors: np.ndarray) -> dict[str, float]:
    weights = resample.draw(1, DRAWS, STIMULI)
    standardised = compare.standardise(vectors, "spearman")
    ranked = [squareform(row) for row in standardised]
    squares = [squareform(row) for row in vectors]
    n_ranked, n_reranked = 5, 2

    def ours() -> np.ndarray:
        return resample.over_stimuli(standardised, PAIRS, weights, centred=True).draws

    def explicit(matrices: list[np.ndarray], comparison: str, n_draws: int) -> np.ndarray:
        answer = []
        for row in weights[:n_draws].astype(int):
            chosen = np.repeat(np.arange(STIMULI), row)
            apart = np.triu(chosen[:, None] != chosen, 1)
            rows = np.stack([one[np.ix_(chosen, chosen)][apart] for one in matrices])
            answer.append(compare.compare(rows, rows, comparison)[PAIRS[:, 0], PAIRS[:, 1]])
        return np.array(answer)

    seconds, answers = take_turns(
        5,
        ours=ours,
        explicit=lambda: explicit(ranked, "corr", n_ranked),
        explicit_reranked=lambda: explicit(squares, "spearman", n_reranked),
    )
    np.testing.assert_allclose(answers["ours"][:n_ranked], answers["explicit"], atol=1e-10)
    # Leaving out one of 766 stimuli costs explicit resampling as much as a draw.
    seconds["explicit_with_jackknife"] = seconds["explicit"] * (DRAWS + STIMULI) / n_ranked
    seconds["explicit"] *= DRAWS / n_ranked
    seconds["explicit_reranked"] *= DRAWS / n_reranked
    print(f"\nBootstrap over stimuli, {len(PAIRS)} pairs x {DRAWS} draws")
    print(f"  ours also does the {STIMULI} jackknife samples that BCa intervals need")
    print(f"  explicit: same numbers to 1e-10, {n_ranked} draws measured, scaled up")
    print(f"  explicit, ranked anew in every draw: {n_reranked} draws measured, scaled up")
    targets = {"explicit": 50, "explicit_with_jackknife": 50, "explicit_reranked": 50}
    return report(seconds, targets)


def whole_region(vectors: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    noise = vectors.std() * rng.standard_normal((3, *vectors.shape))
    region = rdms.RdmSet("V1", SUBJECTS, {"correlation": vectors}, vectors + noise, vectors)
    content = rdms.RdmFile(np.arange(STIMULI), [region])
    start = time.perf_counter()
    rsa.analyse(
        content,
        comparison="spearman",
        n_permutations=PERMUTATIONS,
        n_bootstrap=DRAWS,
        interval=0.95,
        seed=1,
        progress=False,
    )
    seconds = time.perf_counter() - start
    print(f"\nrsa.analyse, one region with 3 repeats and the mismatched control: {seconds:.1f} s")
    return {"ours_s": seconds}


def report(seconds: dict[str, float], targets: dict[str, float]) -> dict[str, float]:
    print(f"  {'ours':<24} {seconds['ours']:10.4f} s")
    answer = {"ours_s": seconds["ours"]}
    for name, target in targets.items():
        ratio = seconds[name] / seconds["ours"]
        answer |= {f"{name}_s": seconds[name], f"{name}_to_ours": ratio, f"{name}_target": target}
        print(f"  {name:<24} {seconds[name]:10.4f} s   {ratio:8.1f}x ours (target: {target}x)")
    return answer


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
