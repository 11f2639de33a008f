"""Reading a few voxels of the session files in the bucket, by byte ranges.

A session file is about 1 GB; the voxels of visual regions are a few percent of it. In NSD's files
one chunk is one voxel's 750 trials, uncompressed, so a voxel is one run of 1500 bytes whose place
the file's index tells.

    cost       what a request costs against a byte; the estimate for a plan
    spans      merging neighbouring byte ranges into requests
    transport  range requests on many connections, checked
    hdf5       from the first bytes of a file to its chunk index
    btree      from the chunk index to the addresses of voxels
    other      files of any other layout, through h5py
    journal    what has arrived, kept on disk
    session    one session file: all of the above
    subject    all sessions of a subject, with a progress bar
"""

from brainworth.nsd.ranges.cost import Estimate, estimate

__all__ = ["Estimate", "estimate"]
