"""The tests of the report, in its order: for each its section, its methods."""

from __future__ import annotations

from brainworth.report.erosion import (
    direction_erosion_methods,
    direction_erosion_section,
    fingerprinting_methods,
    fingerprinting_section,
    heteroscedasticity_methods,
    heteroscedasticity_section,
    rsa_methods,
    rsa_section,
    variance_blindness_methods,
    variance_blindness_section,
)

#: Each has ``abstract``, ``claims``, ``results`` and ``LIMITS``.
SECTIONS = {
    "rsa": rsa_section,
    "fingerprinting": fingerprinting_section,
    "heteroscedasticity": heteroscedasticity_section,
    "direction_erosion": direction_erosion_section,
    "variance_blindness": variance_blindness_section,
}

#: Each has ``methods``.
METHODS = {
    "rsa": rsa_methods,
    "fingerprinting": fingerprinting_methods,
    "heteroscedasticity": heteroscedasticity_methods,
    "direction_erosion": direction_erosion_methods,
    "variance_blindness": variance_blindness_methods,
}
