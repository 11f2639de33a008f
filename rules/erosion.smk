"""Erosion: what averaging brains loses, one rule and one JSON a test.

INPUTS   results/<study>/data/betas_*.h5, or RDMs measured elsewhere (config: rdms.file)
OUTPUTS  results/<study>/erosion/rdms.h5    every region's RDMs, with parts for reliability
         results/<study>/erosion/TEST.json  one a test of erosion.tests
         results/<study>/validity/TEST.json  how often TEST is right, on small planted data
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
        priority: LONGEST
        conda:
            ENV
        threads: THREADS
        resources:
            mem_mb=growing(3000),
        params:
            config=keys("seed", "subjects", "rois", "erosion.rsa.noise"),
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
    priority: LONGEST
    conda:
        ENV
    threads: THREADS
    resources:
        mem_mb=growing(2000),
    params:
        config=keys("seed", "interval", "erosion.rsa"),
        code=code("rsa.py"),
    script:
        "../scripts/rsa.py"


rule rdm_gap:
    """Hold a subject's own data against the other subjects as predictors of its RDM."""
    input:
        rdms=f"{OUT}/erosion/rdms.h5",
    output:
        json=f"{OUT}/erosion/rdm_gap.json",
    log:
        f"{LOGS}/rdm_gap.log",
    benchmark:
        f"{LOGS}/benchmarks/rdm_gap.tsv"
    conda:
        ENV
    threads: THREADS
    resources:
        mem_mb=growing(4000),
    params:
        config=keys("seed", "interval", "erosion.rdm_gap"),
        code=code("rdm_gap.py"),
    script:
        "../scripts/rdm_gap.py"


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
    threads: THREADS
    resources:
        mem_mb=growing(4000),
    params:
        config=keys("seed", "subjects", "rois", "interval", "erosion.heteroscedasticity"),
        code=code("heteroscedasticity.py"),
    script:
        "../scripts/heteroscedasticity.py"


rule alignment:
    """Rotate subjects to each other and ask how much they share."""
    input:
        betas=EXTRACTS,
    output:
        json=f"{OUT}/erosion/alignment.json",
    log:
        f"{LOGS}/alignment.log",
    benchmark:
        f"{LOGS}/benchmarks/alignment.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(4000),
    params:
        config=keys("seed", "subjects", "rois", "interval", "erosion.alignment"),
        code=code("alignment.py"),
    script:
        "../scripts/alignment.py"


rule encoding_gap:
    """Predict mean responses from own trials and from other subjects."""
    input:
        betas=EXTRACTS,
    output:
        json=f"{OUT}/erosion/encoding_gap.json",
    log:
        f"{LOGS}/encoding_gap.log",
    benchmark:
        f"{LOGS}/benchmarks/encoding_gap.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(4000),
    params:
        config=keys("seed", "subjects", "rois", "interval", "erosion.encoding_gap"),
        code=code("encoding_gap.py"),
    script:
        "../scripts/encoding_gap.py"


rule variance_reliability:
    """Ask whether that variance is the same in other voxels, trials and subjects."""
    input:
        betas=EXTRACTS,
    output:
        json=f"{OUT}/erosion/variance_reliability.json",
    log:
        f"{LOGS}/variance_reliability.log",
    benchmark:
        f"{LOGS}/benchmarks/variance_reliability.tsv"
    priority: LONGEST
    conda:
        ENV
    threads: THREADS
    resources:
        mem_mb=growing(4000),
    params:
        config=keys("seed", "subjects", "rois", "interval", "erosion.variance_reliability"),
        code=code("variance_reliability.py"),
    script:
        "../scripts/variance_reliability.py"


rule variance_predictability:
    """Ask whether that variance can be predicted."""
    input:
        betas=EXTRACTS,
    output:
        json=f"{OUT}/erosion/variance_predictability.json",
    log:
        f"{LOGS}/variance_predictability.log",
    benchmark:
        f"{LOGS}/benchmarks/variance_predictability.tsv"
    conda:
        ENV
    threads: THREADS
    resources:
        mem_mb=growing(4000),
    params:
        config=keys("seed", "subjects", "rois", "interval", "erosion.variance_predictability"),
        code=code("variance_predictability.py"),
    script:
        "../scripts/variance_predictability.py"


rule direction_erosion:
    """Check theorem 1 on simulated subjects: rate, information, prediction."""
    output:
        json=f"{OUT}/erosion/direction_erosion.json",
    log:
        f"{LOGS}/direction_erosion.log",
    benchmark:
        f"{LOGS}/benchmarks/direction_erosion.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1000),
    params:
        config=keys("seed", "interval", "erosion.direction_erosion"),
        code=code("direction_erosion.py"),
    script:
        "../scripts/direction_erosion.py"


rule variance_blindness:
    """Check theorem 2 on simulated processes; predict the variance of real responses."""
    input:
        betas=EXTRACTS,
    output:
        json=f"{OUT}/erosion/variance_blindness.json",
    log:
        f"{LOGS}/variance_blindness.log",
    benchmark:
        f"{LOGS}/benchmarks/variance_blindness.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(4000),
    params:
        config=keys("seed", "subjects", "rois", "interval", "erosion.variance_blindness"),
        code=code("variance_blindness.py"),
    script:
        "../scripts/variance_blindness.py"


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
            config=keys(
                *("subjects", "rois", "simulation", "erosion.tests"),
                *("erosion.rsa.comparison", "erosion.rdm_gap.comparison"),
            ),
            code=code("planted.py"),
        script:
            "../scripts/planted.py"


rule validity:
    """Measure on planted data how often a test is right."""
    output:
        json=f"{OUT}/validity/{{test}}.json",
    log:
        f"{LOGS}/validity_{{test}}.log",
    benchmark:
        f"{LOGS}/benchmarks/validity_{{test}}.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1500),
    params:
        config=keys("seed", "interval", "erosion.validity"),
        code=lambda wildcards: code("validity.py", f"erosion/validity/{wildcards.test}.py"),
    script:
        "../scripts/validity.py"
