"""The tests of the report, in its order: for each its section, its methods."""

from __future__ import annotations

from brainworth.report.erosion import (
    alignment_methods,
    alignment_section,
    direction_erosion_methods,
    direction_erosion_section,
    encoding_gap_methods,
    encoding_gap_section,
    fingerprinting_methods,
    fingerprinting_section,
    heteroscedasticity_methods,
    heteroscedasticity_section,
    rdm_gap_methods,
    rdm_gap_section,
    rsa_methods,
    rsa_section,
    variance_blindness_methods,
    variance_blindness_section,
    variance_predictability_methods,
    variance_predictability_section,
    variance_reliability_methods,
    variance_reliability_section,
)

#: Each has ``abstract``, ``results`` and ``LIMITS``, and may have ``claims``.
SECTIONS = {
    "rsa": rsa_section,
    "rdm_gap": rdm_gap_section,
    "fingerprinting": fingerprinting_section,
    "heteroscedasticity": heteroscedasticity_section,
    "alignment": alignment_section,
    "encoding_gap": encoding_gap_section,
    "variance_reliability": variance_reliability_section,
    "variance_predictability": variance_predictability_section,
    "direction_erosion": direction_erosion_section,
    "variance_blindness": variance_blindness_section,
}

#: Each has ``methods``.
METHODS = {
    "rsa": rsa_methods,
    "rdm_gap": rdm_gap_methods,
    "fingerprinting": fingerprinting_methods,
    "heteroscedasticity": heteroscedasticity_methods,
    "alignment": alignment_methods,
    "encoding_gap": encoding_gap_methods,
    "variance_reliability": variance_reliability_methods,
    "variance_predictability": variance_predictability_methods,
    "direction_erosion": direction_erosion_methods,
    "variance_blindness": variance_blindness_methods,
}
