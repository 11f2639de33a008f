"""The bridges between the stages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from brainworth.sections.base import Bootstrap, Count, Fraction, Positive, Section

SubjectName = Annotated[str, Field(pattern=r"^subj0[1-8]$")]
SpaceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,39}$")]
#: Each has a rule, a JSON, a figure and a section of the report.
BridgePart = Literal["calibration", "decoding", "feature_spaces", "averaging"]


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


class Bridges(Section):
    """What the stages answer together."""

    run: bool
    parts: Annotated[list[BridgePart], Field(min_length=1)]
    subjects: Annotated[list[SubjectName], Field(min_length=1)]
    feature_spaces: FeatureSpaces

    @model_validator(mode="after")
    def _subjects_of_parts(self) -> Bridges:
        absent = sorted(set(self.feature_spaces.subjects) - set(self.subjects))
        if absent and "feature_spaces" in self.parts:
            raise ValueError(
                f"feature_spaces.subjects names {' and '.join(absent)}, who are not in "
                "bridges.subjects; add them there, or take them out here"
            )
        return self
