"""What all sections are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Bootstrap = Annotated[int, Field(ge=100)]


class Section(BaseModel):
    """A section in which an unknown key or a wrong type is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
