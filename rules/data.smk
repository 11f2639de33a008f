"""Data: simulate or fetch NSD's files, match stimuli, extract the voxels of the regions.

INPUTS   nothing (simulated), an NSD tree (local) or NSD's bucket (s3)
OUTPUTS  data/<study>/                         NSD's own tree and file names
         results/<study>/data/stimuli.parquet  one row a trial, 73K ids matched
         results/<study>/data/betas_*.h5       trials x voxels, z-scored, one file a subject
"""

if CONFIG.rdms.file is None and CONFIG.data.source == "simulated":

    rule simulate_experiment:
        """Write the design, the stimuli and the truth about images of simulated NSD."""
        output:
            in_data(paths.experiment_keys()),
        log:
            f"{LOGS}/simulate_experiment.log",
        benchmark:
            f"{LOGS}/benchmarks/simulate_experiment.tsv"
        conda:
            ENV
        resources:
            mem_mb=growing(2000),
        params:
            config=keys("seed", "simulation"),
            code=code("simulate_experiment.py"),
            root=data_root,
        script:
            "../scripts/simulate_experiment.py"

    # One rule a subject, since each has its own number of sessions, and so of files.
    for _subject in CONFIG.subjects:

        rule:
            name:
                f"simulate_{_subject}"
            input:
                images=f"{DATA}/{paths.IMAGE_TRUTH}",
            output:
                in_data(paths.subject_keys(_subject, SESSIONS[_subject])),
            log:
                f"{LOGS}/simulate_{_subject}.log",
            benchmark:
                f"{LOGS}/benchmarks/simulate_{_subject}.tsv"
            conda:
                ENV
            resources:
                mem_mb=growing(3000),
            params:
                config=keys("seed", "simulation"),
                code=code("simulate_subject.py"),
                root=data_root,
                subject=_subject,
                sessions=SESSIONS[_subject],
            script:
                "../scripts/simulate_subject.py"


if CONFIG.rdms.file is None and CONFIG.data.source != "simulated":

    rule fetch_experiment:
        """Fetch the design and the atlas tables."""
        output:
            in_data(registry.design_keys() + registry.atlas_keys()),
        log:
            f"{LOGS}/fetch_experiment.log",
        benchmark:
            f"{LOGS}/benchmarks/fetch_experiment.tsv"
        localrule: True
        conda:
            ENV
        params:
            config=keys("data"),
            code=code("fetch.py"),
            root=data_root,
            objects=registry.design_keys() + registry.atlas_keys(),
        script:
            "../scripts/fetch.py"

    # One rule a subject, since each has its own number of sessions, and so of files.
    for _subject in CONFIG.subjects:

        rule:
            name:
                f"fetch_{_subject}"
            output:
                in_data(registry.subject_keys(_subject, SESSIONS[_subject], VOLUMES)),
            log:
                f"{LOGS}/fetch_{_subject}.log",
            benchmark:
                f"{LOGS}/benchmarks/fetch_{_subject}.tsv"
            localrule: True
            conda:
                ENV
            params:
                config=keys("data"),
                code=code("fetch.py"),
                root=data_root,
                objects=registry.subject_keys(_subject, SESSIONS[_subject], VOLUMES),
            script:
                "../scripts/fetch.py"


rule match_stimuli:
    """Match trials to 73K ids and find the stimuli that all subjects share."""
    input:
        expdesign=f"{DATA}/{registry.EXPDESIGN}",
        stim_info=f"{DATA}/{registry.STIM_INFO}",
    output:
        table=f"{OUT}/data/stimuli.parquet",
        json=f"{OUT}/data/matching.json",
    log:
        f"{LOGS}/match_stimuli.log",
    benchmark:
        f"{LOGS}/benchmarks/match_stimuli.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(2000),
    params:
        config=keys("design"),
        code=code("match_stimuli.py"),
        sessions=SESSIONS,
    script:
        "../scripts/match_stimuli.py"


rule extract_betas:
    """Read the regions' voxels from one subject's sessions and z-score them session by session."""
    input:
        table=f"{OUT}/data/stimuli.parquet",
        atlas=in_data(registry.atlas_keys()),
        nsd=subject_files,
    output:
        betas=f"{OUT}/data/betas_{{subject}}.h5",
        json=f"{OUT}/data/betas_{{subject}}.json",
    log:
        f"{LOGS}/extract_betas_{{subject}}.log",
    benchmark:
        f"{LOGS}/benchmarks/extract_betas_{{subject}}.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(2000),
    params:
        config=keys("rois"),
        code=code("extract_betas.py"),
        root=data_root,
    script:
        "../scripts/extract_betas.py"
