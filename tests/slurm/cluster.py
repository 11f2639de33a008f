"""A real Slurm on this machine: one controller and several nodes, on loopback addresses only.

Needs root and Debian's slurmctld, slurmd, slurm-client and munge; no systemd, no cgroup. Nodes are
several slurmd of one machine, so killing one is what a node that dies looks like to the rest. The
configuration has to be /etc/slurm/slurm.conf: Snakemake's executor drops SLURM_CONF from the
environment of its jobs. It is removed at the end; one that somebody else wrote is never touched.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

CONF = Path("/etc/slurm/slurm.conf")
MARK = "# brainworth tests wrote this file and remove it"
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol", "sinfo")
#: More than this machine has: nodes of a cluster do, and nothing here is bound to a core.
CPUS = 8
MEMORY_MB = 16000


def missing() -> str | None:
    """Say what keeps a cluster from being started here, or None."""
    if os.geteuid() != 0:
        return "a Slurm on loopback needs root"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not installed; run `make test-slurm`"
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Cluster:
    """The daemons of one cluster; `with Cluster(folder):` starts and stops them."""

    folder: Path
    nodes: tuple[str, ...] = ("n1", "n2")
    running: dict[str, subprocess.Popen] = field(default_factory=dict)

    def __enter__(self) -> Cluster:
        if CONF.exists() and MARK not in CONF.read_text():
            raise RuntimeError(f"{CONF} is not of these tests; they do not touch it")
        for part in ("munge", "state", "spool", "log"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        # munged wants its folder searchable, its key private, and both below such folders
        self.folder.chmod(0o755)
        (self.folder / "munge").chmod(0o711)
        key = self.folder / "munge/munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        try:
            self._start_all(key)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(["scancel", "-u", "root"], capture_output=True, timeout=20)
            time.sleep(1)
        for name in [*self.nodes, "slurmctld", "munged"]:
            self._end(name)
        for node in self.nodes:
            self._end_steps(node)
        if CONF.exists() and MARK in CONF.read_text():
            CONF.unlink()

    def _start_all(self, key: Path) -> None:
        munge = self.folder / "munge"
        self._run(
            "munged",
            "--foreground",
            "--force",
            f"--key-file={key}",
            f"--socket={munge}/socket",
            f"--pid-file={munge}/pid",
            f"--log-file={munge}/log",
            f"--seed-file={munge}/seed",
        )
        self._until("munged", lambda: self._succeeds("munge", "-S", f"{munge}/socket", "-n"))
        CONF.parent.mkdir(exist_ok=True)
        CONF.write_text(self._configuration())
        self._run("slurmctld", "-D")
        self._until("slurmctld", lambda: self._succeeds("scontrol", "ping"))
        for node in self.nodes:
            self.start_node(node)
        self._until("nodes", self._all_up)

    def start_node(self, node: str) -> None:
        """Start a node, for the first time or again."""
        self._run(node, "-D", "-N", node, program="slurmd")

    def kill_node(self, node: str) -> None:
        """End a node without warning, with everything that runs on it."""
        daemon = self.running.pop(node)
        daemon.kill()
        daemon.wait(10)
        self._end_steps(node)

    def jobs_on(self, node: str) -> list[str]:
        """Return the numbers of the jobs that run on a node."""
        done = subprocess.run(
            ["squeue", "-h", "-w", node, "-t", "R", "-o", "%i"], capture_output=True, text=True
        )
        return done.stdout.split()

    def node_of(self, rule: str) -> str | None:
        """Return a node that runs a job of a rule, or of the group that begins with its name."""
        done = subprocess.run(
            ["squeue", "-h", "-t", "R", "-o", "%N %k"], capture_output=True, text=True
        )
        lines = (line.split() for line in done.stdout.splitlines())
        return next((node for node, name in lines if name.startswith(f"rule_{rule}")), None)

    def n_jobs(self) -> int:
        """Return how many jobs wait or run."""
        done = subprocess.run(
            ["squeue", "-h", "-t", "PD,R,CG", "-o", "%i"], capture_output=True, text=True
        )
        return len(done.stdout.split())

    def _configuration(self) -> str:
        host = socket.gethostname().split(".")[0]
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={_free_port()} "
            f"CPUs={CPUS} RealMemory={MEMORY_MB} State=UNKNOWN"
            for node in self.nodes
        )
        return f"""{MARK}
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={_free_port()}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge/socket
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool/%n
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd.%n.pid
SlurmctldLogFile={self.folder}/log/slurmctld.log
SlurmdLogFile={self.folder}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
ReturnToService=2
SlurmdTimeout=15
KillWait=3
MinJobAge=300
JobRequeue=0
PropagateResourceLimits=NONE
{nodes}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE DefMemPerCPU=500 State=UP
"""

    def _run(self, name: str, *arguments: str, program: str | None = None) -> None:
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [program or name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _end(self, name: str) -> None:
        daemon = self.running.pop(name, None)
        if daemon is None:
            return
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(10)

    def _end_steps(self, node: str) -> None:
        """End what the jobs of a node left: their slurmstepd know its name."""
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error):
                if process.info["name"] != "slurmstepd":
                    continue
                opened = [file.path for file in process.open_files()]
                places = [process.cwd(), *process.cmdline(), *opened]
                ours = str(self.folder)
                if any(ours in text and node in text for text in places):
                    for child in process.children(recursive=True):
                        with contextlib.suppress(psutil.Error):
                            child.send_signal(signal.SIGKILL)
                    process.send_signal(signal.SIGKILL)

    def _all_up(self) -> bool:
        done = subprocess.run(["sinfo", "-h", "-N", "-o", "%t"], capture_output=True, text=True)
        states = done.stdout.split()
        return len(states) == len(self.nodes) and set(states) <= {"idle", "mix", "alloc"}

    def _succeeds(self, *command: str) -> bool:
        return subprocess.run(command, capture_output=True).returncode == 0

    def _until(self, what: str, condition: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.1)
        logs = "\n".join(
            f"{path.name}: {path.read_text()[-500:]}" for path in (self.folder / "log").iterdir()
        )
        raise RuntimeError(f"{what} did not come up\n{logs}")
