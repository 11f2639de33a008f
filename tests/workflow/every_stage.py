"""A tiny study that goes through every stage, and a rule and script of each to be disturbed."""

from __future__ import annotations

import copy

import test_befs
import test_bridges
import test_encoder
from project import TINY

STUDY = "whole"
WHOLE = copy.deepcopy(TINY) | {
    "study": STUDY,
    "subjects": test_bridges.SMALL["subjects"],
    "simulation": test_bridges.SMALL["simulation"],
    "befs": test_befs.SMALL["befs"],
    "encoder": test_encoder.SMALL["encoder"],
    "bridges": test_bridges.SMALL["bridges"],
}

#: Rules in the order of the pipeline, each with its script. What `--until RULE` runs contains none
#: of those below it, so that each of them is still to be done when its turn comes.
STAGES = {
    "simulate_subj01": "simulate_subject",
    "extract_betas": "extract_betas",
    "rsa": "rsa",
    "befs_verification": "befs_verification",
    "encoder_chasm": "encoder_chasm",
    "bridge_decoding": "bridge_decoding",
    "figure": "figure",
    "paper": "paper",
}
