"""Voxels of a session file by byte ranges, against the whole file, from the same far service.

    python benchmarks/ranges.py

Writes one simulated session of subj01 (81 x 104 x 83 voxels, 1.09 GB), in NSD's order of chunks and
in a shuffled one, and serves it from this machine with 30 ms of latency and 50 MB/s. The voxels of
all 13 regions are fetched by ranges, and the whole file with one request, in turn; over https
(each range once) and http (each range twice). Service and client share the machine's cores: the
seconds are an upper bound where it is busy.
"""

import argparse
import json
import os
import ssl
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/nsd"))

import extraction
import loopback

from brainworth import config
from brainworth.nsd import betas, ranges, registry, rois
from brainworth.nsd.ranges import session, transport

ROOT = Path(__file__).resolve().parents[1]
SUBJECT = "subj01"
LATENCY_S = 0.03
BYTES_PER_S = 50e6
MOST_OF_THE_FILE = 0.06
LEAST_SPEEDUP = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--shuffled", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()
    settings = config.load(ROOT / "config.yaml", ROOT / "studies/full-size-simulated.yaml")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "nsd"
        extraction.write_one_session(root, settings)
        table = rois.find_voxels(root, SUBJECT, settings.rois)
        path = root / registry.betas_key(SUBJECT, 1)
        estimate = ranges.estimate(table.shape, len(table), 1)
        result = {
            "voxels": len(table),
            "file_bytes": path.stat().st_size,
            "latency_ms": 1000 * LATENCY_S,
            "megabytes_per_s": BYTES_PER_S / 1e6,
            "runs": given.runs,
            "load_before": os.getloadavg()[0],
            "estimate": {"bytes": estimate.bytes, "requests": estimate.requests},
        }
        for secure in (True, False):
            result["https" if secure else "http"] = compare(
                settings.data, root, path, table, secure, given.runs
            )
        if given.shuffled:
            shuffle_chunks(path)
            result["https, shuffled chunks"] = compare(
                settings.data, root, path, table, True, 1, whole=False
            )
    output = ROOT / "benchmarks/results/ranges.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    report(result)


def compare(
    data: config.Data,
    root: Path,
    path: Path,
    table: rois.VoxelTable,
    secure: bool,
    runs: int,
    whole: bool = True,
) -> dict:
    """Fetch voxels and whole file in turn; returns medians, and what was sent."""
    expected = betas.read_session(path, table)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        authority = place / "tls" if secure else None
        with loopback.in_process(root, LATENCY_S, BYTES_PER_S, 8 * 2**20, authority) as url:
            changes = {
                "source": "s3",
                "endpoint_url": url,
                "ca_bundle": str(authority / "authority.pem") if secure else None,
            }
            data = data.model_copy(update=changes)
            for number in range(runs):
                seconds, found, traffic = by_ranges(data, path, root, table, place / str(number))
                ours.append(seconds)
                if not np.array_equal(found.values, expected):
                    raise SystemExit("the voxels fetched are not those of the file")
                if whole:
                    theirs.append(whole_file(data, url, path, root, place / "whole"))
    measured = {
        "ranges_s": statistics.median(ours),
        "bytes": traffic.bytes,
        "share_of_file": traffic.bytes / found.size,
        "requests": traffic.requests,
        "retries": traffic.retries,
    }
    if whole:
        measured["whole_s"] = statistics.median(theirs)
        measured["speedup"] = measured["whole_s"] / measured["ranges_s"]
    return measured


def by_ranges(
    data: config.Data, path: Path, root: Path, table: rois.VoxelTable, store: Path
) -> tuple[float, session.Session, transport.Traffic]:
    """Fetch the voxels into an empty store; returns seconds, session, and traffic."""
    key = path.relative_to(root).as_posix()
    start = time.perf_counter()
    with transport.connect(data) as connections:
        found = session.fetch(lambda: connections, key, table, store, data, lambda _: None)
        return time.perf_counter() - start, found, connections.traffic


def whole_file(data: config.Data, url: str, path: Path, root: Path, copy: Path) -> float:
    """Fetch the whole file to disk with one request; returns seconds."""
    context = ssl.create_default_context(cafile=data.ca_bundle) if data.ca_bundle else None
    address = f"{url}/{data.bucket}/{path.relative_to(root).as_posix()}"
    start = time.perf_counter()
    with urllib.request.urlopen(address, context=context) as answer, copy.open("wb") as file:
        while block := answer.read(2**20):
            file.write(block)
    if copy.stat().st_size != path.stat().st_size:
        raise SystemExit("the whole file did not arrive")
    return time.perf_counter() - start


def shuffle_chunks(path: Path) -> None:
    """Write the file anew with its chunks in random order."""
    with h5py.File(path, "r") as old, h5py.File(path.with_suffix(".new"), "w") as new:
        shape, chunks = old["betas"].shape, old["betas"].chunks
        betas = new.create_dataset("betas", shape, dtype=np.int16, chunks=chunks)
        for number in np.random.default_rng(1).permutation(np.prod(shape[1:])).tolist():
            place = (0, *(int(axis) for axis in np.unravel_index(number, shape[1:])))
            betas.id.write_direct_chunk(place, old["betas"].id.read_direct_chunk(place)[1])
    path.with_suffix(".new").replace(path)


def report(result: dict) -> None:
    print(f"{result['voxels']} voxels of a file of {result['file_bytes'] / 1e9:.2f} GB")
    for name, found in result.items():
        if isinstance(found, dict) and "ranges_s" in found:
            print(f"{name}:")
            print(
                f"  by ranges   {found['ranges_s']:6.2f} s, {found['requests']} requests, "
                f"{found['bytes'] / 1e6:.1f} MB = {100 * found['share_of_file']:.2f} % of the file"
                f"  (target: at most {100 * MOST_OF_THE_FILE:.0f} %)"
            )
            if "whole_s" in found:
                print(f"  whole file  {found['whole_s']:6.2f} s")
                print(f"  ratio       {found['speedup']:6.2f}  (target: at least {LEAST_SPEEDUP})")


if __name__ == "__main__":
    main()
