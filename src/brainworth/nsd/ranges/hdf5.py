"""From the first bytes of an HDF5 file to the chunk index of one of its datasets.

Knows the structures that NSD's files are made of (HDF5 File Format Specification, version 3:
superblock 0 and 1, symbol-table groups, version-1 object headers, layout 3), so that a file can
be searched in a few requests. A file made of anything else is `OtherLayout`, for h5py to read; one
whose structures contradict each other is `Damaged`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SIGNATURE = b"\x89HDF\r\n\x1a\n"
UNDEFINED = 2**64 - 1
SMALLEST_ADDRESS = 96  # the superblock ends there
MOST_STRUCTURES = 1000  # groups and headers larger than this are not NSD's
ORDER_OF_VERSION_0 = 32

_DATASPACE, _DATATYPE, _LAYOUT, _FILTERS = 0x0001, 0x0003, 0x0008, 0x000B
_CONTINUATION, _SYMBOL_TABLE = 0x0010, 0x0011
_EXTERNAL_FILES = 0x0007


class OtherLayout(Exception):
    """The file is HDF5 of another make; the message says of which."""


class Damaged(Exception):
    """The file contradicts itself; the message says where."""


@dataclass(frozen=True)
class Chunked:
    """An uncompressed, chunked dataset of int16 with a version-1 chunk index.

    Attributes
    ----------
    shape, chunks : tuple of int
        Of the dataset, and of a chunk.
    root : int
        Address of the root of the chunk index.
    node_entries : int
        Entries of a node of the index at most.
    end : int
        Bytes of the file, by its own account.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    root: int
    node_entries: int
    end: int


