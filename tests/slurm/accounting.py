"""Accounts of jobs: slurmdbd and its database, from which `sacct` answers.

The database is reached through a socket in the folder only. slurmdbd alone reads slurmdbd.conf, so
that stays in the folder as well.
"""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from daemons import Daemons, free_port

PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db", "sacct", "sacctmgr")
#: The only account there is.
ACCOUNT = "lab"
NAMES = ("slurmdbd", "mariadbd")


@dataclass
class Accounting:
    """The two daemons of one cluster's accounts."""

    folder: Path
    daemons: Daemons
    munge_socket: Path
    port: int = field(default_factory=free_port)

    def start(self) -> None:
        """Start both, on an empty database; slurm.conf has to be there, slurmctld not yet."""
        data, database = self.folder / "data", self.folder / "database.socket"
        # mariadbd refuses to be root's unless told so
        given = ("--no-defaults", "--user=root", f"--datadir={data}")
        made = subprocess.run(
            ["mariadb-install-db", *given, "--auth-root-authentication-method=normal"],
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise RuntimeError(f"no database was made\n{made.stdout}\n{made.stderr}")
        self.daemons.start(
            "mariadbd",
            *given,
            f"--socket={database}",
            f"--pid-file={self.folder}/mariadbd.pid",
            "--skip-networking",
            "--skip-log-bin",
            "--innodb-buffer-pool-size=64M",
            # as slurmdbd recommends
            "--innodb-lock-wait-timeout=900",
        )
        self.daemons.until("mariadbd", lambda: _answers(database))
        conf = self.folder / "slurmdbd.conf"
        conf.write_text(self._configuration())
        conf.chmod(0o600)
        self.daemons.start(
            "slurmdbd",
            "-D",
            environment={
                # in whose folder it looks for slurmdbd.conf
                "SLURM_CONF": str(self.folder / "slurm.conf"),
                "MYSQL_UNIX_PORT": str(database),
            },
        )
        self.daemons.until("slurmdbd", lambda: _manage("list", "cluster"), 60)
        # or slurmctld, which is to say what it accounts for, ends at once
        for added in (
            ("cluster", "loopback"),
            ("account", ACCOUNT),
            ("user", "root", f"DefaultAccount={ACCOUNT}", "AdminLevel=Admin"),
        ):
            if not _manage("add", *added):
                raise RuntimeError(f"sacctmgr did not add {' '.join(added)}")

    def end(self) -> None:
        """End both, in the order in which they need each other."""
        for name in NAMES:
            self.daemons.end(name)

    def lines(self) -> str:
        """Return what slurm.conf says of the accounts."""
        return f"""AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={self.port}
AccountingStoragePass={self.munge_socket}
AccountingStorageTRES=gres/gpu"""

    def _configuration(self) -> str:
        return f"""CommunicationParameters=NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={self.munge_socket}
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={self.port}
SlurmUser=root
LogFile={self.daemons.logs}/slurmdbd.log
PidFile={self.folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=accounts
CommitDelay=0
"""


def _answers(database: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(database)) == 0


def _manage(*words: str) -> bool:
    done = subprocess.run(["sacctmgr", "--immediate", "--noheader", *words], capture_output=True)
    return done.returncode == 0
