"""Typed sections of ``config.yaml``.

The classes hold types, ranges and descriptions but no defaults: ``config.yaml`` is the only place
where a default is written. ``config.schema.json`` is generated from them (``brainworth schema``).
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from brainworth.errors import BrainworthError

SubjectName = Annotated[str, Field(pattern=r"^subj0[1-8]$")]
RoiName = Literal[
    "V1", "V2", "V3", "hV4", "V3ab", "LO", "TO", "VO", "IPS", "faces", "bodies", "places", "words"
]
TestName = Literal["rsa", "fingerprinting", "heteroscedasticity"]
BefsPart = Literal[
    "curves", "verification", "breakdown", "shift", "budget", "estimators", "paper_scale"
]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Points = Annotated[int, Field(ge=3)]
Bootstrap = Annotated[int, Field(ge=100)]
Replicates = Annotated[int, Field(ge=2)]
Fractions = Annotated[list[Fraction], Field(min_length=1)]
Positives = Annotated[list[Positive], Field(min_length=1)]
Counts = Annotated[list[Count], Field(min_length=1)]
Multiples = Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)]
Range = Annotated[list[Positive], Field(min_length=2, max_length=2)]


class Section(BaseModel):
    """A section in which an unknown key or a wrong type is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


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
    sessions: Literal["all"] | Annotated[int, Field(ge=1, le=40)]


class Simulation(Section):
    """The generative truth of simulated NSD."""

    scale: Literal["tiny", "small", "full"]
    shared_features: Count
    individual_features: Count
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
        return self


class Design(Section):
    """Which stimuli enter."""

    min_repetitions: Annotated[int, Field(ge=1, le=3)]


class Rdms(Section):
    """RDMs measured elsewhere."""

    file: str | None
    label: str


class Rsa(Section):
    """Cross-subject RSA."""

    comparison: Literal["spearman", "corr", "rho-a", "cosine"]
    n_permutations: Annotated[int, Field(ge=100)]
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


class Erosion(Section):
    """The erosion tests."""

    tests: Annotated[list[TestName], Field(min_length=1)]
    rsa: Rsa
    fingerprinting: Fingerprinting
    heteroscedasticity: Heteroscedasticity


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
    rdms: Rdms
    erosion: Erosion
    befs: Befs
    interval: Annotated[float, Field(gt=0.5, lt=1)]
    report: Report

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        for key, values in (
            ("subjects", self.subjects),
            ("rois", self.rois),
            ("erosion.tests", self.erosion.tests),
            ("befs.parts", self.befs.parts),
        ):
            if len(set(values)) != len(values):
                raise ValueError(f"{key} names something twice: {values}")
        between = {"rsa", "fingerprinting"} & set(self.erosion.tests)
        if self.rdms.file is None and between and len(self.subjects) < 2:
            raise ValueError(
                f"subjects: {' and '.join(sorted(between))} compare subjects and need at least 2; "
                "add subjects, or take them out of erosion.tests"
            )
        if self.rdms.file is not None and self.erosion.tests != ["rsa"]:
            raise ValueError(
                "rdms.file is set, and RDMs alone support only RSA: set erosion.tests to [rsa]"
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
        merged = merge(merged, _read_yaml(Path(file)))
    return validate(merged, origin=" + ".join(str(file) for file in (path, *overlays)))


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


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BrainworthError(f"{path} does not exist; expected a YAML configuration") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise BrainworthError(f"{path} is not readable as YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise BrainworthError(f"{path} must hold keys and values, not a {type(content).__name__}")
    return content


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
    section: Any = Config
    for part in place:
        section = section.model_fields[part].annotation
    return sorted(section.model_fields)
