"""Data: simulate or fetch NSD's files, match stimuli, extract the voxels of the regions.

INPUTS   nothing (simulated), an NSD tree (local), NSD's bucket (s3), or ROI means (roi_means.dir)
OUTPUTS  data/<study>/                         NSD's own tree and file names; of session files
                                              only voxels (*.voxels.h5) if data.download is ranges
                                              or data.keep_sessions is false
         results/<study>/data/stimuli.parquet  one row a trial, 73K ids matched
         results/<study>/data/betas_*.h5       trials x voxels, z-scored, one file a subject
"""

if FROM_NSD and CONFIG.data.source == "simulated":

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


if FROM_NSD and CONFIG.data.source != "simulated":

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
                in_data(fetched_keys(_subject)),
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
                objects=fetched_keys(_subject),
            script:
                "../scripts/fetch.py"


if BY_RANGES:
    for _subject in CONFIG.subjects:

        rule:
            name:
                f"fetch_voxels_{_subject}"
            input:
                atlas=in_data(registry.atlas_keys()),
                volumes=in_data(fetched_keys(_subject)),
            output:
                voxels=voxel_files(_subject),
                json=f"{OUT}/data/fetch_voxels_{_subject}.json",
            log:
                f"{LOGS}/fetch_voxels_{_subject}.log",
            benchmark:
                f"{LOGS}/benchmarks/fetch_voxels_{_subject}.tsv"
            localrule: True
            conda:
                ENV
            params:
                config=keys("data", "rois"),
                code=code("fetch_voxels.py"),
                root=data_root,
                subject=_subject,
                sessions=SESSIONS[_subject],
            script:
                "../scripts/fetch_voxels.py"


if PASSING:

    rule fetch_session:
        """Fetch one session file, which goes once its voxels have been taken."""
        input:
            volumes_of_subject,  # so that nothing keeps the session waiting on disk
        output:
            temp(f"{DATA}/{registry.betas_folder('{subject}')}/betas_session{{session}}.hdf5"),
        log:
            f"{LOGS}/fetch_session_{{subject}}_{{session}}.log",
        benchmark:
            f"{LOGS}/benchmarks/fetch_session_{{subject}}_{{session}}.tsv"
        localrule: True
        conda:
            ENV
        params:
            config=keys("data"),
            code=code("fetch.py"),
            root=data_root,
            objects=session_keys,
        script:
            "../scripts/fetch.py"

    rule session_voxels:
        """Take the voxels of the regions out of one session file, and drop it from the store."""
        input:
            session=f"{DATA}/{registry.betas_folder('{subject}')}/betas_session{{session}}.hdf5",
            volumes=volumes_of_subject,
        output:
            f"{DATA}/{registry.betas_folder('{subject}')}/betas_session{{session}}.voxels.h5",
        log:
            f"{LOGS}/session_voxels_{{subject}}_{{session}}.log",
        benchmark:
            f"{LOGS}/benchmarks/session_voxels_{{subject}}_{{session}}.tsv"
        # Before any further session is fetched: with --cores N there are N session files at most.
        priority: 10
        localrule: True
        conda:
            ENV
        params:
            config=keys("rois", "data.store_dir"),
            code=code("session_voxels.py"),
            root=data_root,
            sessions=SESSIONS,
        script:
            "../scripts/session_voxels.py"


if FROM_NSD:

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
            acquisition=acquisition_of,
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
            source=CONFIG.data.source,
            download=CONFIG.data.download if CONFIG.data.source == "s3" else None,
            voxels=BY_VOXELS,
            store=CONFIG.data.store_dir,
        script:
            "../scripts/extract_betas.py"


if ROI_MEANS:

    rule match_roi_means:
        """Find the stimuli that all subjects share in files of ROI means."""
        input:
            files=list(map(str, ROI_MEANS.values())),
        output:
            table=f"{OUT}/data/stimuli.parquet",
            json=f"{OUT}/data/matching.json",
        log:
            f"{LOGS}/match_roi_means.log",
        benchmark:
            f"{LOGS}/benchmarks/match_roi_means.tsv"
        conda:
            ENV
        resources:
            mem_mb=growing(2000),
        params:
            config=keys("design", "subjects", "rois", "data.sessions"),
            code=code("match_roi_means.py"),
        script:
            "../scripts/match_roi_means.py"

    rule import_roi_means:
        """Z-score one subject's ROI means session by session."""
        input:
            table=f"{OUT}/data/stimuli.parquet",
            file=lambda wildcards: str(ROI_MEANS[wildcards.subject]),
        output:
            betas=f"{OUT}/data/betas_{{subject}}.h5",
            json=f"{OUT}/data/betas_{{subject}}.json",
        log:
            f"{LOGS}/import_roi_means_{{subject}}.log",
        benchmark:
            f"{LOGS}/benchmarks/import_roi_means_{{subject}}.tsv"
        conda:
            ENV
        resources:
            mem_mb=growing(2000),
        params:
            config=keys("rois", "roi_means.zscore"),
            code=code("import_roi_means.py"),
        script:
            "../scripts/import_roi_means.py"
