"""The JSON a report is made of, read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from brainworth import results
from brainworth.errors import BrainworthError
from brainworth.report import overview_figure, style
from brainworth.report.befs import befs_figures
from brainworth.report.bridges import bridges_figures
from brainworth.report.encoder import encoder_figures
from brainworth.report.origin import is_simulated, matching_of

TESTS = (
    *("rsa", "alignment", "encoding_gap", "rdm_gap", "fingerprinting"),
    *("heteroscedasticity", "variance_reliability", "variance_predictability"),
    *("direction_erosion", "variance_blindness"),
)
#: Parts of the stage on what brain samples are worth; the rule of each begins with ``befs_``.
PARTS = (
    *("curves", "verification", "breakdown", "shift", "budget", "estimators"),
    "paper_scale",
)
#: Parts of the encoder, in the order of the report; the rule of each begins with ``encoder_``.
ENCODER_PARTS = ("linear", "chasm", "stage1", "stage2", "clusters", "streams", "transfer")
#: Bridges, in the order of the report; the rule of each begins with ``bridge_``.
BRIDGES = ("calibration", "decoding", "feature_spaces", "averaging")
SOURCES = ("simulated", "local", "s3", "roi_means", "rdms")


@dataclass(frozen=True)
class Evidence:
    """Everything a report may print.

    Attributes
    ----------
    study : str
    source : {"simulated", "local", "s3", "roi_means", "rdms"}
        Where the data came from; ``roi_means`` are files of mean responses, ``rdms`` RDMs
        measured elsewhere.
    envelopes : dict from str to dict
        All results in the order they were given, by file name.
    paths : dict from str to path
        Where each of them lies.
    tests : dict from str to dict
        The data of each test, in the order of the report.
    befs : dict from str to dict
        The data of each part on what brain samples are worth, in the order of the report.
    encoder : dict from str to list of dict
        The data of each part of the encoder, in the order of the report: one entry a subject for
        `linear` and `chasm`, in the order of their names, one entry for the other parts.
    encoder_features : dict or None
        What the encoder's features are; None if the encoder was not run.
    encoder_targets : list of dict
        What the encoder predicts, one entry a subject, in the order of their names.
    bridges : dict from str to dict
        The data of each bridge, in the order of the report.
    validity : dict from str to dict
        How often each test is right, in the order of the report; empty if it was not measured.
    figures : dict from str to path
        The figure of each test, those of each part, that of validity, and the overview.
    matching : dict or None
        What the matching of stimuli found.
    betas : list of dict
        What was extracted, one entry a subject.
    roi_means : list of dict
        What was imported of mean responses, one entry a subject.
    planted : dict from str to dict
        For each test the planted rows by region; empty unless the data are simulated.
    claims : dict from str to dict
        The answers to the claims of the ledger, by id, in its order.
    """

    study: str
    source: str
    envelopes: dict[str, dict[str, Any]]
    paths: dict[str, Path]
    tests: dict[str, dict[str, Any]]
    befs: dict[str, dict[str, Any]]
    encoder: dict[str, list[dict[str, Any]]]
    encoder_features: dict[str, Any] | None
    encoder_targets: list[dict[str, Any]]
    bridges: dict[str, dict[str, Any]]
    validity: dict[str, dict[str, Any]]
    figures: dict[str, Path]
    matching: dict[str, Any] | None
    betas: list[dict[str, Any]]
    roi_means: list[dict[str, Any]]
    planted: dict[str, dict[str, dict[str, Any]]]
    claims: dict[str, dict[str, Any]]

    @property
    def simulated(self) -> bool:
        """Whether the data are simulated."""
        return is_simulated(self.source, self.matching)

    @property
    def version(self) -> str:
        """The version of brainworth that made the results; several if they differ."""
        found = {envelope["software"]["brainworth"] for envelope in self.envelopes.values()}
        return ", ".join(sorted(found))

    def params(self, test: str) -> dict[str, Any]:
        """Return the configuration a test was given."""
        return next(e["params"] for e in self.envelopes.values() if e["rule"] == test)

    def names(self, *rules: str) -> list[str]:
        """Return the file names of the results of some rules, in the order of the rules."""
        return [name for rule in rules for name, e in self.envelopes.items() if e["rule"] == rule]

    def validity_names(self, test: str) -> list[str]:
        """Return the file names of the results that say how often a test is right."""
        return [name for name in self.names("validity") if name == f"validity/{test}.json"]

    def befs_params(self, key: str) -> dict[str, Any] | None:
        """Return a section of the configuration that a part on brain samples was given."""
        return self._params_of_stage("befs_", key)

    @property
    def encoder_backend(self) -> str | None:
        """What the encoder's features are made by, if it is known."""
        if self.encoder_features is not None:
            return self.encoder_features["backend"]
        known = [e for part in ("linear", "chasm") for e in self.encoder.get(part, [])]
        return known[0]["backend"] if known else None

    def encoder_params(self, key: str) -> Any:
        """Return a section, or a value, of the configuration that the encoder was given."""
        return self._params_of_stage("encoder_", key)

    def bridge_params(self, bridge: str) -> dict[str, Any]:
        """Return the configuration a bridge was given."""
        return self.params(f"bridge_{bridge}")

    def _params_of_stage(self, prefix: str, key: str) -> Any:
        found = (
            e["params"].get(key) for e in self.envelopes.values() if e["rule"].startswith(prefix)
        )
        return next((section for section in found if section is not None), None)

    def statement(self, claim: str) -> str:
        """Return a published statement in the words of the ledger."""
        return self.claims[claim]["statement"]

    def truth(self, test: str, region: str) -> dict[str, Any]:
        """Return what was planted for a test in a region; empty if nothing is known."""
        return self.planted.get(test, {}).get(region, {})


