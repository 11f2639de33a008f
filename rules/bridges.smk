"""Bridges: what the stages answer together, one rule, one JSON and one figure a bridge.

INPUTS   results/<study>/data/betas_*.h5 (erosion), results/<study>/encoder/features.h5 and
         targets_*.h5, and what a bridge names beside them
OUTPUTS  results/<study>/bridges/PART.json   calibration, decoding, feature_spaces, averaging
"""

# At the size of NSD jobs hold gigabytes (benchmarks/bridges_full_size.py); what they ask for is the
# largest memory measured there, and a quarter more.
NSD_SIZE = not SIMULATED or CONFIG.simulation.scale == "full"

if "calibration" in BRIDGE_PARTS and CONFIG.bridges.calibration.tasks != "planted":
    if not Path(CONFIG.bridges.calibration.tasks).is_file():
        raise WorkflowError(
            f"bridges.calibration.tasks: {CONFIG.bridges.calibration.tasks} does not exist; put the "
            "table of labels there, or correct the path"
        )


rule bridge_calibration:
    """Calibrate what brain samples are worth, predict students, and train them."""
    input:
        **(
            {
                "images": f"{DATA}/{paths.IMAGE_TRUTH}",
                "truths": [
                    f"{DATA}/{paths.subject_truth_key(subject)}"
                    for subject in CONFIG.bridge_subjects
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
        mem_mb=growing(6000 if NSD_SIZE else 3000),
    params:
        config=keys(
            *("seed", "interval", "rois", "bridges.calibration"),
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
                    for subject in CONFIG.bridge_subjects
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
        # measured with 7,300 voxels; those of all 13 regions (17,700) have a Gram matrix six times as
        # large, and may need the third try
        mem_mb=growing(6000 if NSD_SIZE else 3000),
    params:
        config=keys(
            *("seed", "interval", "design.min_repetitions"),
            "bridges.decoding",
            *(("simulation",) if SIMULATED else ()),
        ),
        code=code("bridge_decoding.py"),
        subjects=CONFIG.bridge_subjects,
    script:
        "../scripts/bridge_decoding.py"


# Files of features that somebody else computed; Snakemake itself would not say which key names one.
SPACE_FILES = CONFIG.bridges.feature_spaces.files if "feature_spaces" in BRIDGE_PARTS else {}
for _space, _file in SPACE_FILES.items():
    if not Path(_file).is_file():
        raise WorkflowError(
            f"bridges.feature_spaces.spaces, {_space}: {_file} does not exist; put the file there "
            "(docs/features.md says what it holds), or take the space out"
        )


rule bridge_feature_spaces:
    """Compare feature spaces by what they predict, and by the images they find."""
    input:
        **(
            {
                "truth": f"{DATA}/{paths.IMAGE_TRUTH}",
                "subject_truth": [
                    f"{DATA}/{paths.subject_truth_key(subject)}"
                    for subject in CONFIG.bridges.feature_spaces.subjects
                ],
            }
            if SIMULATED
            else {}
        ),
        features=f"{ENCODED}/features.h5",
        files=list(SPACE_FILES.values()),
        targets=[
            f"{ENCODED}/targets_{subject}.h5" for subject in CONFIG.bridges.feature_spaces.subjects
        ],
        betas=[
            f"{OUT}/data/betas_{subject}.h5" for subject in CONFIG.bridges.feature_spaces.subjects
        ],
    output:
        json=f"{OUT}/bridges/feature_spaces.json",
    log:
        f"{LOGS}/bridge_feature_spaces.log",
    benchmark:
        f"{LOGS}/benchmarks/bridge_feature_spaces.tsv"
    conda:
        ENV
    resources:
        mem_mb=for_tokens(5000, 2),
    params:
        config=keys(
            *("seed", "interval", "bridges.feature_spaces"),
            *("encoder.features.grid", "encoder.ridge", "encoder.scores"),
            "encoder.targets.repeat_target",
            *(("simulation",) if SIMULATED else ()),
        ),
        code=code("bridge_feature_spaces.py"),
    script:
        "../scripts/bridge_feature_spaces.py"


rule bridge_averaging:
    """What averaging costs the encoder, and what a head for the variance recovers."""
    input:
        **(
            {
                "image_truth": f"{DATA}/{paths.IMAGE_TRUTH}",
                "truths": [
                    f"{DATA}/{paths.subject_truth_key(subject)}"
                    for subject in CONFIG.bridge_subjects
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
            *("seed", "interval", "rois", "bridges.averaging"),
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
        subjects=CONFIG.bridge_subjects,
        checkpoints=f"{OUT}/bridges/.checkpoints/averaging",
    script:
        "../scripts/bridge_averaging.py"
