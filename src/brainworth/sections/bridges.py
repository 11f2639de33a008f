"""The bridges between the stages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from brainworth.sections.base import (
    Bootstrap,
    Count,
    Fraction,
    NonNegative,
    Positive,
    Section,
)

SubjectName = Annotated[str, Field(pattern=r"^subj0[1-8]$")]
#: Each has a rule, a JSON, a figure and a section of the report.
BridgePart = Literal["calibration", "decoding", "feature_spaces", "averaging"]


class VarianceHead(Section):
    """The head for the variance over trials."""

    n_features: Count
    n_components: Count
    prior_sd: Positive
    n_folds: Annotated[int, Field(ge=2, le=20)]
    n_surrogates: Annotated[int, Field(ge=99)]
    power_log_sds: list[NonNegative]
    power_unrelated_log_sd: NonNegative
    power_replicates: Annotated[int, Field(ge=10)]


class Averaging(Section):
    """What averaging costs the encoder."""

    models: Annotated[list[Literal["ridge", "chasm"]], Field(min_length=1)]
    n_dimensions: Count
    n_features: Count
    token_features: Count
    max_network_images: Count | None
    n_bootstrap: Bootstrap
    min_ceiling: Fraction
    n_permutations: Annotated[int, Field(ge=100)]
    variance: VarianceHead

    @model_validator(mode="after")
    def _consistent(self) -> Averaging:
        if "ridge" not in self.models:
            raise ValueError(
                "averaging.models has no ridge, with which the cost of averaging is estimated"
            )
        if self.variance.n_components > self.n_dimensions:
            raise ValueError(
                "averaging.variance.n_components is above averaging.n_dimensions: there are not so "
                "many components"
            )
        return self


class Bridges(Section):
    """What the stages answer together."""

    run: bool
    parts: Annotated[list[BridgePart], Field(min_length=1)]
    subjects: Annotated[list[SubjectName], Field(min_length=1)]
    averaging: Averaging
