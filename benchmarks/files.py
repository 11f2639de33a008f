"""Files mode against plain clients, on one object of NSD's true size from the same server.

Writes one simulated session of subj01 (1.1 GB) and serves it on loopback in a process of its own,
as uploaded in parts of 8 MiB: as fast as the machine is, and 30 ms away at 50 MB/s. The clients
take turns, after a run each that does not count. Ours verifies the MD5s of the parts and writes
the SHA-256; the others are measured as they are, curl also with a SHA-256 and an MD5 after it, as
anyone would who wanted to know what has arrived.

The clients are used if they are there: curl, aria2c, rclone (Debian: apt install curl aria2
rclone), aws (pip install awscli, in an environment of its own; --aws PATH) and s3fs (pip install
s3fs, in an environment of its own; --s3fs-python PATH).
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/nsd"))
sys.path.insert(0, str(ROOT / "benchmarks"))

import loopback  # noqa: E402
from extraction import SUBJECT, write_one_session  # noqa: E402

from brainworth import config, files  # noqa: E402
from brainworth.nsd import registry, store  # noqa: E402

RUNS = 5
CONNECTIONS = 4
PART = 8 * 2**20
NETWORKS = {
    "uncapped": {},
    "30 ms, 50 MB/s": {"latency_s": 0.03, "bytes_per_s": 50e6},
}
UNSIGNED = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_REGION": "us-east-2",
    "NO_PROXY": "127.0.0.1",
}
S3FS = """
import sys, s3fs
url, key, out = sys.argv[1:]
s3fs.S3FileSystem(anon=True, endpoint_url=url).get(key, out)
"""

Client = Callable[[str, str, Path], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aws", default=shutil.which("aws"), help="the AWS command line")
    parser.add_argument("--s3fs-python", help="a Python that has s3fs")
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args()
    os.environ.update(UNSIGNED)
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CA_BUNDLE"):
        os.environ.pop(name, None)
    clients = {"ours": ours, **found(given)}
    wanted = ("curl", "aria2c", "rclone", "aws", "s3fs")
    missing = [name for name in wanted if name not in clients]
    if missing:
        print(f"not here, so not measured: {', '.join(missing)} (see --help)")
    settings = config.load(ROOT / "config.yaml", ROOT / "studies/full-size-simulated.yaml")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_one_session(root / "tree", settings)
        key = registry.betas_key(SUBJECT, 1)
        served = root / "served"
        (served / key).parent.mkdir(parents=True)
        (root / "tree" / key).rename(served / key)
        right = files.sha256(served / key)
        size = (served / key).stat().st_size
        measured = {
            name: race(clients, served, key, right, root / "out", given.runs, **network)
            for name, network in NETWORKS.items()
        }
    result = {
        "file_bytes": size,
        "runs": given.runs,
        "connections": CONNECTIONS,
        "cores": os.cpu_count(),
        "not_measured": missing,
        "seconds": measured,
    }
    result["ratio_to_fastest"] = {
        name: ratio(times) for name, times in measured.items() if len(times) > 1
    }
    output = ROOT / "benchmarks/results/files.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    for name, times in measured.items():
        print(f"{name}: one file of {size / 1e9:.2f} GB")
        for client, seconds in sorted(times.items(), key=lambda item: item[1]["median"]):
            median, cpu = seconds["median"], seconds["cpu"]
            print(f"  {client:<18}{median:7.2f} s {size / 1e6 / median:8.0f} MB/s  CPU {cpu:.1f} s")
        for against, value in result["ratio_to_fastest"].get(name, {}).items():
            print(f"  ratio to the fastest {against}: {value['ratio']:.2f} ({value['client']})")


def race(
    clients: dict[str, Client],
    served: Path,
    key: str,
    right: str,
    out: Path,
    runs: int,
    **network: float,
) -> dict[str, dict[str, float]]:
    """Return wall and CPU seconds of each client, medians of runs taken in turn."""
    walls: dict[str, list[float]] = {name: [] for name in clients}
    cpus: dict[str, list[float]] = {name: [] for name in clients}
    rounds = runs + 1 if not network else max(1, runs // 2)  # the slow network needs no warming up
    with loopback.in_process(served, part_size=PART, **network) as url:
        for turn in range(rounds):
            for name, client in clients.items():
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir()
                os.sync()  # nobody pays for what the one before left to be written
                before, start = os.times(), time.perf_counter()
                client(url, key, out)
                wall, after = time.perf_counter() - start, os.times()
                print(f"{turn} {name:<18}{wall:7.2f} s", file=sys.stderr)
                got = next(path for path in out.rglob("*") if is_object(path, key))
                if files.sha256(got) != right:
                    raise SystemExit(f"{name} fetched other bytes")
                if turn or network:
                    walls[name].append(wall)
                    cpus[name].append(sum(after[:4]) - sum(before[:4]))
        shutil.rmtree(out, ignore_errors=True)
    return {
        name: {"median": statistics.median(walls[name]), "cpu": statistics.median(cpus[name])}
        for name in clients
    }


def is_object(path: Path, key: str) -> bool:
    """Say whether a file is the one fetched (and not an entry or a lock)."""
    return path.is_file() and path.name == Path(key).name and not path.is_symlink()


def ratio(times: dict[str, dict[str, float]]) -> dict[str, dict[str, float | str]]:
    """Return ours over the fastest client: of those that verify nothing, and of all others."""
    plain = {name: seconds["median"] for name, seconds in times.items() if name != "ours"}
    checked = {name: plain[name] for name in plain if name.endswith("+ digests")}
    answer = {}
    for against, others in (("client", plain), ("client that digests", checked)):
        if others:
            fastest = min(others, key=others.__getitem__)
            answer[against] = {
                "client": fastest,
                "ratio": times["ours"]["median"] / others[fastest],
            }
    return answer


def ours(url: str, key: str, out: Path) -> None:
    """Fetch as a rule does, in a process of its own, interpreter and imports included."""
    subprocess.run([sys.executable, __file__, "--ours", url, key, str(out)], check=True)


def fetch(url: str, key: str, out: Path) -> None:
    settings = config.load(ROOT / "config.yaml").data
    data = settings.model_copy(
        update={
            "source": "s3",
            "accept_nsd_terms": True,
            "store_dir": str(out / "store"),
            "endpoint_url": url,
            "parallel": CONNECTIONS,
        }
    )
    store.fetch([key], out / "study", data, "benchmark")


def found(given: argparse.Namespace) -> dict[str, Client]:
    """Return the other clients that are on this machine."""

    def address(url: str, key: str) -> str:
        return f"{url}/{loopback.BUCKET}/{key}"

    def run(command: list[str]) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def curl(url: str, key: str, out: Path) -> None:
        run(["curl", "--silent", "--fail", "-o", str(out / Path(key).name), address(url, key)])

    def curl_and_digests(url: str, key: str, out: Path) -> None:
        curl(url, key, out)
        run(["sha256sum", str(out / Path(key).name)])
        run(["md5sum", str(out / Path(key).name)])

    def aria2c(url: str, key: str, out: Path) -> None:
        several = ["-x", str(CONNECTIONS), "-s", str(CONNECTIONS), "--file-allocation=falloc"]
        run(["aria2c", *several, "-d", str(out), "-o", Path(key).name, address(url, key)])

    def rclone(url: str, key: str, out: Path) -> None:
        remote = f":s3,provider=Other,endpoint='{url}':{loopback.BUCKET}/{key}"
        several = ["--multi-thread-streams", str(CONNECTIONS), "--multi-thread-cutoff", "64M"]
        run(
            [
                "rclone",
                "--config",
                os.devnull,
                *several,
                "copyto",
                remote,
                str(out / Path(key).name),
            ]
        )

    def aws(url: str, key: str, out: Path) -> None:
        common = ["--no-sign-request", "--endpoint-url", url, "--region", "us-east-2"]
        source = f"s3://{loopback.BUCKET}/{key}"
        run([given.aws, "s3", "cp", *common, source, str(out / Path(key).name)])

    def s3fs(url: str, key: str, out: Path) -> None:
        target = str(out / Path(key).name)
        run([given.s3fs_python, "-c", S3FS, url, f"{loopback.BUCKET}/{key}", target])

    clients: dict[str, Client] = {}
    if shutil.which("curl"):
        clients |= {"curl": curl, "curl + digests": curl_and_digests}
    if shutil.which("aria2c"):
        clients["aria2c"] = aria2c
    if shutil.which("rclone"):
        clients["rclone"] = rclone
    if given.aws:
        clients["aws"] = aws
    if given.s3fs_python:
        clients["s3fs"] = s3fs
    return clients


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ours"]:
        fetch(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        main()
