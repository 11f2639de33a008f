"""What reading voxels by byte ranges costs: before it is begun, and one request against its bytes.

The constants come from a file of NSD's true size (subj01, 81 x 104 x 83 voxels, chunks written x
fastest, as the simulator and, by the size of its files, NSD write them) and the voxels of all 13
regions; ``benchmarks/ranges.py`` measures them again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

VOXEL_BYTES = 1500  # 750 trials of int16
NODE_BYTES = 3656  # a node of the chunk index with 8-byte addresses and the default order, 64
ENTRIES_PER_NODE = 57  # of 64: files written in order split full nodes 9 to 1
VOXELS_PER_LEAF = 12.0  # of a study in a leaf that holds any; measured 22, fewer in thin cortex
VOXELS_PER_REQUEST = 20.0  # measured 28 once neighbours are merged, fewer in thin cortex
WASTE_SHARE = 0.05  # bytes fetched only to join neighbours, at most, of those wanted
FIRST_BYTES = 2**14  # read at once from the beginning of a file
FIRST_BANDWIDTH = 50e6  # bytes a second, until measured
LONGEST_GAP = 2**20


@dataclass(frozen=True)
class Estimate:
    """What a fetch of voxels will take.

    Attributes
    ----------
    bytes : int
        Bytes to receive, index included.
    requests : int
        Requests to send.
    """

    bytes: int
    requests: int


def estimate(
    volume_shape: tuple[int, int, int], n_voxels: int, n_sessions: int, *, readings: int = 1
) -> Estimate:
    """Estimate what it takes to fetch voxels of a subject by byte ranges.

    Parameters
    ----------
    volume_shape : tuple
        (x, y, z) of the volume.
    n_voxels : int
        Voxels of the study's regions in this subject.
    n_sessions : int
        Session files.
    readings : int
        How often each range is read: 2 where the bytes are compared (plain http), else 1.

    Returns
    -------
    Estimate
        For all sessions. Cautious: regions that are compact, as those of the simulator are, take
        fewer requests.
    """
    chunks = math.prod(volume_shape)
    nodes = [math.ceil(chunks / ENTRIES_PER_NODE)]
    touched = [min(nodes[0], math.ceil(n_voxels / VOXELS_PER_LEAF))]
    while nodes[-1] > 1:
        nodes.append(math.ceil(nodes[-1] / ENTRIES_PER_NODE))
        touched.append(min(nodes[-1], touched[-1]))
    index = sum(touched)
    requests = index + math.ceil(n_voxels / VOXELS_PER_REQUEST)
    size = index * NODE_BYTES + n_voxels * VOXEL_BYTES * (1 + WASTE_SHARE) + FIRST_BYTES
    # Beside the ranges: size and version of the object, and the beginning of the file.
    return Estimate(
        bytes=math.ceil(n_sessions * readings * size),
        requests=n_sessions * (1 + readings * (1 + requests)),
    )


def gap(
    starts: np.ndarray, length: int, *, latency_s: float, bandwidth: float, parallel: int
) -> int:
    """Return the widest gap between two ranges that is cheaper to read than to leave out.

    With `parallel` requests under way a further one costs ``latency_s / parallel`` seconds, in
    which ``bandwidth * latency_s / parallel`` bytes arrive. Somebody pays for those bytes, so
    gaps that are read add up to `WASTE_SHARE` of the bytes wanted at most. The gap decides what is
    fetched, never what comes out.

    Parameters
    ----------
    starts : array of shape (N,), int
        Where the ranges start, ascending.
    length : int
        Bytes of each.
    bandwidth : float
        Bytes a second of all connections together.
    """
    widest = int(min(latency_s * bandwidth / parallel, LONGEST_GAP))
    gaps = np.sort(np.diff(starts) - length)
    spent = np.cumsum(gaps)
    affordable = int(np.searchsorted(spent, WASTE_SHARE * length * len(starts), side="right"))
    if affordable < len(gaps):  # below the first gap that is too much, of which there may be many
        widest = min(widest, int(gaps[affordable]) - 1)
    return max(widest, 0)
