"""The erosion tests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from brainworth.sections.base import Count, Section

TestName = Literal[
    "rsa",
    "alignment",
    "encoding_gap",
    "rdm_gap",
    "fingerprinting",
    "heteroscedasticity",
    "variance_reliability",
    "variance_predictability",
]


class Rsa(Section):
    """Cross-subject RSA."""

    comparison: Literal["spearman", "corr", "rho-a", "cosine"]
    n_permutations: Annotated[int, Field(ge=100)]
    n_bootstrap: Annotated[int, Field(ge=100)]


class RdmGap(Section):
    """Individual against population prediction of RDMs."""

    comparison: Literal["spearman", "corr"]
    n_permutations: Annotated[int, Field(ge=100)]
    n_labellings: Annotated[int, Field(ge=100)]
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


class Alignment(Section):
    """Rotation of subjects to each other, and what they share."""

    n_folds: Annotated[int, Field(ge=3)]
    dimensions: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)]
    n_permutations: Annotated[int, Field(ge=100)]
    n_bootstrap: Annotated[int, Field(ge=100)]


class VarianceReliability(Section):
    """Stability of the variance."""

    n_splits: Count
    n_surrogates: Annotated[int, Field(ge=100)]
    n_permutations: Annotated[int, Field(ge=100)]
    n_bootstrap: Annotated[int, Field(ge=100)]


class EncodingGap(Section):
    """Individual against population prediction."""

    n_folds: Annotated[int, Field(ge=3)]
    n_permutations: Annotated[int, Field(ge=100)]
    n_bootstrap: Annotated[int, Field(ge=100)]


class VariancePredictability(Section):
    """Predictability of the variance."""

    n_components: Count
    n_folds: Annotated[int, Field(ge=2, le=10)]
    n_surrogates: Annotated[int, Field(ge=100)]
    n_bootstrap: Annotated[int, Field(ge=100)]


class Erosion(Section):
    """The erosion tests."""

    tests: Annotated[list[TestName], Field(min_length=1)]
    rsa: Rsa
    rdm_gap: RdmGap
    fingerprinting: Fingerprinting
    heteroscedasticity: Heteroscedasticity
    alignment: Alignment
    encoding_gap: EncodingGap
    variance_reliability: VarianceReliability
    variance_predictability: VariancePredictability
