"""Bridges: what the stages answer together, one rule, one JSON and one figure a bridge.

INPUTS   results/<study>/data/betas_*.h5 (erosion), results/<study>/encoder/features.h5 and
         targets_*.h5, and what a bridge names beside them
OUTPUTS  results/<study>/bridges/PART.json   calibration, decoding, feature_spaces, averaging
"""


rule bridge_averaging:
    """What averaging costs the encoder, and what a head for the variance recovers."""
    input:
        **(
            {
                "image_truth": f"{DATA}/{paths.IMAGE_TRUTH}",
                "truths": [
                    f"{DATA}/{paths.subject_truth_key(subject)}"
                    for subject in CONFIG.bridges.subjects
                ],
            }
            if SIMULATED
            else {}
        ),
        **(
            {"alignment": f"{OUT}/erosion/alignment.json"}
            if "alignment" in CONFIG.erosion.tests
            else {}
        ),
        betas=BRIDGE_BETAS,
        targets=BRIDGE_TARGETS,
        features=f"{ENCODED}/features.h5",
    output:
        json=f"{OUT}/bridges/averaging.json",
    log:
        f"{LOGS}/bridge_averaging.log",
    benchmark:
        f"{LOGS}/benchmarks/bridge_averaging.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(3000),
        gpu=GPUS if "chasm" in CONFIG.bridges.averaging.models else 0,
    params:
        config=keys(
            *("seed", "interval", "rois", "bridges.subjects", "bridges.averaging"),
            *(("simulation",) if SIMULATED else ()),
            *(
                (
                    *("encoder.device", "encoder.compile", "encoder.stage1"),
                    *("encoder.train_stage1", "encoder.loss_stage1"),
                )
                if "chasm" in CONFIG.bridges.averaging.models
                else ()
            ),
        ),
        code=code("bridge_averaging.py"),
        checkpoints=f"{OUT}/bridges/.checkpoints/averaging",
    script:
        "../scripts/bridge_averaging.py"
