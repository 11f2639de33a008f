"""Encoder: predict the responses to images, one rule and one JSON a part.

INPUTS   the images (or features of them, config: encoder.features), results/<study>/data/betas_*.h5
OUTPUTS  results/<study>/encoder/features.h5           features of all images that are used
         results/<study>/encoder/targets_subjXX.h5     responses, split into train, validation, test
         results/<study>/encoder/linear_subjXX.json    ridge and probes
         results/<study>/encoder/chasm_subjXX.json     the two stages, with their weights (.pt),
                                                       predictions (.h5), scores (.nii.gz, .csv)
         results/<study>/encoder/PART.json             stage1, stage2, clusters, streams, transfer
         results/<study>/encoder/.checkpoints/         of jobs that are not done
"""

if FROM_NSD and CONFIG.data.source != "simulated" and DESCRIBED_SUBJECTS:

    rule fetch_encoder:
        """Fetch what only the encoder and the bridges need: images, and volumes of streams."""
        output:
            in_data(ENCODER_KEYS),
        log:
            f"{LOGS}/fetch_encoder.log",
        benchmark:
            f"{LOGS}/benchmarks/fetch_encoder.tsv"
        localrule: True
        conda:
            ENV
        params:
            config=keys("data"),
            code=code("fetch.py"),
            root=data_root,
            objects=ENCODER_KEYS,
        script:
            "../scripts/fetch.py"


rule encoder_features:
    """Describe every image that a subject of the encoder or of a bridge saw."""
    input:
        table=f"{OUT}/data/stimuli.parquet",
        images=IMAGES,
    output:
        features=f"{ENCODED}/features.h5",
        json=f"{ENCODED}/features.json",
    log:
        f"{LOGS}/encoder_features.log",
    benchmark:
        f"{LOGS}/benchmarks/encoder_features.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(3000),
        gpu=FEATURES_GPUS,
    params:
        config=keys(
            "encoder.features",
            *(("encoder.device",) if CONFIG.encoder.features.backend == "dinov2" else ()),
        ),
        code=code("encoder_features.py"),
        subjects=DESCRIBED_SUBJECTS,
        checkpoints=f"{ENCODED}/.checkpoints",
    script:
        "../scripts/encoder_features.py"


rule encoder_targets:
    """Average the responses of one subject to each image, and split the images."""
    input:
        betas=f"{OUT}/data/betas_{{subject}}.h5",
        streams=f"{DATA}/{registry.roi_key('{subject}', registry.STREAMS)}",
        table=f"{DATA}/{registry.label_table_key('{subject}', registry.STREAMS)}",
    output:
        targets=f"{ENCODED}/targets_{{subject}}.h5",
        json=f"{ENCODED}/targets_{{subject}}.json",
    log:
        f"{LOGS}/encoder_targets_{{subject}}.log",
    benchmark:
        f"{LOGS}/benchmarks/encoder_targets_{{subject}}.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(6000),
    params:
        config=keys("seed", "encoder.targets"),
        code=code("encoder_targets.py"),
        # By then every subject of NSD's had seen all it was going to see.
        common_sessions=(
            min(map(sessions_of, registry.SUBJECTS))
            if CONFIG.encoder.targets.test == "test515"
            else None
        ),
    script:
        "../scripts/encoder_targets.py"


rule encoder_linear:
    """Predict by ridge regression, and from each layer by itself."""
    input:
        **({"truth": f"{DATA}/{paths.IMAGE_TRUTH}"} if SIMULATED else {}),
        features=f"{ENCODED}/features.h5",
        targets=f"{ENCODED}/targets_{{subject}}.h5",
    output:
        json=f"{ENCODED}/linear_{{subject}}.json",
        ridge=f"{ENCODED}/ridge_{{subject}}.h5",
    log:
        f"{LOGS}/encoder_linear_{{subject}}.log",
    benchmark:
        f"{LOGS}/benchmarks/encoder_linear_{{subject}}.tsv"
    conda:
        ENV
    resources:
        mem_mb=for_tokens(5000, 2),
    params:
        config=keys(
            *("seed", "interval"),
            *("encoder.ridge", "encoder.clusters", "encoder.scores"),
            *(("simulation",) if SIMULATED else ()),
        ),
        code=code("encoder_linear.py"),
        checkpoints=f"{ENCODED}/.checkpoints",
    script:
        "../scripts/encoder_linear.py"


