"""brainworth: from the Natural Scenes Dataset, or its simulation, to a PDF and a web page.

    snakemake --cores all                                        the default study
    snakemake --cores all --configfile studies/nsd.yaml          another one
    snakemake --cores all results/simulated/erosion/rsa.json     one product

Stages, in order: data (simulate or fetch, match, extract), erosion (one rule a test), befs (what
brain samples are worth; no data), encoder (images to fMRI), bridges (what they
answer together), report.
"""

import os
import sys

from snakemake.utils import min_version

min_version("9.19")

# The library of this checkout, as jobs have it, whatever else is installed.
sys.path.insert(0, f"{workflow.basedir}/src")


# Jobs read the configuration that their main process froze (rules/common.smk).
frozen = None if workflow.is_main_process else os.environ.get("BRAINWORTH_FROZEN_CONFIG")


configfile: frozen or f"{workflow.basedir}/config.yaml"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/erosion.smk"
include: "rules/befs.smk"
include: "rules/encoder.smk"
include: "rules/bridges.smk"
include: "rules/report.smk"


if workflow.is_main_process:
    codehash.keep(CODE_CACHE)


onstart:
    require_terms()
    require_weights()
    require_status_of_jobs()
    clear_up()


rule all:
    default_target: True
    input:
        PAPER,
        WEBPAGE,
        PRODUCTS,
        VALIDITY,
        BEFS,
        ENCODER,
        BRIDGES,


rule results:
    input:
        RESULTS,
        VALIDITY,
        BEFS,
        ENCODER,
        BRIDGES,


rule validity_table:
    input:
        VALIDITY,
        VALIDITY_FIGURE,


rule befs:
    input:
        BEFS,
        BEFS_FIGURES,


rule encoder:
    input:
        ENCODER,


rule bridges:
    input:
        BRIDGES,
        BRIDGE_FIGURES,


rule data:
    input:
        EXTRACTS,