class Source:
    """Bytes of the file, by address.

    Parameters
    ----------
    read : callable
        Takes start and stop, returns these bytes.
    size : int
        Bytes of the file.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int):
        self._read = read
        self.size = size
        self.end = size
        self._count = 0

    def take(self, address: int, length: int, what: str) -> bytes:
        """Return `length` bytes, or raise `Damaged` if they do not lie in the file."""
        self._count += 1
        if self._count > MOST_STRUCTURES:
            raise Damaged(f"its structures lead in circles (at {what}, byte {address})")
        if not 0 <= address <= address + length <= self.end:
            raise Damaged(f"{what} lies outside the file (byte {address})")
        return self._read(address, address + length)


def find_dataset(source: Source, name: str) -> Chunked:
    """Find a dataset of the root group.

    Raises
    ------
    OtherLayout
        If the file or the dataset is not of the kind described above, or has no such dataset.
    Damaged
        If a signature, size, address or count is impossible.
    """
    head = source.take(0, min(SMALLEST_ADDRESS + 8, source.size), "the superblock")
    if head[:8] != SIGNATURE:
        raise OtherLayout("does not begin with an HDF5 signature")
    version = head[8]
    if version > 1:
        raise OtherLayout(f"superblock version {version}")
    if (head[13], head[14]) != (8, 8):
        raise OtherLayout(f"addresses of {head[13]} and lengths of {head[14]} bytes")
    at, order = (24, ORDER_OF_VERSION_0) if version == 0 else (28, _unpack("<H", head, 24)[0])
    base, _, end, _ = _unpack("<4Q", head, at)
    if base != 0:
        raise OtherLayout(f"base address {base}")
    if not SMALLEST_ADDRESS <= end <= source.size:
        raise Damaged(
            f"the file should have {end} bytes by its superblock, but the object has {source.size}"
        )
    if not 1 <= order <= 2**15 - 1:
        raise Damaged(f"nodes of the chunk index of order {order}")
    source.end = end
    _, root_header = _unpack("<2Q", head, at + 32)
    group = dict(_messages(source, root_header, "the root group"))
    if _SYMBOL_TABLE not in group:
        raise OtherLayout("a root group without a symbol table")
    tree, heap = _unpack("<2Q", group[_SYMBOL_TABLE], 0)
    header = _search(source, tree, heap, name)
    return _dataset(source, header, name, 2 * order, end)


def _dataset(source: Source, address: int, name: str, node_entries: int, end: int) -> Chunked:
    found = dict(_messages(source, address, f"dataset {name}"))
    missing = {_DATASPACE, _DATATYPE, _LAYOUT} - set(found)
    if missing:
        raise OtherLayout(f"{name} is no dataset (no message {min(missing)})")
    if _FILTERS in found and found[_FILTERS][1:2] != b"\0":
        raise OtherLayout(f"{name} is compressed or filtered")
    if _EXTERNAL_FILES in found:
        raise OtherLayout(f"{name} keeps its values in other files")
    shape = _shape(found[_DATASPACE], name)
    kind = found[_DATATYPE]
    class_and_version, bits, size = _unpack("<BB2xI", kind, 0)
    offset, precision = _unpack("<2H", kind, 8) if class_and_version & 15 == 0 else (0, 0)
    if (class_and_version & 15, bits & 9, size, offset, precision) != (0, 8, 2, 0, 16):
        raise OtherLayout(f"{name} is not little-endian int16")
    layout = found[_LAYOUT]
    version, storage = _unpack("<2B", layout, 0)
    if (version, storage) != (3, 2):
        raise OtherLayout(f"{name} is stored in another way (layout {version}, class {storage})")
    (dimensions,) = _unpack("<B", layout, 2)
    if dimensions != len(shape) + 1:
        raise Damaged(f"{name} has {len(shape)} dimensions and chunks of {dimensions - 1}")
    root, *chunks = _unpack(f"<Q{dimensions}I", layout, 3)
    if chunks[-1] != 2 or min(chunks) < 1:
        raise Damaged(f"{name} has chunks of shape {tuple(chunks)}")
    if root == UNDEFINED:
        raise OtherLayout(f"{name} holds no chunk")
    return Chunked(shape, tuple(chunks[:-1]), root, node_entries, end)


def _shape(message: bytes, name: str) -> tuple[int, ...]:
    version, rank, _, _ = _unpack("<4B", message, 0)
    if version not in (1, 2):
        raise OtherLayout(f"{name} has a dataspace of version {version}")
    return _unpack(f"<{rank}Q", message, 8 if version == 1 else 4)


def _messages(source: Source, address: int, what: str) -> Iterator[tuple[int, bytes]]:
    """Yield type and contents of the messages of a version-1 object header."""
    head = source.take(address, 16, f"the header of {what}")
    if head[:4] == b"OHDR":
        raise OtherLayout(f"{what} has a header of version 2")
    version, count, size = _unpack("<BxH4xI", head, 0)
    if version != 1:
        raise Damaged(f"the header of {what} has version {version}")
    blocks = [(address + 16, size)]
    while blocks and count:
        start, size = blocks.pop(0)
        block = source.take(start, size, f"the header of {what}")
        at = 0
        while count and at + 8 <= size:
            kind, length, flags = _unpack("<2HB", block, at)
            body = block[at + 8 : at + 8 + length]
            if len(body) < length:
                raise Damaged(f"a message of {what} is longer than its header")
            at += 8 + length
            count -= 1
            if kind == _CONTINUATION:
                blocks.append(_unpack("<2Q", body, 0))
                continue
            if flags & 2:
                raise OtherLayout(f"{what} shares message {kind}")
            yield kind, body


def _search(source: Source, tree: int, heap: int, name: str) -> int:
    """Return the address of the object header of a member of a group."""
    head = source.take(heap, 32, "the names of the root group")
    if head[:5] != b"HEAP\0":
        raise Damaged("the names of the root group do not begin with HEAP")
    length, _, address = _unpack("<3Q", head, 8)
    names = source.take(address, length, "the names of the root group")
    waiting = [tree]
    while waiting:
        at = waiting.pop()
        head = source.take(at, 8, "the root group")
        if head[:4] == b"SNOD":
            (count,) = _unpack("<H", head, 6)
            entries = source.take(at + 8, 40 * count, "the root group")
            for place in range(0, 40 * count, 40):
                offset, header, kind = _unpack("<2QI", entries, place)
                if names[offset:].split(b"\0", 1)[0] == name.encode():
                    if kind == 2:
                        raise OtherLayout(f"{name} is a symbolic link")
                    return header
        elif head[:5] == b"TREE\0":
            (count,) = _unpack("<H", head, 6)
            entries = source.take(at + 24, 8 + 16 * count, "the root group")
            waiting += [_unpack("<Q", entries, 8 + 16 * i)[0] for i in range(count)]
        else:
            raise Damaged(f"a node of the root group has no signature (byte {at})")
    raise OtherLayout(f"there is no dataset /{name}")


def _unpack(form: str, content: bytes, at: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(form, content, at)
    except struct.error:
        raise Damaged("a structure is shorter than what it should hold") from None
