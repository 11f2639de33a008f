"""Report: figures, a PDF and a web page that read nothing but the JSON of the stages.

INPUTS   results/<study>/erosion/*.json, results/<study>/data/*.json, results/<study>/befs/*.json,
         results/<study>/encoder/*.json, results/<study>/bridges/*.json, paper/claims.yaml, the
         published statements
OUTPUTS  results/<study>/claims.json, what the results make of each statement
         figures/<study>/TEST.png and .pdf, figures/<study>/befs_DRAWING.png and .pdf,
         paper/<study>.pdf, and paper/<study>.html, the same as a web page
"""


rule figure:
    """Draw the figure of one test."""
    input:
        result=f"{OUT}/erosion/{{test}}.json",
        planted=PLANTED,
    output:
        png=report(
            f"{FIGURES}/{{test}}.png",
            caption="../report/figure.rst",
            category="Information erosion",
        ),
        pdf=f"{FIGURES}/{{test}}.pdf",
    log:
        f"{LOGS}/figure_{{test}}.log",
    benchmark:
        f"{LOGS}/benchmarks/figure_{{test}}.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1000),
    params:
        config=keys(),
        code=code("figure.py"),
    script:
        "../scripts/figure.py"


rule figure_befs:
    """Draw one figure of what brain samples are worth."""
    input:
        result=lambda wildcards: f"{OUT}/befs/{BEFS_DRAWINGS[wildcards.drawing]}.json",
    output:
        png=report(
            f"{FIGURES}/befs_{{drawing}}.png",
            caption="../report/figure_befs.rst",
            category="Worth of brain samples",
        ),
        pdf=f"{FIGURES}/befs_{{drawing}}.pdf",
    log:
        f"{LOGS}/figure_befs_{{drawing}}.log",
    benchmark:
        f"{LOGS}/benchmarks/figure_befs_{{drawing}}.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1000),
    params:
        config=keys(),
        code=code("figure_befs.py"),
    script:
        "../scripts/figure_befs.py"


rule figure_encoder:
    """Draw one figure of the encoder."""
    input:
        results=lambda wildcards: ENCODER_DRAWINGS[wildcards.encoder_drawing],
    output:
        png=report(
            f"{FIGURES}/encoder_{{encoder_drawing}}.png",
            caption="../report/figure_encoder.rst",
            category="Image-to-fMRI encoder",
        ),
        pdf=f"{FIGURES}/encoder_{{encoder_drawing}}.pdf",
    log:
        f"{LOGS}/figure_encoder_{{encoder_drawing}}.log",
    benchmark:
        f"{LOGS}/benchmarks/figure_encoder_{{encoder_drawing}}.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1000),
    params:
        config=keys(),
        code=code("figure_encoder.py"),
    script:
        "../scripts/figure_encoder.py"


if OVERVIEW:

    rule figure_overview:
        """Draw the three answers in one figure."""
        input:
            results=OVERVIEW_RESULTS,
            planted=PLANTED,
        output:
            png=report(
                f"{FIGURES}/overview.png",
                caption="../report/figure_overview.rst",
                category="Overview",
            ),
            pdf=f"{FIGURES}/overview.pdf",
        log:
            f"{LOGS}/figure_overview.log",
        benchmark:
            f"{LOGS}/benchmarks/figure_overview.tsv"
        conda:
            ENV
        resources:
            mem_mb=growing(1000),
        params:
            config=keys(),
            code=code("figure_overview.py"),
        script:
            "../scripts/figure_overview.py"


rule figure_bridge:
    """Draw the figure of one bridge."""
    input:
        result=f"{OUT}/bridges/{{bridge}}.json",
    output:
        png=report(
            f"{FIGURES}/bridge_{{bridge}}.png",
            caption="../report/figure_bridge.rst",
            category="Bridges",
        ),
        pdf=f"{FIGURES}/bridge_{{bridge}}.pdf",
    log:
        f"{LOGS}/figure_bridge_{{bridge}}.log",
    benchmark:
        f"{LOGS}/benchmarks/figure_bridge_{{bridge}}.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1000),
    params:
        config=keys(),
        code=code("figure_bridge.py"),
    script:
        "../scripts/figure_bridge.py"


rule figure_validity:
    """Draw how often the tests are right."""
    input:
        results=VALIDITY,
    output:
        png=f"{FIGURES}/validity.png",
        pdf=f"{FIGURES}/validity.pdf",
    log:
        f"{LOGS}/figure_validity.log",
    benchmark:
        f"{LOGS}/benchmarks/figure_validity.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1000),
    params:
        config=keys(),
        code=code("figure_validity.py"),
    script:
        "../scripts/figure_validity.py"


rule claims:
    """Hold every published statement to the results of the study."""
    input:
        ledger=LEDGER,
        results=RESULTS + BEFS + ENCODER + BRIDGES + MATCHING,
        planted=PLANTED,
    output:
        json=report(CLAIMS, caption="../report/claims.rst", category="Claims"),
    log:
        f"{LOGS}/claims.log",
    benchmark:
        f"{LOGS}/benchmarks/claims.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1000),
    params:
        config=keys("data.source", "rdms.file", "roi_means.dir"),
        code=code("claims.py"),
    script:
        "../scripts/claims.py"


#: All that is told, in the PDF and on the web page alike.
TOLD = {
    "data": FROM_DATA,
    "results": RESULTS,
    "claims": CLAIMS,
    "planted": PLANTED,
    "figures": expand(f"{FIGURES}/{{test}}.png", test=CONFIG.erosion.tests),
    "validity": VALIDITY,
    "validity_figure": VALIDITY_FIGURE,
    "befs": BEFS,
    "befs_figures": BEFS_FIGURES,
    "encoder": ENCODER,
    "encoder_figures": ENCODER_FIGURES,
    "bridges": BRIDGES,
    "bridge_figures": BRIDGE_FIGURES,
    "overview": OVERVIEW,
}


rule paper:
    """Set the results as a PDF."""
    input:
        **TOLD,
    output:
        pdf=report(PAPER, caption="../report/paper.rst", category="Paper"),
    log:
        f"{LOGS}/paper.log",
    benchmark:
        f"{LOGS}/benchmarks/paper.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1000),
    params:
        config=keys("report", "data.source", "rdms.file", "roi_means.dir"),
        code=code("paper.py"),
    script:
        "../scripts/paper.py"


rule paper_html:
    """Set the same as one web page, which holds its figures."""
    input:
        **TOLD,
    output:
        html=WEBPAGE,
    log:
        f"{LOGS}/paper_html.log",
    benchmark:
        f"{LOGS}/benchmarks/paper_html.tsv"
    conda:
        ENV
    resources:
        mem_mb=growing(1000),
    params:
        config=keys("report", "data.source", "rdms.file", "roi_means.dir"),
        code=code("paper_html.py"),
    script:
        "../scripts/paper_html.py"
