"""What one more brain sample is worth."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from brainworth.sections.base import Bootstrap, Count, Fraction, Positive, Section

Points = Annotated[int, Field(ge=3)]
Replicates = Annotated[int, Field(ge=2)]
Fractions = Annotated[list[Fraction], Field(min_length=1)]
Positives = Annotated[list[Positive], Field(min_length=1)]
Counts = Annotated[list[Count], Field(min_length=1)]
Multiples = Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)]
Range = Annotated[list[Positive], Field(min_length=2, max_length=2)]
BefsPart = Literal[
    "curves", "verification", "breakdown", "shift", "budget", "estimators", "paper_scale"
]


class BefsSmall(Section):
    """A linear-Gaussian brain."""

    inputs: Annotated[int, Field(ge=4)]
    latents: Count
    channels: Count
    latents_per_channel: Count
    stimulus_share: Annotated[float, Field(gt=0, lt=1)]
    latent_share_of_noise: Fraction

    @model_validator(mode="after")
    def _sizes(self) -> BefsSmall:
        if not self.latents < self.inputs:
            raise ValueError("latents must be fewer than inputs")
        if self.channels < self.latents:
            raise ValueError("channels must be at least as many as latents")
        if self.latents_per_channel >= self.latents:
            raise ValueError("latents_per_channel must be fewer than latents")
        return self


class BefsFmri(BefsSmall):
    """A linear-Gaussian brain in a scanner."""

    samples_per_hour: Positive


class BefsBase(Section):
    """What a sweep leaves as it is."""

    misalignment: Fraction
    task_snr: Positive
    n_task: Count


class BefsSetting(Section):
    """A row of the table."""

    misalignment: Fraction
    task_snr: Positive
    hours: Positive


class BefsCurves(Section):
    """Theory at the scale of fMRI."""

    base: BefsBase
    points: Points
    most_hours: Positive
    hours: Positives
    misalignments: Fractions
    task_range: Range
    snr_range: Range
    latents: Counts
    break_even_snrs: Positives
    break_even_n_task: Counts
    table: Annotated[list[BefsSetting], Field(min_length=1)]
    table_n_task: Counts


class BefsSimulated(Section):
    """Replicates of simulated trials."""

    n_replicates: Replicates
    n_trials: Count
    n_bootstrap: Bootstrap


class BefsVerification(BefsSimulated):
    """Theory against simulation."""

    stimulus_shares: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1)]
    misalignments: Fractions
    task_snrs: Positives
    brain_points: Points
    most_brain: Annotated[int, Field(ge=2)]
    task_points: Points
    most_task: Annotated[int, Field(ge=2)]
    kappa_range: Range
    kappa_points: Points


class BefsBreakdown(BefsSimulated):
    """Where the first-order laws break."""

    points: Points
    most_brain: Annotated[int, Field(ge=2)]
    most_task: Annotated[int, Field(ge=2)]
    misalignments: Fractions
    misalignment: Annotated[float, Field(gt=0, le=1)]
    task_snr: Positive
    brain_multiples: Multiples


class BefsShift(BefsSimulated):
    """Shifted test inputs."""

    misalignment: Annotated[float, Field(gt=0, le=1)]
    task_snr: Positive
    brain_multiples: Multiples
    hours: Positives
    task_points: Points
    curve_points: Points
    most_task: Annotated[int, Field(ge=3)]
    mixture_points: Points
    strength_range: Range


class BefsBudget(Section):
    """Splitting a budget."""

    misalignment: Annotated[float, Field(gt=0, le=1)]
    task_snr: Positive
    cost_ratios: Positives
    budget_range: Range
    budget_points: Points


class BefsEstimators(BefsSimulated):
    """The students side by side."""

    misalignment: Annotated[float, Field(gt=0, le=1)]
    task_snr: Positive
    brain_multiple: Annotated[int, Field(ge=2)]
    task_points: Points
    most_task: Annotated[int, Field(ge=2)]
    fixed_lambdas: Positives
    task_multiples: Multiples
    kappa_range: Range
    kappa_points: Points


class BefsPaperScale(Section):
    """Stage 1 at the size of fMRI."""

    n_replicates: Replicates
    n_bootstrap: Bootstrap
    hours: Positives
    misalignments: Fractions
    task_snr: Positive
    n_task: Count


class Befs(Section):
    """What one more brain sample is worth."""

    run: bool
    parts: list[BefsPart]
    fmri: BefsFmri
    small: BefsSmall
    curves: BefsCurves
    verification: BefsVerification
    breakdown: BefsBreakdown
    shift: BefsShift
    budget: BefsBudget
    estimators: BefsEstimators
    paper_scale: BefsPaperScale
