"""The bridges between the stages."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from pydantic import Field, model_validator

from brainworth.sections.base import Bootstrap, Count, Fraction, NonNegative, Positive, Section

SpaceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,39}$")]
SubjectName = Annotated[str, Field(pattern=r"^subj0[1-8]$")]
#: Each has a rule, a JSON, a figure and a section of the report.
BridgePart = Literal["calibration", "decoding", "feature_spaces", "averaging"]


class BridgeCalibration(Section):
    """What these subjects' brain samples are worth."""

    inputs: Literal["truth", "features"]
    dimensions: Annotated[int, Field(ge=4)]
    rois: Annotated[list[str], Field(min_length=1)]
    tasks: str
    misalignments: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)]
    task_snr: Positive
    task_images: Count
    test_images: Count
    brain_fractions: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]
    task_multiples: Annotated[list[Annotated[float, Field(gt=1)]], Field(min_length=1)]
    rank_rule: Literal["best", "one_se"]
    n_blocks: Annotated[int, Field(ge=6, multiple_of=2)]
    n_subsets: Count
    n_draws: Annotated[int, Field(ge=2)]
    n_shuffles: Annotated[int, Field(ge=2)]
    tolerance: Positive

    @model_validator(mode="after")
    def _ascend(self) -> BridgeCalibration:
        for key in ("brain_fractions", "task_multiples", "misalignments"):
            values = getattr(self, key)
            if any(later <= earlier for earlier, later in itertools.pairwise(values)):
                raise ValueError(f"bridges.calibration.{key} must ascend, it is {values}")
        if len(set(self.rois)) != len(self.rois):
            raise ValueError(f"bridges.calibration.rois names something twice: {self.rois}")
        return self


class Decoding(Section):
    """Scaling of decoding with trials and subjects."""

    regions: Annotated[list[str], Field(min_length=1)]
    smallest: Annotated[int, Field(ge=10)]
    n_subsets: Count
    n_subjects: Annotated[list[Count], Field(min_length=1)]
    n_alphas: Annotated[int, Field(ge=2)]
    alpha_range: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    n_components: Count
    n_folds: Annotated[int, Field(ge=2, le=20)]
    n_bootstrap: Bootstrap
    n_permutations: Annotated[int, Field(ge=99)]

    @model_validator(mode="after")
    def _consistent(self) -> Decoding:
        low, high = self.alpha_range
        if low >= high:
            raise ValueError("decoding.alpha_range must ascend")
        for name, values in (("regions", self.regions), ("n_subjects", self.n_subjects)):
            if len(set(values)) != len(values):
                raise ValueError(f"decoding.{name} names something twice: {values}")
        return self


class EncoderSpace(Section):
    """Features of the encoder, or a part of them."""

    name: SpaceName
    source: Literal["encoder"]
    part: Annotated[str, Field(min_length=1)]


class FileSpace(Section):
    """Features that somebody else computed, or a part of them."""

    name: SpaceName
    source: Literal["file"]
    file: Annotated[str, Field(min_length=1)]
    part: Annotated[str, Field(min_length=1)]


class PlantedSpace(Section):
    """A space of known alignment, of simulated data."""

    name: SpaceName
    source: Literal["planted"]
    alignment: Fraction
    snr: Positive
    dimension: Count


Space = Annotated[EncoderSpace | FileSpace | PlantedSpace, Field(discriminator="source")]


class SpacePair(Section):
    """An aligned space, and the one it is held against."""

    aligned: SpaceName
    unaligned: SpaceName


class FeatureSpaces(Section):
    """Feature spaces side by side."""

    subjects: Annotated[list[SubjectName], Field(min_length=1)]
    spaces: Annotated[list[Space], Field(min_length=2)]
    pair: SpacePair | None
    n_components: Annotated[int, Field(ge=2)]
    dimensions: list[Annotated[int, Field(ge=2)]]
    sizes: list[Annotated[int, Field(ge=2)]]
    max_voxels: Annotated[int, Field(ge=2)]
    n_permutations: Bootstrap
    n_bootstrap: Bootstrap

    @model_validator(mode="after")
    def _consistent(self) -> FeatureSpaces:
        names = [space.name for space in self.spaces]
        if len(set(names)) != len(names):
            raise ValueError(f"spaces: two have the same name, of {', '.join(names)}")
        if len(set(self.subjects)) != len(self.subjects):
            raise ValueError(f"subjects names somebody twice: {self.subjects}")
        if self.pair is not None:
            asked = (self.pair.aligned, self.pair.unaligned)
            if not set(asked) <= set(names) or asked[0] == asked[1]:
                raise ValueError(
                    f"pair must name two of the spaces ({', '.join(names)}), it names "
                    f"{' and '.join(asked)}; correct it, or set it to null"
                )
        return self

    @property
    def planted(self) -> list[str]:
        """Names of the planted spaces."""
        return [space.name for space in self.spaces if space.source == "planted"]

    @property
    def files(self) -> dict[str, str]:
        """From space to file."""
        return {space.name: space.file for space in self.spaces if space.source == "file"}


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
    subjects: Annotated[list[SubjectName], Field(min_length=1)] | None
    calibration: BridgeCalibration
    decoding: Decoding
    feature_spaces: FeatureSpaces
    averaging: Averaging


def check(bridges: Bridges, subjects: list[str], rois: list[str], *, simulated: bool) -> None:
    """Check bridges that run against the rest of the configuration.

    Raises
    ------
    ValueError
        If a part asks for what the study does not have.
    """
    chosen = subjects if bridges.subjects is None else bridges.subjects
    absent = sorted(set(chosen) - set(subjects))
    if absent:
        raise ValueError(
            f"subjects: bridges.subjects names {' and '.join(absent)}; add them to subjects, take "
            "them out there, or set bridges.run to false"
        )
    if "calibration" in bridges.parts:
        _check_calibration(bridges.calibration, rois, simulated)
    if "decoding" in bridges.parts and not set(bridges.decoding.regions) & set(rois):
        raise ValueError(
            f"rois: none of bridges.decoding.regions ({', '.join(bridges.decoding.regions)}) is "
            "among them; add one to rois, name others there, or take decoding out of bridges.parts"
        )
    if "feature_spaces" in bridges.parts:
        _check_spaces(bridges.feature_spaces, chosen, simulated)


def _check_calibration(given: BridgeCalibration, rois: list[str], simulated: bool) -> None:
    if given.inputs == "truth" and not simulated:
        raise ValueError(
            "bridges.calibration.inputs is truth, which only simulated data have; set it to "
            "features"
        )
    if given.tasks == "planted" and not simulated:
        raise ValueError(
            "bridges.calibration.tasks is planted, which only simulated data can be; give the "
            "path of a CSV table of labels, or take calibration out of bridges.parts"
        )
    if not set(given.rois) & {"all", *rois}:
        raise ValueError(
            f"rois: none of bridges.calibration.rois ({', '.join(given.rois)}) is among them; add "
            "one to rois, name others there (or all), or take calibration out of bridges.parts"
        )


def _check_spaces(given: FeatureSpaces, chosen: list[str], simulated: bool) -> None:
    absent = sorted(set(given.subjects) - set(chosen))
    if absent:
        raise ValueError(
            f"bridges.feature_spaces.subjects names {' and '.join(absent)}, who are not in "
            "bridges.subjects; add them there, or take them out here"
        )
    if given.planted and not simulated:
        raise ValueError(
            f"bridges.feature_spaces.spaces: {' and '.join(given.planted)} are planted, which only "
            "simulated data can have; take them out, or take feature_spaces out of bridges.parts"
        )
