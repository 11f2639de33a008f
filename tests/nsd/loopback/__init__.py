"""An S3 service on 127.0.0.1, with latency, bandwidth, TLS and faults as a test wishes.

    with loopback.running() as server:                       # in this process
        server.add("nsddata/a.bin", b"...", part_size=5 * 2**20)
        server.inject(faults.cut_after(1000), key="*.bin", covers=2**20)
        ...
    with loopback.in_process(folder, latency_s=0.03, bytes_per_s=50e6) as url:
        ...                                                  # in a process of its own

Threads and sendfile, over files or bytes: fast enough not to be what a benchmark measures.
"""

from loopback import faults
from loopback.process import in_process
from loopback.server import BUCKET, Server, running

__all__ = ["BUCKET", "Server", "faults", "in_process", "running"]
