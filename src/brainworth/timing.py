"""How long each stage of a study took, from the benchmark files Snakemake leaves."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from brainworth.errors import BrainworthError

#: Rules in the order of the pipeline; rules that run once a subject or a test are one line.
STAGES = (
    *("simulate_experiment", "simulate", "fetch_experiment", "fetch", "fetch_voxels"),
    *("fetch_session", "session_voxels", "match_stimuli", "extract_betas", "match_roi_means"),
    *("import_roi_means", "import_rdms", "rdms", "rsa", "alignment", "encoding_gap", "rdm_gap"),
    *("fingerprinting", "heteroscedasticity", "variance_reliability", "variance_predictability"),
    *("direction_erosion", "variance_blindness", "validity", "planted", "befs"),
    *("fetch_encoder", "encoder_features", "encoder_targets", "encoder_linear", "encoder_chasm"),
    *("encoder_stage1", "encoder_stage2", "encoder_clusters", "encoder_streams"),
    *("encoder_transfer", "bridge_calibration", "bridge_decoding", "bridge_feature_spaces"),
    *("bridge_averaging", "claims"),
    *("figure", "paper", "paper_html"),
)


def summary(study: str, root: Path = Path()) -> str:
    """Return a table of the time and memory of each stage, and the path of the PDF.

    Parameters
    ----------
    study : str
        Name of the study.
    root : path
        Folder the workflow ran in.

    Raises
    ------
    BrainworthError
        If the study has no PDF yet.
    """
    paper = root / "paper" / f"{study}.pdf"
    if not paper.exists():
        raise BrainworthError(f"{paper} does not exist yet; run snakemake for this study first")
    stages: dict[str, list[tuple[float, float]]] = {}
    for file in sorted((root / "logs" / study / "benchmarks").glob("*.tsv")):
        stages.setdefault(_stage(file.stem), []).append(_read(file))
    lines = [f"{'stage':<22}{'jobs':>5}{'seconds':>10}{'peak MB':>9}"]
    for stage in sorted(stages, key=_position):
        seconds = sum(time for time, _ in stages[stage])
        memory = max(peak for _, peak in stages[stage])
        lines.append(f"{stage:<22}{len(stages[stage]):>5}{seconds:>10.1f}{memory:>9.0f}")
    page = paper.with_suffix(".html")
    made = [f"The paper: {paper}", *([f"As a web page: {page}"] if page.exists() else [])]
    return "\n".join([*lines, "", *made])


def _stage(name: str) -> str:
    """Return the stage of a benchmark file: its rule, without subject, session or test."""
    name = re.sub(r"_subj\d\d(_\d\d)?$", "", name)
    merged = [stage for stage in ("figure", "befs") if name.startswith(f"{stage}_")]
    return merged[0] if merged else name


def _position(stage: str) -> tuple[int, str]:
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)


def _read(file: Path) -> tuple[float, float]:
    """Return seconds and peak memory (MB) of one job; Snakemake writes NA for very short ones."""
    with file.open(encoding="utf-8", newline="") as handle:
        row = next(csv.DictReader(handle, delimiter="\t"))
    peak = row["max_rss"]
    return float(row["s"]), 0.0 if peak in ("NA", "-", "") else float(peak)
