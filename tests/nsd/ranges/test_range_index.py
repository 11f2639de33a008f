"""The chunk index, held against h5py, whole and damaged."""

from __future__ import annotations

import struct

import h5py
import numpy as np
import pytest
from conftest import KEY, SHAPE, choose, draw, nodes_of, pick, write

from brainworth.errors import BrainworthError
from brainworth.nsd.ranges import btree, hdf5


def find(content, table):
    """Return the addresses that the index of a file gives, and the number of rounds."""
    rounds = []

    def read(places, length):
        rounds.append(len(places))
        return np.stack([np.frombuffer(content[at : at + length], np.uint8) for at in places])

    index = hdf5.find_dataset(hdf5.Source(lambda a, b: content[a:b], len(content)), "betas")
    return btree.addresses(index, table.ijk, read), rounds


def by_h5py(path, table):
    with h5py.File(path) as file:
        info = file["betas"].id.get_chunk_info_by_coord
        return [info((0, int(z), int(y), int(x))).byte_offset for x, y, z in table.ijk]


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 2), (9, 8, 7), (20, 17, 13)])
@pytest.mark.parametrize("shuffled", [False, True])
def test_addresses_are_those_of_h5py(shape, shuffled, tmp_path):
    n = int(np.prod(shape))
    order = np.random.default_rng(3).permutation(n) if shuffled else None
    content = write(tmp_path / "betas.hdf5", np.zeros((750, *shape[::-1]), np.int16), order)
    for wanted in {1, max(1, n // 20), n}:
        table = choose(shape, wanted, 4)
        found, rounds = find(content, table)
        assert found.tolist() == by_h5py(tmp_path / "betas.hdf5", table)
        assert len(rounds) <= 3
        assert rounds[0] == 1


def test_voxels_come_in_the_order_asked_for(tmp_path, example):
    backwards = type(example.table)(example.table.ijk[::-1], {}, SHAPE)
    forwards, _ = find(example.content, example.table)
    assert find(example.content, backwards)[0].tolist() == forwards[::-1].tolist()


def test_only_nodes_towards_the_voxels_are_read(example):
    one = type(example.table)(example.table.ijk[:1], {}, SHAPE)
    assert find(example.content, one)[1] == [1, 1]


def with_superblock_1(content):
    """Rewrite a file's superblock as version 1, which is longer: the root group's header moves."""
    _, _, end, driver = struct.unpack_from("<4Q", content, 24)
    name, header, *rest = struct.unpack_from("<QQII16s", content, 56)
    size = 16 + struct.unpack_from("<I", content, header + 8)[0]
    start = bytearray(content[:24])
    start[8] = 1
    undefined = 2**64 - 1
    start += struct.pack("<HH4Q", 32, 0, 0, undefined, end + size, driver)
    start += struct.pack("<QQII16s", name, end, *rest)
    return bytes(start) + content[len(start) : end] + content[header : header + size]


def test_superblock_of_version_1(tmp_path):
    path = tmp_path / "betas.hdf5"
    path.write_bytes(with_superblock_1(write(path, draw((6, 5, 4), 1))))
    assert path.read_bytes()[8] == 1
    table = choose((6, 5, 4), 40, 1)
    assert find(path.read_bytes(), table)[0].tolist() == by_h5py(path, table)


def test_dataset_is_found_among_others(tmp_path):
    path = tmp_path / "betas.hdf5"
    write(path, draw((3, 3, 3), 1))
    with h5py.File(path, "a", libver="earliest") as file:
        for number in range(40):
            file[f"other{number}"] = number
        file["betas"].attrs["note"] = "x" * 3000
    table = choose((3, 3, 3), 9, 1)
    assert find(path.read_bytes(), table)[0].tolist() == by_h5py(path, table)


@pytest.mark.parametrize("libver", ["v108", "v110", "latest"])
def test_newer_files_are_of_another_layout(libver, tmp_path):
    path = tmp_path / "betas.hdf5"
    with h5py.File(path, "w", libver=(libver, libver)) as file:
        file.create_dataset("betas", data=draw((3, 2, 2), 1), chunks=(750, 1, 1, 1))
    with pytest.raises(hdf5.OtherLayout):
        find(path.read_bytes(), choose((3, 2, 2), 2, 1))


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ({"chunks": (750, 1, 1, 1), "compression": "gzip"}, "compressed"),
        ({"chunks": (750, 1, 1, 1), "dtype": ">i2"}, "not little-endian int16"),
        ({"chunks": (750, 1, 1, 1), "dtype": "u2"}, "not little-endian int16"),
        ({"chunks": (750, 1, 1, 1), "dtype": "f4"}, "not little-endian int16"),
        ({"chunks": None}, "stored in another way"),
    ],
)
def test_other_layouts_are_named(layout, said, tmp_path):
    path = tmp_path / "betas.hdf5"
    with h5py.File(path, "w", libver="earliest") as file:
        file.create_dataset("betas", (750, 2, 2, 3), **({"dtype": "i2"} | layout))[:] = 1
    with pytest.raises(hdf5.OtherLayout, match=said):
        find(path.read_bytes(), choose((3, 2, 2), 2, 1))


