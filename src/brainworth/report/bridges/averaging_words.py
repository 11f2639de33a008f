"""How the bridge on averaging names things, and which of its rows the sections quote."""

from __future__ import annotations

from typing import Any

ENCODERS = {
    "individual": "individual",
    "pooled_heads": "pooled, with heads",
    "average": "average of all",
    "average_of_others": "average of others",
}
SPACES = {"roi_mean": "region mean", "components": "aligned components"}
INPUTS = {"images": "image features", "true_features": "true features"}
MODELS = {"ridge": "ridge", "chasm": "stage 1"}
PREDICTORS = {
    "images": "image features",
    "mse_output": "MSE encoder’s output",
    "others": "others’ variances",
    "true": "true features",
}
TARGETS = {"roi_mean": "region mean", "components": "leading components"}
NULLS = {"rotation": "rotation", "relabelled": "relabelled"}
FRACTIONS = {"alignment": "alignment test", "planted": "planted"}
Row = dict[str, Any]


def cost(data: Row, inputs: str = "images", space: str = "roi_mean") -> Row:
    """Return the relative cost of the average of others."""
    return next(
        row
        for row in data["costs"]
        if (row["inputs"], row["space"], row["encoder"]) == (inputs, space, "average_of_others")
    )


def encoder(data: Row, name: str, size: str = "all", **where: str) -> Row | None:
    """Return the row of an encoder: ridge from image features to region means, but for `where`."""
    wanted = {"inputs": "images", "model": "ridge", "space": "roi_mean"} | where
    wanted |= {"encoder": name, "size": size}
    found = (
        row for row in data["encoders"] if all(row[key] == each for key, each in wanted.items())
    )
    return next(found, None)


def kinds(data: Row) -> list[tuple[str, str, str]]:
    """List inputs, model and space of all encoders, in their order."""
    return list(
        dict.fromkeys((row["inputs"], row["model"], row["space"]) for row in data["encoders"])
    )


def head(data: Row, predictors: str, target: str = "components") -> Row | None:
    """Return a head for the variance."""
    found = (
        row
        for row in data["variance"]["heads"]
        if (row["predictors"], row["target"]) == (predictors, target)
    )
    return next(found, None)


def recovers(row: Row, interval: float) -> bool:
    """Whether a head gains more than under both nulls."""
    gain = row["mean"]["gain"]
    return all(gain[null]["p"] <= 1 - interval + 1e-12 for null in NULLS)


def relation(data: Row, inputs: str, space: str, fraction: str) -> Row | None:
    """Return the relation of costs with one kind of shared fraction."""
    found = (
        row
        for row in data["relations"]
        if (row["inputs"], row["space"], row["fraction"]) == (inputs, space, fraction)
    )
    return next(found, None)


def best_fraction(data: Row) -> str | None:
    """Return the shared fraction that subjects are plotted over: measured, else planted, if any."""
    for source in ("alignment", "planted"):
        rows = data["shared_fraction"].get(source, [])
        if any(row["fraction"] is not None for row in rows):
            return source
    return None
