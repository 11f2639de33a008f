"""Reading MATLAB files that may be damaged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import scipy.io


def load(path: Path) -> dict[str, Any]:
    """Read a MATLAB file (up to version 7).

    SciPy's reader can crash the whole process on a damaged file, so another process tries first.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read; the message is the reader's own.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    program = "import sys, scipy.io; scipy.io.loadmat(sys.argv[1])"
    trial = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
    if trial.returncode != 0:
        raise ValueError(trial.stderr.strip().rpartition("\n")[2] or "the reader crashed")
    return scipy.io.loadmat(path)