def gather(
    paths: Sequence[str | Path], pictures: Sequence[str | Path], *, study: str, source: str
) -> Evidence:
    """Read the results of a study and find its figures.

    Parameters
    ----------
    paths : sequence of path
        JSON results: those of the tests, and any of the data, the planted truth, what brain
        samples are worth, the encoder and the bridges.
    pictures : sequence of path
        The PNG of each test, named after it, those of `befs_figures.DRAWINGS` and
        `encoder_figures.DRAWINGS`, and bridge_BRIDGE.png of each bridge.
    study, source : str

    Raises
    ------
    BrainworthError
        If a file is missing, altered, of another study or given twice, a result has no figure, a
        figure was drawn from other results, or there is no test at all.
    """
    if source not in SOURCES:
        raise BrainworthError(f"source is {source!r}, expected one of {', '.join(SOURCES)}")
    envelopes: dict[str, dict[str, Any]] = {}
    places: dict[str, Path] = {}
    for path in map(Path, paths):
        envelope = results.read(path)
        if envelope["study"] != study:
            raise BrainworthError(
                f"{path} belongs to study {envelope['study']}, expected {study}; "
                "give the results of one study"
            )
        # a test and its validity have the same file name in different folders
        name = f"validity/{path.name}" if envelope["rule"] == "validity" else path.name
        if name in envelopes:
            raise BrainworthError(f"{path}: there are two results of this name; give one")
        envelopes[name], places[name] = envelope, path
    by_rule = {envelope["rule"]: envelope for envelope in envelopes.values()}
    tests = {test: by_rule[test]["data"] for test in TESTS if test in by_rule}
    if not tests:
        raise BrainworthError(
            f"study {study} has no result of a test ({', '.join(TESTS)}); run one of them first"
        )
    if "claims" not in by_rule:
        raise BrainworthError(
            f"study {study} has no answers to the claims ledger; run the rule `claims` first"
        )
    truth = by_rule.get("planted")
    planted = truth["data"] if truth else {}
    drawn = {test: style.source_of(by_rule[test], truth) for test in tests}
    right = {e["data"]["test"]: e for e in envelopes.values() if e["rule"] == "validity"}
    if right:
        drawn["validity"] = style.source_of(*right.values())
    for name, (rule, _) in befs_figures.DRAWINGS.items():
        if rule in by_rule:
            drawn[name] = style.source_of(by_rule[rule])
    encoded = encoder_figures.in_order(envelopes.values())
    for name, (rules, _) in encoder_figures.DRAWINGS.items():
        shown = [envelope for rule in rules for envelope in encoded.get(rule, [])]
        if shown:
            drawn[name] = style.source_of(*shown)
    for bridge in bridges_figures.DRAWINGS:
        if f"bridge_{bridge}" in by_rule:
            drawn[f"bridge_{bridge}"] = style.source_of(by_rule[f"bridge_{bridge}"])
    if overview_figure.NAME in {Path(path).stem for path in pictures}:
        shown = [e for e in envelopes.values() if e["rule"] in overview_figure.RULES]
        drawn[overview_figure.NAME] = style.source_of(*overview_figure.shown(shown), truth)
    features = [e["data"] for e in encoded.get("encoder_features", [])]
    return Evidence(
        study=study,
        source=source,
        envelopes=envelopes,
        paths=places,
        tests=tests,
        befs={part: by_rule[f"befs_{part}"]["data"] for part in PARTS if f"befs_{part}" in by_rule},
        encoder={
            part: [e["data"] for e in encoded[f"encoder_{part}"]]
            for part in ENCODER_PARTS
            if f"encoder_{part}" in encoded
        },
        encoder_features=features[0] if features else None,
        encoder_targets=[e["data"] for e in encoded.get("encoder_targets", [])],
        bridges={
            name: by_rule[f"bridge_{name}"]["data"]
            for name in BRIDGES
            if f"bridge_{name}" in by_rule
        },
        validity={test: right[test]["data"] for test in TESTS if test in right},
        figures={name: _picture(name, pictures, drawn_from) for name, drawn_from in drawn.items()},
        matching=matching_of(by_rule),
        betas=[e["data"] for e in envelopes.values() if e["rule"] == "extract_betas"],
        roi_means=[e["data"] for e in envelopes.values() if e["rule"] == "import_roi_means"],
        planted={
            test: {row["region"]: row for row in planted.get(test, [])}
            for test in tests
            if test in planted
        },
        claims={claim["id"]: claim for claim in by_rule["claims"]["data"]["claims"]},
    )


def _picture(name: str, pictures: Sequence[str | Path], drawn_from: str) -> Path:
    found = [path for path in map(Path, pictures) if path.stem == name]
    if not found or not found[0].is_file():
        raise BrainworthError(f"the figure {name}.png is missing; run the rule that draws it")
    with Image.open(found[0]) as image:
        source = image.info.get("Source")
    if source != drawn_from:
        raise BrainworthError(
            f"{found[0]} was not drawn from the results given; delete it and run again"
        )
    return found[0]
