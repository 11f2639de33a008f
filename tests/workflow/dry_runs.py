"""Dry runs without the start of Python: a process that has imported Snakemake forks for each.

What is tested is each time a process of its own that imports brainworth from its own copy, in its
own folder and environment; only installed packages were imported before. A start takes 1.5 s of
processor time otherwise, and dry runs are by far the most that tests start.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path


def dry_run(
    arguments: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess:
    """Run Snakemake in a fork; the same as ``python -m snakemake`` there, with text captured."""
    server = _server()
    request = {"arguments": arguments, "folder": str(folder), "environment": environment}
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    reply = server.stdout.readline()
    assert reply, "the process that forks for dry runs has ended"
    return subprocess.CompletedProcess(["snakemake", *arguments], **json.loads(reply))


@functools.cache
def _server() -> subprocess.Popen:
    """Start the process that forks; it ends when this one does."""
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def stop():
        process.stdin.close()
        process.wait()
        process.stdout.close()

    atexit.register(stop)
    return process


def _serve() -> None:
    """Answer each line of standard input, a request, by a line of standard output."""
    from snakemake import cli

    # imports what Snakemake itself imports late: its plugins, and what reads and checks a workflow
    cli.get_argument_parser()
    for name in ("numpy", "pandas", "pydantic", "smart_open"):
        __import__(name)
    assert "brainworth" not in sys.modules
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = os.fork()
            if pid == 0:
                _become(request, out.fileno(), err.fileno())
                _exit_with(cli.main)
            _, status = os.waitpid(pid, 0)
            reply = {"returncode": os.waitstatus_to_exitcode(status)}
            for name, file in (("stdout", out), ("stderr", err)):
                file.seek(0)
                reply[name] = file.read().decode()
        print(json.dumps(reply), flush=True)


def _become(request: dict, out: int, err: int) -> None:
    """Make a fork what a new process with these arguments, folder and environment would be."""
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    path = request["environment"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [request["folder"], *filter(None, path)]
    sys.argv = ["snakemake", *request["arguments"]]


def _exit_with(main) -> None:
    """End this process, at once, as Python does where `main` is the whole program."""
    code = 1
    try:
        code = main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _serve()
