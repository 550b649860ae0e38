#!/usr/bin/env python3
"""Makes the directories beside it from docs/storage.md, without the crate that they test.

    python3 make.py

They are committed, and are never made again for a format that was released: a later format gets a
directory of its own, and these go on to be read.
"""

import pathlib
import struct

HERE = pathlib.Path(__file__).parent
FIRST = 0x01020304
FIRST_OF_COMMIT = 1


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def checked(head: bytes) -> bytes:
    return head + struct.pack("<I", crc32c(head))


def segment_header(segment, first_sequence, previous=(0, 0, 0), version=1) -> bytes:
    return checked(
        b"TPJSEGMT"
        + struct.pack("<IIQQQIIQI", version, 0, segment, first_sequence, *previous, FIRST, 0)
    )


def record(segment, sequence, kind, payload: bytes, flags=0) -> bytes:
    crc = crc32c(payload) if payload else 0
    head = b"TPJ1" + struct.pack("<BBHIIQI", kind, flags, 0, len(payload), segment, sequence, crc)
    whole = checked(head) + payload
    return whole + bytes(-len(whole) % 8)


def reclaimed(holes) -> bytes:
    listed = b"".join(struct.pack("<IIIIQ", *hole) for hole in holes)
    head = b"TPJRECLM" + struct.pack("<IIQ32xI", 1, len(holes), FIRST, crc32c(listed))
    return checked(head) + listed


def write(directory, name, data: bytes, size=0):
    path = HERE / "format-1" / directory
    path.mkdir(parents=True, exist_ok=True)
    (path / name).write_bytes(data.ljust(size, b"\0"))


def clean():
    """Three segments, of which the second was deleted."""
    first = record(1, FIRST, 1, b"hello", FIRST_OF_COMMIT) + record(1, FIRST + 1, 2, b"")
    write("clean", f"{1:020}.log", segment_header(1, FIRST) + first, 512)
    end = 64 + len(first)
    second = 64 + len(record(2, FIRST + 2, 3, b"A" * 400))
    third = record(3, FIRST + 3, 1, b"after", FIRST_OF_COMMIT)
    header = segment_header(3, FIRST + 3, (2, second, second))
    write("clean", f"{3:020}.log", header + third, 512)
    write("clean", "reclaimed", reclaimed([(1, end, end, 2, FIRST + 2)]))


def crashed():
    """The last commit is there in part, behind it half a header, and a segment was begun."""
    first = record(1, FIRST, 1, b"w" * 800, FIRST_OF_COMMIT)
    write("crashed", f"{1:020}.log", segment_header(1, FIRST) + first, 1024)
    end = 64 + len(first)
    second = segment_header(2, FIRST + 1, (1, end, end))
    second += record(2, FIRST + 1, 1, b"s" * 300, FIRST_OF_COMMIT)
    second += record(2, FIRST + 2, 1, b"torn?", FIRST_OF_COMMIT)
    second += bytes(len(record(2, FIRST + 3, 1, b"l" * 100)))
    second += record(2, FIRST + 4, 1, b"there")
    second += record(2, FIRST + 5, 1, b"m" * 100)[:20]
    write("crashed", f"{2:020}.log", second, 1024)
    write("crashed", f"{3:020}.new", b"\xaa" * 64, 1024)


clean()
crashed()
