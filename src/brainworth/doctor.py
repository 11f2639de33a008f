"""Whether a study can run here, now: the machine, the terms, and every object at its source."""

from __future__ import annotations

from pathlib import Path

from brainworth import machine, slurm
from brainworth.config import Config
from brainworth.errors import BrainworthError
from brainworth.findings import Finding, good, note, problem
from brainworth.nsd import inspection, plan, terms
from brainworth.nsd import store as acquisition


def examine(study: Config, root: Path) -> list[Finding]:
    """Examine everything that a study needs.

    Parameters
    ----------
    study : Config
    root : path
        The checkout, in which the study runs.
    """
    store = acquisition.store_of(study.data, root)
    findings = machine.libraries(root / "constraints.txt")
    findings += [machine.memory(), machine.gpu()]
    places = [root / "data", root / "results", root / "figures", root / "paper", root / "logs"]
    fetches = study.rdms.file is None and study.data.source == "s3"
    findings += machine.folders([*places, store] if fetches else places)
    cost = plan.make(study, plan.Network(), store)
    findings += machine.disks(_needed(cost, study, root, store))
    profile = root / "profiles" / "slurm" / "profile.yaml"
    findings += slurm.examine(profile, asks_for_cards(study))
    return findings + _source(study, store)


def asks_for_cards(study: Config) -> bool:
    """Whether a rule of the study has the resource `gpu`."""
    if study.encoder.device == "cpu":
        return False
    describes = study.described_subjects and study.encoder.features.backend == "dinov2"
    trains = study.encoder_runs and set(study.encoder.parts) != {"linear"}
    averages = study.bridges_run and "averaging" in study.bridges.parts
    return bool(describes or trains or (averages and "chasm" in study.bridges.averaging.models))


def _needed(cost: plan.Plan, study: Config, root: Path, store: Path) -> dict[Path, int]:
    if cost.source == "s3":
        mode = cost.modes[study.data.download]
        return {store: mode.disk - cost.extracts, root / "results": cost.extracts}
    (mode,) = cost.modes.values()
    return {root / ("data" if cost.source == "simulated" else "results"): mode.disk}


def _source(study: Config, store: Path) -> list[Finding]:
    if study.rdms.file is not None:
        there = Path(study.rdms.file).is_file()
        text = f"rdms.file: {study.rdms.file}"
        return [good(f"{text} is there") if there else problem(f"{text} does not exist")]
    if study.data.source == "simulated":
        return [good("the data are simulated; nothing is fetched")]
    if not study.data.accept_nsd_terms:
        return [
            problem(terms.NOT_ACCEPTED),
            note("nothing is asked of the source before the terms are accepted"),
        ]
    accepted = good("NSD's terms are accepted (data.accept_nsd_terms)")
    keys = plan.objects_of(study)
    try:
        if study.data.source == "local":
            return [accepted, *inspection.tree(acquisition.tree_of(study.data), keys)]
        return [accepted, *inspection.bucket(study.data, keys, store)]
    except BrainworthError as error:
        return [accepted, problem(str(error))]
