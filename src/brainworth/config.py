"""The configuration: reading, checking, and the slice of it that a rule is given.

The sections are typed in `brainworth.sections`; ``config.schema.json`` is generated from them
(``brainworth schema``).
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from pydantic import Field, ValidationError, model_validator

from brainworth import strict_yaml
from brainworth.errors import BrainworthError
from brainworth.sections import bridges
from brainworth.sections.base import Section
from brainworth.sections.befs import Befs
from brainworth.sections.bridges import Bridges
from brainworth.sections.data import Data, Design, Rdms, RoiMeans, Simulation
from brainworth.sections.encoder import Encoder
from brainworth.sections.erosion import Erosion

SubjectName = Annotated[str, Field(pattern=r"^subj0[1-8]$")]
RoiName = Annotated[str, Field(pattern=r"^[^/\s][^/]*$")]
#: Regions that are defined on NSD's volumes; files of ROI means may have any.
NSD_ROIS = (
    *("V1", "V2", "V3", "hV4", "V3ab", "LO", "TO", "VO", "IPS"),
    *("faces", "bodies", "places", "words"),
    "nsdgeneral",
)


#: The tests that need nothing but RDMs.
OF_RDMS = {"rsa", "rdm_gap"}


#: Tests that compare subjects.
BETWEEN_SUBJECTS = {
    *("rsa", "alignment", "encoding_gap", "rdm_gap", "fingerprinting", "variance_blindness"),
}


class Report(Section):
    """The PDF."""

    title: str


class Config(Section):
    """The whole of ``config.yaml``."""

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0)]
    subjects: Annotated[list[SubjectName], Field(min_length=1)]
    data: Data
    simulation: Simulation
    design: Design
    rois: Annotated[list[RoiName], Field(min_length=1)]
    roi_means: RoiMeans
    rdms: Rdms
    erosion: Erosion
    befs: Befs
    encoder: Encoder
    bridges: Bridges
    interval: Annotated[float, Field(gt=0.5, lt=1)]
    report: Report

    @property
    def encoder_runs(self) -> bool:
        """Whether the encoder runs: if asked for, and if there are voxels."""
        return self.encoder.run and self.rdms.file is None and self.roi_means.dir is None

    @property
    def encoder_subjects(self) -> list[str]:
        """All subjects that some part of the encoder needs, in the order of `subjects`."""
        wanted = set(self.encoder.subjects)
        if "transfer" in self.encoder.parts:
            wanted |= self.encoder.transfer.subjects
        return [subject for subject in self.subjects if subject in wanted] + sorted(
            wanted - set(self.subjects)
        )

    @property
    def bridges_run(self) -> bool:
        """Whether the bridges run: if asked for, and if there are voxels."""
        return self.bridges.run and self.rdms.file is None and self.roi_means.dir is None

    @property
    def bridge_subjects(self) -> list[str]:
        """Subjects of the bridges: all, if `bridges.subjects` names none."""
        return self.subjects if self.bridges.subjects is None else self.bridges.subjects

    @property
    def described_subjects(self) -> list[str]:
        """Subjects whose images are described, and whose responses are split by images.

        Those of the encoder and of the bridges, of what runs, in the order of `subjects`.
        """
        wanted = set(self.encoder_subjects) if self.encoder_runs else set()
        if self.bridges_run:
            wanted |= set(self.bridge_subjects)
        return [subject for subject in self.subjects if subject in wanted]

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        for key, values in (
            ("subjects", self.subjects),
            ("rois", self.rois),
            ("erosion.tests", self.erosion.tests),
            ("befs.parts", self.befs.parts),
            ("encoder.parts", self.encoder.parts),
            ("encoder.subjects", self.encoder.subjects),
            ("bridges.parts", self.bridges.parts),
            ("bridges.subjects", self.bridge_subjects),
        ):
            if len(set(values)) != len(values):
                raise ValueError(f"{key} names something twice: {values}")
        unknown = [name for name in self.rois if name not in NSD_ROIS]
        if unknown and self.roi_means.dir is None:
            raise ValueError(
                f"rois: {', '.join(unknown)} is not known; choose from {', '.join(NSD_ROIS)}"
            )
        if self.roi_means.dir is not None and self.rdms.file is not None:
            raise ValueError(
                "roi_means.dir and rdms.file are both set; a study has one kind of data: set one "
                "of them to null"
            )
        absent = sorted(set(self.encoder_subjects) - set(self.subjects))
        if self.encoder_runs and absent:
            raise ValueError(
                f"subjects: the encoder needs {' and '.join(absent)} (encoder.subjects, or "
                "encoder.transfer where encoder.parts has transfer); add them to subjects, take "
                "them out there, or set encoder.run to false"
            )
        if self.bridges_run:
            simulated = self.data.source == "simulated"
            bridges.check(self.bridges, self.subjects, self.rois, simulated=simulated)
        between = BETWEEN_SUBJECTS & set(self.erosion.tests)
        if self.rdms.file is None and between and len(self.subjects) < 2:
            raise ValueError(
                f"subjects: {' and '.join(sorted(between))} compare subjects and need at least 2; "
                "add subjects, or take them out of erosion.tests"
            )
        if self.rdms.file is not None and not set(self.erosion.tests) <= OF_RDMS:
            raise ValueError(
                "rdms.file is set, and RDMs alone support only some tests: set erosion.tests to "
                f"[{', '.join(sorted(OF_RDMS, reverse=True))}] or one of them"
            )
        return self


def validate(config: dict[str, Any], origin: str = "the configuration") -> Config:
    """Check a configuration against the typed sections.

    Parameters
    ----------
    config : dict
        The merged configuration (``config.yaml`` with a study laid over it).
    origin : str
        Where it came from, for the error message.

    Raises
    ------
    BrainworthError
        One line a problem: the key, what is wrong, and the nearest known key for a typing error.
    """
    try:
        return Config.model_validate(config)
    except ValidationError as error:
        lines = [f"  {_explain(problem)}" for problem in error.errors()]
        raise BrainworthError(f"{origin} is not valid:\n" + "\n".join(lines)) from None


def load(path: str | Path, *overlays: str | Path) -> Config:
    """Read ``config.yaml`` and lay studies over it, as ``snakemake --configfile`` does.

    Raises
    ------
    BrainworthError
        If a file is missing, is not YAML, or the result is not valid.
    """
    merged: dict[str, Any] = {}
    for file in (path, *overlays):
        merged = merge(merged, read_file(Path(file)))
    return validate(merged, origin=" + ".join(str(file) for file in (path, *overlays)))


def read_file(path: Path) -> dict[str, Any]:
    """Read one YAML file of keys and values.

    Raises
    ------
    BrainworthError
        If it is missing, is not YAML, holds something else, or has a key twice.
    """
    try:
        content = strict_yaml.read(path)
    except FileNotFoundError:
        raise BrainworthError(f"{path} does not exist; expected a YAML configuration") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise BrainworthError(f"{path} is not readable as YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise BrainworthError(f"{path} must hold keys and values, not a {type(content).__name__}")
    return content


def merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Lay `overlay` over `base`: dictionaries merge key by key, everything else is replaced."""
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def slice_of(config: dict[str, Any], keys: list[str] | tuple[str, ...]) -> str:
    """Take the named keys out of a configuration, as canonical JSON.

    Parameters
    ----------
    config : dict
        The whole configuration.
    keys : list of str
        Dotted keys, e.g. ``["seed", "erosion.rsa"]``.

    Returns
    -------
    str
        JSON object from dotted key to value, keys sorted, so that equal settings give equal text.
    """
    chosen = {}
    for key in keys:
        value: Any = config
        for part in key.split("."):
            value = value[part]
        chosen[key] = value
    return json.dumps(chosen, sort_keys=True)


