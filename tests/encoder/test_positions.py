"""That a stage 1 that is trained for a short while tells places apart, and what clusters vary."""

import chasm_places
import pytest

from brainworth.encoder.cluster_table import name_of, variants

OWN = {"kind": "sequential", "size": 30, "top": 0.7, "atlas": None}


def test_a_short_training_tells_places_apart():
    """Each response weighs the tokens by their place; their mean says nothing about it.

    With positions of SD 0.02, as they once were, it does not: the mean over places hides them.
    """
    assert chasm_places.correlation_of_new_images() > 0.55
    assert chasm_places.correlation_of_new_images(scale=0.02) < 0.4


def test_clusters_vary_one_at_a_time():
    rows = variants(OWN, ["sequential", "compact"], [10, 30, 100, 10], [0.7, 1.0])
    assert [name_of(row) for row in rows] == [
        "sequential-10-top70",
        "sequential-30-top70",
        "compact-30-top70",
        "sequential-30-top100",
        "sequential-100-top70",
    ]


@pytest.mark.parametrize("kinds", [["atlas"], ["sequential", "atlas"]])
def test_the_size_of_an_atlas_is_not_varied(kinds):
    rows = variants(OWN | {"kind": "atlas"}, kinds, [10, 100], [0.7])
    assert [row["kind"] for row in rows] == ["atlas", "sequential"][: len(kinds)]
    assert {row["size"] for row in rows} == {30}
