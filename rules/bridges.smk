"""Bridges: what the stages answer together, one rule, one JSON and one figure a bridge.

INPUTS   results/<study>/data/betas_*.h5 (erosion), results/<study>/encoder/features.h5 and
         targets_*.h5, and what a bridge names beside them
OUTPUTS  results/<study>/bridges/PART.json   calibration, decoding, feature_spaces, averaging
"""


rule bridge_calibration:
    """Calibrate what brain samples are worth, predict students, and train them."""
    input:
        **(
            {
                "images": f"{DATA}/{paths.IMAGE_TRUTH}",
                "truths": [
                    f"{DATA}/{paths.subject_truth_key(subject)}"
                    for subject in CONFIG.bridges.subjects
                ],
            }
            if SIMULATED
            else {}
        ),
        **(
            {"features": f"{ENCODED}/features.h5"}
            if CONFIG.bridges.calibration.inputs == "features"
            else {}
        ),
        **(
            {"tasks": CONFIG.bridges.calibration.tasks}
            if CONFIG.bridges.calibration.tasks != "planted"
            else {}
        ),
        betas=BRIDGE_BETAS,
    output:
        json=f"{OUT}/bridges/calibration.json",
    log:
        f"{LOGS}/bridge_calibration.log",
    benchmark:
        f"{LOGS}/benchmarks/bridge_calibration.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(3000),
    params:
        config=keys(
            *("seed", "interval", "bridges.calibration"),
            *(("simulation",) if SIMULATED else ()),
        ),
        code=code("bridge_calibration.py"),
    script:
        "../scripts/bridge_calibration.py"


rule bridge_decoding:
    """Decode image features from more and more trials, and from more and more subjects."""
    input:
        **(
            {
                "images": f"{DATA}/{paths.IMAGE_TRUTH}",
                "truth": [
                    f"{DATA}/{paths.subject_truth_key(subject)}"
                    for subject in CONFIG.bridges.subjects
                ],
            }
            if SIMULATED
            else {}
        ),
        betas=BRIDGE_BETAS,
        features=f"{ENCODED}/features.h5",
    output:
        json=f"{OUT}/bridges/decoding.json",
    log:
        f"{LOGS}/bridge_decoding.log",
    benchmark:
        f"{LOGS}/benchmarks/bridge_decoding.tsv"
    conda:
        ENV
    resources:
        # at the size of NSD: the Gram matrix of voxels and its eigenvectors, in double precision
        mem_mb=growing(3000 if SIMULATED and CONFIG.simulation.scale != "full" else 16000),
    params:
        config=keys(
            *("seed", "interval", "design.min_repetitions"),
            *("bridges.subjects", "bridges.decoding"),
            *(("simulation",) if SIMULATED else ()),
        ),
        code=code("bridge_decoding.py"),
    script:
        "../scripts/bridge_decoding.py"
