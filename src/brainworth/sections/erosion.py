"""The erosion tests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from brainworth.sections.base import Bootstrap, Count, Fraction, Positive, Section

TestName = Literal[
    "rsa",
    "alignment",
    "encoding_gap",
    "rdm_gap",
    "fingerprinting",
    "heteroscedasticity",
    "variance_reliability",
    "variance_predictability",
    "direction_erosion",
    "variance_blindness",
]


#: Tests with a module in `brainworth.erosion.validity`.
VALIDATED = (
    "rsa",
    "alignment",
    "encoding_gap",
    "rdm_gap",
    "fingerprinting",
    "heteroscedasticity",
    "variance_reliability",
    "variance_predictability",
    "variance_blindness",
)


class Rsa(Section):
    """Cross-subject RSA."""

    comparison: Literal["spearman", "corr", "rho-a", "cosine"]
    noise: Literal["shrinkage_diag", "none"]
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


class DirectionErosion(Section):
    """Theorem 1 on simulated subjects."""

    n_stimuli: Annotated[int, Field(ge=50)]
    n_subjects: Annotated[int, Field(ge=4, le=4096)]
    n_replicates: Annotated[int, Field(ge=5)]
    n_bootstrap: Bootstrap
    shared_fractions: Annotated[list[Fraction], Field(min_length=1)]
    cohort_share: Fraction
    tail_index: Annotated[float, Field(gt=1, lt=2)]
    n_samples: Annotated[int, Field(ge=100)]
    neighbours: Annotated[int, Field(ge=1, le=50)]
    noise_sd: Annotated[float, Field(ge=0.01)]


class VarianceBlindness(Section):
    """Theorem 2, and a head for the variance."""

    log_sd: Positive
    sizes: Annotated[list[Annotated[int, Field(ge=100)]], Field(min_length=2)]
    n_replicates: Annotated[int, Field(ge=2)]
    n_folds: Annotated[int, Field(ge=2, le=10)]
    n_components: Count
    prior_sd: Positive
    n_surrogates: Annotated[int, Field(ge=100)]
    n_bootstrap: Bootstrap

    @model_validator(mode="after")
    def _ascending(self) -> VarianceBlindness:
        if sorted(set(self.sizes)) != self.sizes:
            raise ValueError(f"sizes must be ascending and different, not {self.sizes}")
        return self


class Validity(Section):
    """How often the tests are right, on small planted data."""

    run: bool
    n_replicates: Annotated[int, Field(ge=2)]
    n_subjects: Annotated[int, Field(ge=2, le=8)]
    n_stimuli: Annotated[int, Field(ge=20)]
    n_voxels: Annotated[int, Field(ge=10)]
    n_draws: Annotated[int, Field(ge=100)]
    n_bootstrap: Bootstrap


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
    direction_erosion: DirectionErosion
    variance_blindness: VarianceBlindness
    validity: Validity
