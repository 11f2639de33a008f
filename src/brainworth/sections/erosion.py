"""The erosion tests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from brainworth.sections.base import Count, Section

TestName = Literal["rsa", "fingerprinting", "heteroscedasticity"]


class Rsa(Section):
    """Cross-subject RSA."""

    comparison: Literal["spearman", "corr", "rho-a", "cosine"]
    noise: Literal["shrinkage_diag", "none"]
    n_permutations: Annotated[int, Field(ge=100)]
    n_bootstrap: Annotated[int, Field(ge=100)]


class Fingerprinting(Section):
    """Identification of subjects."""

    n_subsamples: Count
    n_bootstrap: Annotated[int, Field(ge=100)]
    n_permutations: Annotated[int, Field(ge=100)]


class Heteroscedasticity(Section):
    """Stimulus-dependent variance."""

    n_surrogates: Annotated[int, Field(ge=100)]
    n_bootstrap: Annotated[int, Field(ge=100)]


class Erosion(Section):
    """The erosion tests."""

    tests: Annotated[list[TestName], Field(min_length=1)]
    rsa: Rsa
    fingerprinting: Fingerprinting
    heteroscedasticity: Heteroscedasticity
