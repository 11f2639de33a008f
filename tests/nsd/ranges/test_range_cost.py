"""Merging ranges, and what requests and bytes cost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from brainworth.nsd import ranges, registry
from brainworth.nsd.ranges import cost, spans


def random_starts(rng, n=300, length=10):
    return np.cumsum(rng.integers(length, 6 * length, n))


@pytest.mark.parametrize("gap", [0, 1, 7, 20, 1000])
@pytest.mark.parametrize("longest", [5, 40, 10_000])
def test_every_range_is_in_one_span_and_gaps_are_as_asked(gap, longest):
    starts = random_starts(np.random.default_rng(gap + longest))
    found = spans.merge(starts, 10, gap, longest)
    members = [at for span in found for at in range(span.members.start, span.members.stop)]
    assert members == list(range(len(starts)))
    for span in found:
        inside = starts[span.members]
        assert (span.start, span.stop) == (inside[0], inside[-1] + 10)
        assert span.stop - span.start <= max(longest, 10)
        assert np.all(np.diff(inside) - 10 <= gap)
    for left, right in itertools.pairwise(found):
        assert right.start - left.stop > gap or right.stop - left.start > longest - 60


def test_merging_by_a_loop_gives_the_same():
    starts = random_starts(np.random.default_rng(3))
    expected = [[starts[0], starts[0] + 10]]
    for start in starts[1:]:
        if start - expected[-1][1] <= 12:
            expected[-1][1] = start + 10
        else:
            expected.append([start, start + 10])
    assert [[s.start, s.stop] for s in spans.merge(starts, 10, 12)] == expected


def test_nothing_to_merge():
    assert spans.merge(np.array([], dtype=int), 10, 5) == []


def test_overlapping_ranges_are_a_mistake():
    with pytest.raises(ValueError, match="must not overlap"):
        spans.merge(np.array([0, 9]), 10, 0)


def test_gap_follows_latency_and_bandwidth():
    starts = np.arange(1000) * 1500  # all adjacent but one
    starts[500:] += 10_000
    at = {"latency_s": 0.03, "parallel": 30}
    assert cost.gap(starts, 1500, bandwidth=50e6, **at) == 50_000
    assert cost.gap(starts, 1500, bandwidth=5e6, **at) == 5000
    assert cost.gap(starts, 1500, bandwidth=50e6, latency_s=0, parallel=1) == 0


def test_gaps_wider_than_the_budget_are_not_read():
    starts = np.arange(100) * 1500
    starts[50:] += 7501  # 5 % of the bytes wanted are 7500
    assert cost.gap(starts, 1500, latency_s=1, bandwidth=1e9, parallel=1) == 7500
    starts[50:] -= 1
    assert cost.gap(starts, 1500, latency_s=1, bandwidth=1e9, parallel=1) == cost.LONGEST_GAP


def test_gaps_that_are_read_stay_within_the_budget():
    rng = np.random.default_rng(1)
    starts = np.cumsum(rng.integers(1500, 9000, 4000))
    gap = cost.gap(starts, 1500, latency_s=1, bandwidth=1e9, parallel=1)
    read = sum(span.stop - span.start for span in spans.merge(starts, 1500, gap))
    wanted = 1500 * len(starts)
    assert gap > 0
    assert wanted < read <= (1 + cost.WASTE_SHARE) * wanted


def test_one_range_has_no_gap():
    gap = cost.gap(np.array([96]), 1500, latency_s=1, bandwidth=1e9, parallel=1)
    assert len(spans.merge(np.array([96]), 1500, gap)) == 1


def test_estimate_is_a_few_percent_of_a_session():
    shape = registry.VOLUME_SHAPE["subj01"]
    one = ranges.estimate(shape, 17_728, 1)
    assert 0.025 < one.bytes / 1.0944e9 < 0.04
    assert 1000 < one.requests < 4000


def test_estimate_grows_with_sessions_readings_and_voxels():
    shape = registry.VOLUME_SHAPE["subj01"]
    one, three = (ranges.estimate(shape, 5000, n) for n in (1, 3))
    assert (three.bytes, three.requests) == (3 * one.bytes, 3 * one.requests)
    twice = ranges.estimate(shape, 5000, 1, readings=2)
    assert twice.bytes == pytest.approx(2 * one.bytes, abs=2)
    assert ranges.estimate(shape, 5001, 1).bytes > one.bytes