rule encoder_chasm:
    """Train and evaluate the two stages."""
    input:
        features=f"{ENCODED}/features.h5",
        targets=f"{ENCODED}/targets_{{subject}}.h5",
        ridge=f"{ENCODED}/ridge_{{subject}}.h5",
        # whose regions the table of voxels names
        betas=f"{OUT}/data/betas_{{subject}}.h5",
        streams=f"{DATA}/{registry.roi_key('{subject}', registry.STREAMS)}",
    output:
        json=f"{ENCODED}/chasm_{{subject}}.json",
        stage1=f"{ENCODED}/stage1_{{subject}}.pt",
        stage2=f"{ENCODED}/stage2_{{subject}}.pt",
        predictions=f"{ENCODED}/predictions_{{subject}}.h5",
        scores=f"{ENCODED}/scores_{{subject}}.nii.gz",
        voxels=f"{ENCODED}/voxels_{{subject}}.csv",
    log:
        f"{LOGS}/encoder_chasm_{{subject}}.log",
    benchmark:
        f"{LOGS}/benchmarks/encoder_chasm_{{subject}}.tsv"
    conda:
        ENV
    resources:
        mem_mb=for_tokens(4000 + 2000 * GPUS, 6),
        gpu=GPUS,
    params:
        config=keys(
            *("seed", "interval"),
            *("encoder.device", "encoder.compile"),
            *("encoder.clusters", "encoder.stage1", "encoder.stage2"),
            *("encoder.train_stage1", "encoder.train_stage2"),
            *("encoder.loss_stage1", "encoder.loss_stage2", "encoder.scores"),
        ),
        code=code("encoder_chasm.py"),
        checkpoints=f"{ENCODED}/.checkpoints",
    script:
        "../scripts/encoder_chasm.py"


rule encoder_stage1:
    """Put other networks in the place of stage 1."""
    input:
        features=f"{ENCODED}/features.h5",
        targets=ENCODER_FIRST,
    output:
        json=f"{ENCODED}/stage1.json",
    log:
        f"{LOGS}/encoder_stage1.log",
    benchmark:
        f"{LOGS}/benchmarks/encoder_stage1.tsv"
    conda:
        ENV
    resources:
        mem_mb=for_tokens(4000 + 2000 * GPUS, 6),
        gpu=GPUS,
    params:
        config=keys(
            *("seed", "interval"),
            *("encoder.device", "encoder.compile", "encoder.ablations.max_train_images"),
            *("encoder.clusters", "encoder.stage1"),
            *("encoder.train_stage1", "encoder.loss_stage1"),
            *("encoder.ablations.stage1", "encoder.scores"),
        ),
        code=code("encoder_stage1.py"),
        checkpoints=f"{ENCODED}/.checkpoints",
    script:
        "../scripts/encoder_stage1.py"


rule encoder_stage2:
    """Put other networks in the place of stage 2."""
    input:
        features=f"{ENCODED}/features.h5",
        targets=ENCODER_FIRST,
        stage1=f"{ENCODED}/stage1_{CONFIG.encoder.subjects[0]}.pt",
    output:
        json=f"{ENCODED}/stage2.json",
    log:
        f"{LOGS}/encoder_stage2.log",
    benchmark:
        f"{LOGS}/benchmarks/encoder_stage2.tsv"
    conda:
        ENV
    resources:
        mem_mb=for_tokens(4000 + 2000 * GPUS, 6),
        gpu=GPUS,
    params:
        config=keys(
            *("seed", "interval"),
            *("encoder.device", "encoder.compile", "encoder.ablations.max_train_images"),
            *("encoder.clusters", "encoder.stage2"),
            *("encoder.train_stage2", "encoder.loss_stage2", "encoder.diffusion"),
            *("encoder.ablations.stage2", "encoder.scores"),
        ),
        code=code("encoder_stage2.py"),
        checkpoints=f"{ENCODED}/.checkpoints",
    script:
        "../scripts/encoder_stage2.py"


