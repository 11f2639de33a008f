"""Erosion: what averaging brains loses, one rule and one JSON a test.

INPUTS   results/<study>/data/betas_*.h5, or RDMs measured elsewhere (config: rdms.file)
OUTPUTS  results/<study>/erosion/rdms.h5    every region's RDMs, with parts for reliability
         results/<study>/erosion/TEST.json  rsa, fingerprinting, heteroscedasticity
         results/<study>/erosion/planted.json  the truth, on simulated data
"""

if CONFIG.rdms.file is None:

    rule rdms:
        """Compute the representational dissimilarity matrices of all regions and subjects."""
        input:
            betas=EXTRACTS,
        output:
            rdms=f"{OUT}/erosion/rdms.h5",
        log:
            f"{LOGS}/rdms.log",
        benchmark:
            f"{LOGS}/benchmarks/rdms.tsv"
        conda:
            ENV
        resources:
            mem_mb=growing(4000),
        params:
            config=keys("seed", "subjects", "rois"),
            code=code("rdms.py"),
        script:
            "../scripts/rdms.py"

else:

    rule import_rdms:
        """Read RDMs that were measured elsewhere."""
        input:
            file=CONFIG.rdms.file,
        output:
            rdms=f"{OUT}/erosion/rdms.h5",
            json=f"{OUT}/data/import_rdms.json",
        log:
            f"{LOGS}/import_rdms.log",
        benchmark:
            f"{LOGS}/benchmarks/import_rdms.tsv"
        conda:
            ENV
        resources:
            mem_mb=growing(2000),
        params:
            config=keys("rdms"),
            code=code("import_rdms.py"),
        script:
            "../scripts/import_rdms.py"


rule rsa:
    """Compare the RDMs of subjects: similarity, nulls, intervals, noise ceilings, reliability."""
    input:
        rdms=f"{OUT}/erosion/rdms.h5",
    output:
        json=f"{OUT}/erosion/rsa.json",
    log:
        f"{LOGS}/rsa.log",
    benchmark:
        f"{LOGS}/benchmarks/rsa.tsv"
    conda:
        ENV
    threads: 2
    resources:
        mem_mb=growing(4000),
    params:
        config=keys("seed", "interval", "erosion.rsa"),
        code=code("rsa.py"),
    script:
        "../scripts/rsa.py"


rule fingerprinting:
    """Recognise subjects from their responses in other sessions."""
    input:
        betas=EXTRACTS,
    output:
        json=f"{OUT}/erosion/fingerprinting.json",
    log:
        f"{LOGS}/fingerprinting.log",
    benchmark:
        f"{LOGS}/benchmarks/fingerprinting.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(4000),
    params:
        config=keys("seed", "subjects", "rois", "interval", "erosion.fingerprinting"),
        code=code("fingerprinting.py"),
    script:
        "../scripts/fingerprinting.py"


rule heteroscedasticity:
    """Ask whether the variance over repetitions depends on the stimulus."""
    input:
        betas=EXTRACTS,
    output:
        json=f"{OUT}/erosion/heteroscedasticity.json",
    log:
        f"{LOGS}/heteroscedasticity.log",
    benchmark:
        f"{LOGS}/benchmarks/heteroscedasticity.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(4000),
    params:
        config=keys("seed", "subjects", "rois", "interval", "erosion.heteroscedasticity"),
        code=code("heteroscedasticity.py"),
    script:
        "../scripts/heteroscedasticity.py"


if SIMULATED:

    rule planted:
        """Compute from the truth what each test should find."""
        input:
            betas=EXTRACTS,
            images=f"{DATA}/{paths.IMAGE_TRUTH}",
            truth=in_data(paths.subject_truth_key(subject) for subject in CONFIG.subjects),
        output:
            json=f"{OUT}/erosion/planted.json",
        log:
            f"{LOGS}/planted.log",
        benchmark:
            f"{LOGS}/benchmarks/planted.tsv"
        conda:
            ENV
        resources:
            mem_mb=growing(4000),
        params:
            config=keys("subjects", "rois", "simulation", "erosion.tests", "erosion.rsa.comparison"),
            code=code("planted.py"),
        script:
            "../scripts/planted.py"
