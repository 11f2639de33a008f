"""The tests of the report, in its order: for each its section, its methods."""

from __future__ import annotations

from brainworth.report.erosion import (
    fingerprinting_methods,
    fingerprinting_section,
    heteroscedasticity_methods,
    heteroscedasticity_section,
    rsa_methods,
    rsa_section,
    variance_predictability_methods,
    variance_predictability_section,
    variance_reliability_methods,
    variance_reliability_section,
)

#: Each has ``abstract``, ``claims``, ``results`` and ``LIMITS``.
SECTIONS = {
    "rsa": rsa_section,
    "fingerprinting": fingerprinting_section,
    "heteroscedasticity": heteroscedasticity_section,
    "variance_reliability": variance_reliability_section,
    "variance_predictability": variance_predictability_section,
}

#: Each has ``methods``.
METHODS = {
    "rsa": rsa_methods,
    "fingerprinting": fingerprinting_methods,
    "heteroscedasticity": heteroscedasticity_methods,
    "variance_reliability": variance_reliability_methods,
    "variance_predictability": variance_predictability_methods,
}
