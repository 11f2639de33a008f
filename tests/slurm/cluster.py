"""A real Slurm on this machine: one controller and several nodes, on loopback addresses only.

Needs root and Debian's slurmctld, slurmd, slurm-client and munge; no systemd, no cgroup. Nodes are
several slurmd of one machine, so killing one is what a node that dies looks like to the rest. The
configuration has to be in /etc/slurm: Snakemake's executor drops SLURM_CONF from the environment
of its jobs. It is removed at the end; one that somebody else wrote is never touched.
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
from dataclasses import dataclass
from pathlib import Path

import accounting
import psutil
from daemons import Daemons, free_port, succeeds

CONF = Path("/etc/slurm/slurm.conf")
MARK = "# brainworth tests wrote this file and remove it"
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol", "sinfo")
#: More than this machine has: nodes of a cluster do, and nothing here is bound to a core.
CPUS = 8
MEMORY_MB = 16000


def _confs() -> tuple[Path, Path]:
    """Return what is written for Slurm to find: slurm.conf, and what says where cards are."""
    return CONF, CONF.with_name("gres.conf")


def missing() -> str | None:
    """Say what keeps a cluster from being started here, or None."""
    if os.geteuid() != 0:
        return "a Slurm on loopback needs root"
    absent = [name for name in (*PROGRAMS, *accounting.PROGRAMS) if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not installed; run `make test-slurm`"
    return None


@dataclass
class Cluster:
    """The daemons of one cluster; `with Cluster(folder):` starts and stops them.

    Parameters
    ----------
    folder : path
        Where everything is but the configuration.
    accounting : bool
        Whether it keeps accounts of jobs. The first seconds are then the database's: 8.
    cards : tuple of str
        Nodes with a pretended GPU each, which no program can use.
    """

    folder: Path
    nodes: tuple[str, ...] = ("n1", "n2")
    accounting: bool = False
    cards: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.daemons = Daemons(self.folder / "log")
        self.accounts = (
            accounting.Accounting(self.folder / "accounts", self.daemons, self._munge / "socket")
            if self.accounting
            else None
        )

    @property
    def _munge(self) -> Path:
        return self.folder / "munge"

    def __enter__(self) -> Cluster:
        for conf in _confs():
            if conf.exists() and MARK not in conf.read_text():
                raise RuntimeError(f"{conf} is not of these tests; they do not touch it")
        for part in ("munge", "state", "spool", "log", "accounts"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        # munged wants its folder searchable, its key private, and both below such folders
        self.folder.chmod(0o755)
        self._munge.chmod(0o711)
        key = self._munge / "munge.key"
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
        for name in [*self.nodes, "slurmctld"]:
            self.daemons.end(name)
        if self.accounts:
            self.accounts.end()
        self.daemons.end("munged")
        for node in self.nodes:
            self._end_steps(node)
        for conf in _confs():
            if conf.exists() and MARK in conf.read_text():
                conf.unlink()

    def _start_all(self, key: Path) -> None:
        munge = self._munge
        self.daemons.start(
            "munged",
            "--foreground",
            "--force",
            f"--key-file={key}",
            f"--socket={munge}/socket",
            f"--pid-file={munge}/pid",
            f"--log-file={munge}/log",
            f"--seed-file={munge}/seed",
        )
        self.daemons.until("munged", lambda: succeeds("munge", "-S", f"{munge}/socket", "-n"))
        slurm_conf, cards_conf = _confs()
        slurm_conf.parent.mkdir(exist_ok=True)
        slurm_conf.write_text(self._configuration())
        cards = [f"NodeName={node} Name=gpu File=/dev/null" for node in self.cards]
        cards_conf.write_text("\n".join([MARK, *cards, ""]))
        if self.accounts:
            self.accounts.start()
        self.daemons.start("slurmctld", "-D")
        self.daemons.until("slurmctld", lambda: succeeds("scontrol", "ping"))
        for node in self.nodes:
            self.start_node(node)
        self.daemons.until("nodes", self.all_up)

    def start_node(self, node: str) -> None:
        """Start a node, for the first time or again."""
        self.daemons.start(node, "-D", "-N", node, program="slurmd")

    def kill_node(self, node: str) -> None:
        """End a node without warning, with everything that runs on it."""
        self.daemons.kill(node)
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
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={free_port()} "
            f"CPUs={CPUS} RealMemory={MEMORY_MB} {'Gres=gpu:1 ' * (node in self.cards)}"
            "State=UNKNOWN"
            for node in self.nodes
        )
        # a cluster without cards knows no such resource
        known = "GresTypes=gpu" if self.cards else "# no cards"
        accounts = self.accounts and self.accounts.lines()
        return f"""{MARK}
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={free_port()}
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
{accounts or "AccountingStorageType=accounting_storage/none"}
{known}
ReturnToService=2
SlurmdTimeout=15
KillWait=3
MinJobAge=300
JobRequeue=0
PropagateResourceLimits=NONE
{nodes}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE DefMemPerCPU=500 State=UP
"""

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

    def all_up(self) -> bool:
        """Say whether every node can be given jobs."""
        done = subprocess.run(["sinfo", "-h", "-N", "-o", "%t"], capture_output=True, text=True)
        states = done.stdout.split()
        return len(states) == len(self.nodes) and set(states) <= {"idle", "mix", "alloc"}
