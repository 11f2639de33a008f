"""Where data come from, what the simulation plants, and which stimuli enter."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from brainworth.sections.base import Count, Fraction, NonNegative, Positive, Section


class Data(Section):
    """Where the NSD files come from."""

    source: Literal["simulated", "local", "s3"]
    local_dir: str | None
    store_dir: str
    accept_nsd_terms: bool
    bucket: str
    region: str
    endpoint_url: str | None
    attempts: Annotated[int, Field(ge=1, le=100)]
    backoff_s: NonNegative
    parallel: Annotated[int, Field(ge=1, le=64)]
    download: Literal["ranges", "files"]
    parallel_ranges: Annotated[int, Field(ge=1, le=256)]
    range_gap: Literal["auto"] | Annotated[int, Field(ge=0, le=2**30)]
    verify_ranges: Literal["auto", "twice", "once"]
    ca_bundle: str | None
    keep_sessions: bool
    sessions: Literal["all"] | Annotated[int, Field(ge=1, le=40)]


class Simulation(Section):
    """The generative truth of simulated NSD."""

    scale: Literal["tiny", "small", "full"]
    shared_features: Count
    individual_features: Count
    global_features: Annotated[int, Field(ge=0, le=8)]
    stream_contrast: NonNegative
    shared_fraction: Annotated[list[Fraction], Field(min_length=8, max_length=8)]
    ncsnr: Annotated[list[Positive], Field(min_length=8, max_length=8)]
    ncsnr_log_sd: NonNegative
    noise_global_fraction: Fraction
    noise_spatial_fraction: Fraction
    noise_spatial_components: Count
    variance_log_sd: NonNegative
    variance_shared_fraction: Fraction
    session_offset_sd: NonNegative
    session_gain_log_sd: NonNegative

    @model_validator(mode="after")
    def _noise_shares(self) -> Simulation:
        if self.noise_global_fraction + self.noise_spatial_fraction > 1:
            raise ValueError("noise_global_fraction + noise_spatial_fraction must not exceed 1")
        if self.global_features > self.shared_features:
            raise ValueError("global_features are among the shared_features: there are not so many")
        return self


class Design(Section):
    """Which stimuli enter."""

    min_repetitions: Annotated[int, Field(ge=1, le=3)]


class RoiMeans(Section):
    """Mean responses of regions, one file a subject."""

    dir: str | None
    zscore: bool


class Rdms(Section):
    """RDMs measured elsewhere."""

    file: str | None
    label: str
