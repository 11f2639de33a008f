"""The bridges between the stages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from brainworth.sections.base import Section

SubjectName = Annotated[str, Field(pattern=r"^subj0[1-8]$")]
#: Each has a rule, a JSON, a figure and a section of the report.
BridgePart = Literal["calibration", "decoding", "feature_spaces", "averaging"]


class Bridges(Section):
    """What the stages answer together."""

    run: bool
    parts: Annotated[list[BridgePart], Field(min_length=1)]
    subjects: Annotated[list[SubjectName], Field(min_length=1)]
