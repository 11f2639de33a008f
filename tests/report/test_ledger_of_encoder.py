"""What is published of the encoder: all of it in the ledger, and held to rows of tables."""

import copy

import pytest
from test_ledger import read

from brainworth.errors import BrainworthError
from brainworth.report import layout
from brainworth.report.encoder import encoder_published
from brainworth.report.ledger import claims_file, evaluate, table

CLAIM = {
    "id": "a-claim",
    "source": "chasm",
    "place": "table",
    "statement": "“ridge 0.4, probe 0.3”",
    "test": "encoder_linear",
    "scope": "rows",
    "published": {"ridge": 0.4, "zeros": 0.3},
    "as_published": {
        "label": "r",
        "key": "r.estimate",
        "agrees": {"key": "r.estimate", "relation": "equals_published", "tolerance": 0.02},
    },
    "sound": {"label": "r", "estimate": "r.estimate", "interval": "r.interval"},
    "planted": "r.estimate",
}


def linear(subject, **r):
    rows = [
        {"row": name, "r": {"estimate": value, "interval": [value - 0.1, value + 0.1]}}
        for name, value in r.items()
    ]
    return {"rule": "encoder_linear", "data": {"subject": subject, "rows": rows}}


def features(backend):
    return {"rule": "encoder_features", "data": {"backend": backend}}


def stage1(parameters, **differences):
    rows = [{"row": name, "parameters": parameters} for name in ("dual_mamba", *differences)]
    data = {"subject": "subj01", "rows": rows}
    data["differences"] = {
        "reference": "dual_mamba",
        "rows": {name: {"r_mean": {"interval": bounds}} for name, bounds in differences.items()},
    }
    return {"rule": "encoder_stage1", "data": data}


def answer(tmp_path, changes, *envelopes, source="local"):
    results = {}
    for envelope in envelopes:
        results.setdefault(envelope["rule"], []).append(envelope)
    claim = {key: value for key, value in (CLAIM | changes).items() if value is not None}
    return evaluate.evaluate(read(tmp_path, claim), results, source)[0]


def test_means_over_subjects_are_held_to_published_means(tmp_path):
    """One subject above and one below: neither is within the tolerance, their mean is."""
    found = answer(
        tmp_path,
        {},
        features("dinov2"),
        linear("subj01", ridge=0.5, zeros=0.5),
        linear("subj02", ridge=0.3, zeros=0.4),
    )
    assert [(row["region"], row["subject"], row["agrees"]) for row in found["rows"]] == [
        ("ridge", "mean of 2", True),
        ("ridge", "subj01", None),
        ("ridge", "subj02", None),
        ("zeros", "mean of 2", False),
        ("zeros", "subj01", None),
        ("zeros", "subj02", None),
    ]
    assert found["rows"][0]["as_published"] == pytest.approx(0.4)
    assert (found["n"], found["verdict"]) == (2, "reproduced in 1 of 2")


def test_one_subject_is_held_as_it_is(tmp_path):
    found = answer(
        tmp_path, {}, features("dinov2"), linear("subj01", ridge=0.41), linear("subj02", zeros=0.2)
    )
    assert [row["agrees"] for row in found["rows"]] == [True, False]
    found = answer(
        tmp_path,
        {"subject": "subj02"},
        features("dinov2"),
        linear("subj01", ridge=0.5),
        linear("subj02", ridge=0.4),
    )
    assert [row["subject"] for row in found["rows"]] == ["subj02"]
    assert found["verdict"] == "reproduced"
    found = answer(tmp_path, {"subject": "subj07"}, linear("subj01", ridge=0.4))
    assert found["reason"] == "this study has no result of encoder_linear for subj07"


def test_what_is_not_of_the_same_kind_gives_no_verdict(tmp_path):
    found = answer(tmp_path, {}, features("gabor"), linear("subj01", ridge=0.4, zeros=0.3))
    assert found["n_agree"] == 2
    assert found["verdict"] == "not testable here"
    assert found["reason"] == "features here are of the backend gabor, not DINOv2"
    relation = {"key": "differences.rows.transformer.r_mean.interval", "relation": "wholly_below"}
    changes = {
        "test": "encoder_stage1",
        "scope": "whole",
        "published": None,
        "sound": None,
        "planted": None,
        "needs": ["transformer"],
        "reference": "dual_mamba",
        "as_published": {"label": "r", "key": relation["key"], "agrees": relation},
    }
    ours = stage1(14_555_194, transformer=[-0.2, -0.1])
    assert answer(tmp_path, changes, features("dinov2"), ours)["verdict"] == "reproduced"
    straddles = stage1(14_555_194, transformer=[-0.2, 0.1])
    assert answer(tmp_path, changes, features("dinov2"), straddles)["verdict"] == "not reproduced"
    small = answer(tmp_path, changes, features("dinov2"), stage1(90_000, transformer=[-0.2, -0.1]))
    assert small["reason"] == ("stage 1 has 0.09 million parameters here, 14.6 as published")
    absent = answer(tmp_path, changes, features("dinov2"), stage1(14_555_194, mlp=[-0.2, -0.1]))
    assert absent["reason"] == "this study has no row transformer of encoder_stage1"
    ours["data"]["differences"]["reference"] = None
    other = answer(tmp_path, changes, features("dinov2"), ours)
    assert other["reason"] == (
        "this study has no differences from the row dual_mamba of encoder_stage1"
    )


