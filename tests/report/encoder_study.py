"""All parts of the encoder, run for two small planted subjects, as JSON and figures."""

from __future__ import annotations

import sys
from pathlib import Path

from brainworth import results
from brainworth.encoder import (
    chasm,
    chasm_results,
    cluster_table,
    clusters,
    comparison,
    linear,
    stage1_table,
    stage2_table,
    stream_table,
    targets,
    transfer,
)
from brainworth.encoder.networks import stage1_rows, stage2_rows
from brainworth.report.encoder import encoder_figures

sys.path.append(str(Path(__file__).parents[1] / "encoder"))
import planted

SUBJECTS = ("subj01", "subj05")
PARTS = ("linear", "chasm", "stage1", "stage2", "clusters", "streams", "transfer")
SHORT = {name: planted.SETTINGS[name] | {"epochs": 2} for name in ("train_stage1", "train_stage2")}
SETTINGS = planted.SETTINGS | SHORT
SETTINGS |= {"ridge": planted.SETTINGS["ridge"] | {"token_features": 64}}
SETTINGS |= {
    "transfer": {
        "target": "subj05",
        "sources": [["subj01"]],
        "fractions": [0.5, 1.0],
        "head": SHORT["train_stage1"],
    }
}
ORIGIN = {"backend": "gabor", "weights_sha256": ""}


def run() -> dict[str, list[dict]]:
    """Return the data of each part, one entry a subject for `linear` and `chasm`."""
    plan = comparison.Plan(SETTINGS, 0.95, 3)
    of = {name: planted.subject(name, seed, n_train=200) for seed, name in enumerate(SUBJECTS, 1)}
    found = {part: [] for part in PARTS}
    fits = {}
    for name, (features, responses) in of.items():
        data, ridge = linear.analyse(
            features,
            responses,
            ridge=SETTINGS["ridge"],
            cluster_settings=SETTINGS["clusters"],
            score_settings=SETTINGS["scores"],
            interval=0.95,
            seed=3,
            true_features=features.global_,
        )
        found["linear"].append(data)
        fits[name] = chasm.fit_subject(
            features, responses, SETTINGS, seed=3, checkpoints=None, device="cpu"
        )
        given = (fits[name], responses, SETTINGS, {"ridge": ridge})
        found["chasm"].append(chasm_results.describe(*given, **ORIGIN, interval=0.95, seed=3))
    features, responses = of["subj01"]
    first = fits["subj01"]
    found["stage1"].append(
        stage1_table.table(features, responses, first.data, list(stage1_rows.LABELS), plan)
    )
    found["stage2"].append(
        stage2_table.table(responses, first.data, first.stage1, list(stage2_rows.LABELS), plan)
    )

    def prepare(chosen):
        return chasm.prepare(features, responses, chosen, seed=3)

    kinds = ["sequential", "compact"]
    found["clusters"].append(cluster_table.table(responses, prepare, kinds, [5], [0.7, 1.0], plan))
    found["streams"].append(stream_table.table(responses, first.data, first.stage1, True, plan))
    labels = {
        name: clusters.make("sequential", 5, each.ijk, seed=3) for name, (_, each) in of.items()
    }
    both = {name: each for name, (_, each) in of.items()}
    found["transfer"].append(transfer.table(planted.read, both, labels, None, plan))
    return found


def write(folder: Path, found: dict[str, list[dict]], study: str = "tiny") -> list[Path]:
    """Write the JSON of parts, as the rules do."""
    paths = []
    for part, entries in found.items():
        for data in entries:
            name = f"{part}_{data['subject']}" if part in ("linear", "chasm") else part
            paths.append(folder / f"{name}.json")
            params = {f"encoder.{each}": SETTINGS[each] for each in SHORT}
            results.write(
                paths[-1], data, study=study, rule=f"encoder_{part}", params=params, inputs={},
                seed=3,
            )  # fmt: skip
    if not found:
        return []
    described = {
        "features": ORIGIN,
        **{
            f"targets_{name}": targets.summary(planted.subject(name, n_train=200)[1])
            for name in SUBJECTS
        },
    }
    given = {"zscore_fit": "train", "validation": 0.1}
    for name, data in described.items():
        paths.append(folder / f"{name}.json")
        rule = f"encoder_{name.split('_')[0]}"
        results.write(
            paths[-1], data, study=study, rule=rule, params={"encoder.targets": given}, inputs={},
            seed=3,
        )  # fmt: skip
    return paths


def draw(folder: Path, paths: list[Path]) -> list[Path]:
    """Draw the figures whose parts are there."""
    drawn = []
    for name, (rules, _) in encoder_figures.DRAWINGS.items():
        shown = [path for path in paths if f"encoder_{path.stem.split('_')[0]}" in rules]
        if shown:
            drawn.append(folder / f"{name}.png")
            encoder_figures.draw(name, shown, drawn[-1], folder / f"{name}.pdf")
    return drawn