def test_voxel_without_a_chunk_is_another_layout(tmp_path):
    path = tmp_path / "betas.hdf5"
    content = write(path, draw((3, 3, 3), 1), order=[0, 1, 2, 20, 26])
    with pytest.raises(hdf5.OtherLayout, match="a voxel has no chunk"):
        find(content, choose((3, 3, 3), 27, 1))


def put(content, at, form, *values):
    changed = bytearray(content)
    struct.pack_into(form, changed, at, *values)
    return bytes(changed)


# What is wrong -> how a leaf, a root or the head of the file is changed, and what is said.
HEAD, KEY_SIZE, ENTRY = 24, 48, 56
DAMAGES = {
    "signature of a leaf": (lambda e: put(e.content, e.leaf, "4s", b"TREF"), "no node"),
    "kind of a leaf": (lambda e: put(e.content, e.leaf + 4, "B", 0), "no node"),
    "level of a leaf": (lambda e: put(e.content, e.leaf + 5, "B", 1), "say|follows"),
    "level of the root": (lambda e: put(e.content, e.root, "4sBB", b"TREE", 1, 3), "follows"),
    "no entries": (lambda e: put(e.content, e.leaf + 6, "<H", 0), "entries"),
    "too many entries": (lambda e: put(e.content, e.leaf + 6, "<H", 65), "entries"),
    "chunk outside": (
        lambda e: put(e.content, e.entry + KEY_SIZE, "<Q", len(e.content) - 1499),
        "outside the file",
    ),
    "chunk far outside": (
        lambda e: put(e.content, e.entry + KEY_SIZE, "<Q", 2**63 + 5),
        "outside the file",
    ),
    "chunk in the superblock": (
        lambda e: put(e.content, e.entry + KEY_SIZE, "<Q", 8),
        "outside the file",
    ),
    "two voxels in one chunk": (
        lambda e: put(e.content, e.entry + KEY_SIZE, "<Q", e.other_chunk),
        "overlap",
    ),
    "chunk in a node": (lambda e: put(e.content, e.entry + KEY_SIZE, "<Q", e.leaf), "in a node"),
    "size of a chunk": (lambda e: put(e.content, e.entry, "<I", 1498), "another size"),
    "filter of a chunk": (lambda e: put(e.content, e.entry + 4, "<I", 1), "or a filter"),
    "key between chunks": (lambda e: put(e.content, e.entry + 8, "<Q", 5), "no chunk of"),
    "key beyond the volume": (lambda e: put(e.content, e.entry + 16, "<Q", 99), "no chunk of"),
    "keys that do not ascend": (lambda e: put(e.content, e.entry + 16, "<3Q", 0, 0, 0), "ascend"),
    "keys of another node": (
        lambda e: put(e.content, e.leaf + HEAD, f"{ENTRY * 64 + KEY_SIZE}s", e.first_leaf),
        "not its parent's",
    ),
    "child that is no node": (
        lambda e: put(e.content, e.root + HEAD + 3 * ENTRY + KEY_SIZE, "<Q", e.a_chunk),
        "no node",
    ),
    "child outside": (
        lambda e: put(e.content, e.root + HEAD + 3 * ENTRY + KEY_SIZE, "<Q", len(e.content)),
        "outside the file",
    ),
    "size of the file": (lambda e: put(e.content, 40, "<Q", len(e.content) + 1), "should have"),
    "truncated file": (lambda e: e.content[:-2000], "should have"),
    "group tree": (lambda e: put(e.content, e.content.index(b"TREE"), "4s", b"WOOD"), "signature"),
    "group names": (lambda e: put(e.content, e.content.index(b"HEAP"), "4s", b"HOOP"), "HEAP"),
    "root header": (lambda e: put(e.content, 96, "B", 7), "version 7"),
}


class Places:
    """Places in the example's file that are damaged."""

    def __init__(self, example):
        self.content = example.content
        self.root = int(example.levels[0][0])
        self.leaf = int(example.levels[1][3])
        self.entry = self.leaf + HEAD + 10 * ENTRY  # in the middle of a leaf
        self.other_chunk = int(example.chunks[-1])
        self.a_chunk = int(example.chunks[100])
        first = int(example.levels[1][0]) + HEAD
        self.first_leaf = example.content[first : first + ENTRY * 64 + KEY_SIZE]


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_named_and_never_read(what, example, fetch, server):
    damage, said = DAMAGES[what]
    everything = choose(SHAPE, int(np.prod(SHAPE)), 0)
    server.add(KEY, damage(Places(example)))
    with pytest.raises(BrainworthError, match=said) as caught:
        fetch(everything)
    message = str(caught.value)
    assert message.startswith(f"{KEY} is damaged in s3://natural-scenes-dataset at {server.url}: ")
    assert "\n" not in message
    server.add(KEY, example.content)
    found, _ = fetch(everything)
    assert np.array_equal(found.values, pick(example.values, everything))


def test_structures_that_lead_in_circles_end(example):
    tree = example.content.index(b"TREE")
    looped = put(example.content, tree + HEAD + 8, "<Q", tree)
    with pytest.raises(hdf5.Damaged, match="in circles"):
        nodes_of(looped)