def test_true_features_stand_beside_what_was_simulated(tmp_path):
    known = linear("subj01", ridge=0.35, zeros=0.3, true_features=0.6)
    found = answer(tmp_path, {}, features("gabor"), known, source="simulated")
    assert found["verdict"] == "simulated"
    assert [row["planted"] for row in found["rows"]] == [0.6, 0.6]
    # nothing that a model should find: what it may reach
    assert [row["planted_inside"] for row in found["rows"]] == [None, None]


@pytest.mark.parametrize(
    "changes", [{"row": "ridge"}, {"published": 0.4}, {"published": None, "scope": "rows"}]
)
def test_scope_rows_says_which(tmp_path, changes):
    with pytest.raises(BrainworthError, match=r"scope rows needs|equals_published needs"):
        read(tmp_path, copy.deepcopy(CLAIM) | changes)


@pytest.fixture(scope="module")
def claims(repository):
    ledger = claims_file.read(repository / "paper/claims.yaml")
    return {claim.id: claim for claim in ledger if claim.source == "chasm"}


def numbers_of(claim) -> list[float]:
    if isinstance(claim.published, dict):
        return list(claim.published.values())
    return [] if claim.published is None else [claim.published]


def test_every_published_number_is_in_the_ledger(claims):
    """Either as a number that is held to a result, or in the words of a statement."""
    words = " ".join(claim.statement for claim in claims.values())
    known = {number for claim in claims.values() for number in numbers_of(claim)}
    for row in encoder_published.ROWS:
        pairs = [pair for pair in (row.clusters, row.voxels) if pair is not None]
        numbers = [each for pair in pairs for each in (pair.mse, pair.r) if each is not None]
        numbers += list((row.groups or {}).values())
        for number in numbers:
            assert number in known or f"{number:.3f}" in words, (row, number)
        for number in (row.parameters, row.flops):
            assert number is None or number in known, (row, number)


def test_errors_below_the_bound_contradict_their_correlation(claims):
    """The claims marked are those that the bound of the population model marks, and no others."""
    violating = {
        row.voxels.mse
        for row in encoder_published.ROWS
        if row.voxels
        and None not in (row.voxels.mse, row.voxels.r)
        and encoder_published.flag(row.voxels.mse, row.voxels.r) == encoder_published.VIOLATES
    }
    of_errors = [
        claim
        for claim in claims.values()
        if claim.as_published and claim.as_published.key == "voxels.mse.estimate"
    ]
    assert len(of_errors) >= 7
    for claim in of_errors:
        found = {number in violating for number in numbers_of(claim)}
        assert found == {bool(claim.contradicts)}, claim.id


def test_rows_of_the_ledger_are_rows_of_the_tables(claims):
    """A row that no table can have would never be answered."""
    from brainworth.encoder import cluster_table, stream_table
    from brainworth.encoder.networks import stage1_rows, stage2_rows

    can = {
        "encoder_linear": {"global_only", "ridge", *(f"probe_layer_{n}" for n in (3, 6, 9, 12))},
        "encoder_chasm": {"chasm"},
        "encoder_stage1": set(stage1_rows.LABELS),
        "encoder_stage2": set(stage2_rows.LABELS),
        "encoder_streams": {*stream_table.VARIANTS, *stream_table.RETRAINED},
        "encoder_clusters": {
            cluster_table.name_of(each)
            for size in (10, 30, 100)
            for each in cluster_table.variants(
                {"kind": "sequential", "size": size, "top": 0.7},
                ["compact", "atlas"],
                [],
                [1.0],
            )
        },
        "encoder_transfer": {
            f"{backbone}-head-1"
            for backbone in ("within", "subj01", "subj01+subj02", "subj01+subj02+subj05")
        },
    }
    for claim in claims.values():
        named = set(claim.published) if isinstance(claim.published, dict) else {claim.row} - {None}
        named |= {*claim.needs, *({claim.reference} - {None})}
        if named:
            assert named <= can[claim.test], claim.id


def test_the_table_of_the_encoder(tmp_path):
    layout.register_fonts()
    found = answer(tmp_path, {}, features("gabor"), linear("subj01", ridge=0.4, zeros=0.3))
    assert table.table([found], 1, False, "chasm")
    assert table.unanswered([found], "chasm") == []
    assert table.table([found], 1, False) == []
    absent = answer(tmp_path, {})
    assert table.table([absent], 1, False, "chasm") == []
    assert len(table.unanswered([absent], "chasm")) == 1
