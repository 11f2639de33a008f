"""BEFS: what one more brain sample is worth, one rule and one JSON a part; reads no data.

INPUTS   nothing but the configuration (section befs)
OUTPUTS  results/<study>/befs/PART.json   curves, verification, breakdown, shift, budget, estimators
         results/<study>/befs/paper_scale.json   only if asked for (studies/befs-paper-scale.yaml)
"""


rule befs_curves:
    """Compute savings and exchange rates at the scale of fMRI, beside a tuned ridge."""
    output:
        json=f"{OUT}/befs/curves.json",
    log:
        f"{LOGS}/befs_curves.log",
    benchmark:
        f"{LOGS}/benchmarks/befs_curves.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1500),
    params:
        config=keys("seed", "befs.fmri", "befs.curves"),
        code=code("befs_curves.py"),
    script:
        "../scripts/befs_curves.py"


rule befs_verification:
    """Hold the theory against simulation over a grid of settings."""
    output:
        json=f"{OUT}/befs/verification.json",
    log:
        f"{LOGS}/befs_verification.log",
    benchmark:
        f"{LOGS}/benchmarks/befs_verification.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1500),
    params:
        config=keys("seed", "interval", "befs.small", "befs.verification"),
        code=code("befs_verification.py"),
    script:
        "../scripts/befs_verification.py"


rule befs_breakdown:
    """Find where the first-order laws break."""
    output:
        json=f"{OUT}/befs/breakdown.json",
    log:
        f"{LOGS}/befs_breakdown.log",
    benchmark:
        f"{LOGS}/benchmarks/befs_breakdown.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1500),
    params:
        config=keys("seed", "interval", "befs.small", "befs.breakdown"),
        code=code("befs_breakdown.py"),
    script:
        "../scripts/befs_breakdown.py"


rule befs_shift:
    """Value brain data under test inputs that differ from the training inputs."""
    output:
        json=f"{OUT}/befs/shift.json",
    log:
        f"{LOGS}/befs_shift.log",
    benchmark:
        f"{LOGS}/benchmarks/befs_shift.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1500),
    params:
        config=keys("seed", "interval", "befs.fmri", "befs.small", "befs.shift"),
        code=code("befs_shift.py"),
    script:
        "../scripts/befs_shift.py"


rule befs_budget:
    """Split budgets between brain and task samples."""
    output:
        json=f"{OUT}/befs/budget.json",
    log:
        f"{LOGS}/befs_budget.log",
    benchmark:
        f"{LOGS}/benchmarks/befs_budget.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1500),
    params:
        config=keys("seed", "befs.fmri", "befs.budget"),
        code=code("befs_budget.py"),
    script:
        "../scripts/befs_budget.py"


rule befs_estimators:
    """Compare the students over task samples and penalties."""
    output:
        json=f"{OUT}/befs/estimators.json",
    log:
        f"{LOGS}/befs_estimators.log",
    benchmark:
        f"{LOGS}/benchmarks/befs_estimators.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1500),
    params:
        config=keys("seed", "interval", "befs.small", "befs.estimators"),
        code=code("befs_estimators.py"),
    script:
        "../scripts/befs_estimators.py"


rule befs_paper_scale:
    """Simulate stage 1 at the size of fMRI (about 15 minutes)."""
    output:
        json=f"{OUT}/befs/paper_scale.json",
    log:
        f"{LOGS}/befs_paper_scale.log",
    benchmark:
        f"{LOGS}/benchmarks/befs_paper_scale.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(2500),
    params:
        config=keys("seed", "interval", "befs.fmri", "befs.paper_scale"),
        code=code("befs_paper_scale.py"),
    script:
        "../scripts/befs_paper_scale.py"