rule encoder_clusters:
    """Vary the clusters: size, kind, and share of voxels."""
    input:
        features=f"{ENCODED}/features.h5",
        targets=ENCODER_FIRST,
    output:
        json=f"{ENCODED}/clusters.json",
    log:
        f"{LOGS}/encoder_clusters.log",
    benchmark:
        f"{LOGS}/benchmarks/encoder_clusters.tsv"
    conda:
        ENV
    resources:
        mem_mb=for_tokens(4000 + 2000 * GPUS, 10),
        gpu=GPUS,
    params:
        config=keys(
            *("seed", "interval"),
            *("encoder.device", "encoder.compile", "encoder.ablations.max_train_images"),
            *("encoder.clusters", "encoder.stage1", "encoder.stage2"),
            *("encoder.train_stage1", "encoder.train_stage2"),
            *("encoder.loss_stage1", "encoder.loss_stage2", "encoder.scores"),
            *("encoder.ablations.cluster_sizes", "encoder.ablations.cluster_kinds"),
            "encoder.ablations.tops",
        ),
        code=code("encoder_clusters.py"),
        checkpoints=f"{ENCODED}/.checkpoints",
    script:
        "../scripts/encoder_clusters.py"


rule encoder_streams:
    """Cut and swap the streams of stage 1, and train each by itself."""
    input:
        features=f"{ENCODED}/features.h5",
        targets=ENCODER_FIRST,
        stage1=f"{ENCODED}/stage1_{CONFIG.encoder.subjects[0]}.pt",
    output:
        json=f"{ENCODED}/streams.json",
    log:
        f"{LOGS}/encoder_streams.log",
    benchmark:
        f"{LOGS}/benchmarks/encoder_streams.tsv"
    conda:
        ENV
    resources:
        mem_mb=for_tokens(4000 + 2000 * GPUS, 6),
        gpu=GPUS,
    params:
        config=keys(
            *("seed", "interval"),
            *("encoder.device", "encoder.compile"),
            *("encoder.clusters", "encoder.stage1"),
            *("encoder.train_stage1", "encoder.loss_stage1"),
            *("encoder.ablations.single_streams", "encoder.scores"),
        ),
        code=code("encoder_streams.py"),
        checkpoints=f"{ENCODED}/.checkpoints",
    script:
        "../scripts/encoder_streams.py"


rule encoder_transfer:
    """Give a subject the backbone of others."""
    input:
        features=f"{ENCODED}/features.h5",
        targets=TRANSFER_TARGETS,
    output:
        json=f"{ENCODED}/transfer.json",
    log:
        f"{LOGS}/encoder_transfer.log",
    benchmark:
        f"{LOGS}/benchmarks/encoder_transfer.tsv"
    conda:
        ENV
    resources:
        mem_mb=for_tokens(4000 + 2000 * GPUS, 6, len(TRANSFER_TARGETS)),
        gpu=GPUS,
    params:
        config=keys(
            *("seed", "interval"),
            *("encoder.device", "encoder.compile", "encoder.ablations.max_train_images"),
            *("encoder.clusters", "encoder.stage1"),
            *("encoder.train_stage1", "encoder.loss_stage1"),
            *("encoder.transfer", "encoder.ridge", "encoder.scores"),
        ),
        code=code("encoder_transfer.py"),
        checkpoints=f"{ENCODED}/.checkpoints",
    script:
        "../scripts/encoder_transfer.py"