def schema() -> str:
    """Return the JSON schema of ``config.yaml``."""
    return json.dumps(Config.model_json_schema(), indent=2, sort_keys=True) + "\n"


def _explain(problem: Any) -> str:
    place = [str(part) for part in problem["loc"]]
    key = ".".join(place) or "config"
    if problem["type"] == "extra_forbidden":
        known = _keys_at(place[:-1])
        near = difflib.get_close_matches(place[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys here: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    if problem["type"] == "missing":
        return f"{key}: missing; take it from config.yaml"
    message = problem["msg"].removeprefix("Value error, ")
    # Where a key may be of several kinds, pydantic puts the kind it tried after the key.
    key = ".".join(part for part in place if part.isidentifier() or part.isdecimal())
    given = "" if isinstance(problem["input"], dict) else f" (got {problem['input']!r})"
    if problem["type"].startswith(("int_", "float_", "bool_")) and isinstance(
        problem["input"], str
    ):
        given += "; nested values from --config arrive as text, give them in a second --configfile"
    return f"{key}: {message}{given}" if place else message


def _keys_at(place: list[str]) -> list[str]:
    """List the keys of the section at a place; of entries of several kinds, of the kind meant."""
    sections: list[Any] = [Config]
    for part in place:
        if part.isdecimal():
            continue
        inside = [each.model_fields[part] for each in sections if part in each.model_fields]
        if inside:
            sections = [found for field in inside for found in _sections_in(field.annotation)]
        else:  # pydantic puts the kind of an entry after its number
            sections = [
                each
                for each in sections
                if any(part in get_args(field.annotation) for field in each.model_fields.values())
            ] or sections
    return sorted({name for each in sections for name in each.model_fields})


def _sections_in(annotation: Any) -> list[Any]:
    """Return the sections that a value may be, or be a list of."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for part in get_args(annotation) for found in _sections_in(part)]
