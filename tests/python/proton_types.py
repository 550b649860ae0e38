"""AMQP 1.0 with python-qpid-proton: sends a value of each type, or looks whether they came."""

import urllib.parse

from proton import (UNDESCRIBED, Array, Data, Described, Message, byte, char, decimal32, decimal64,
                    decimal128, float32, int32, short, symbol, timestamp, ubyte, uint, ulong,
                    ushort)

from proton_peer import ANNOTATIONS, APPLICATION, DATA, VALUE, Peer, encoded, section, value_of
from scenario import expect, expect_equal
from type_table import main

SENT_BY = "python-qpid-proton"
KINDS = {
    "ubyte": ubyte, "ushort": ushort, "uint": uint, "ulong": ulong, "byte": byte, "short": short,
    "int": int32, "float": float32, "char": char, "timestamp": timestamp, "symbol": symbol,
    "decimal128": decimal128,
    "decimal32": lambda octets: decimal32(int.from_bytes(octets, "big")),
    "decimal64": lambda octets: decimal64(int.from_bytes(octets, "big")),
}
MADE = {
    "list-empty": [], "list": [int32(1), "a", None, True], "map-empty": {},
    "map": {"a": ulong(7), "b": "c"}, "array-int": Array(UNDESCRIBED, Data.INT, 1, 2, -3),
    "array-string": Array(UNDESCRIBED, Data.STRING, "a", "bc"),
    "described": Described(symbol("tubepost:described"), "v"),
    "nested": ["a", {"k": [None, True, "b"]}, [[]]],
}


def value(row):
    """As proton has it."""
    if row.name in MADE:
        return MADE[row.name]
    return KINDS.get(row.type, lambda plain: plain)(row.plain)


class Bus:
    """What a peer needs of a scenario's bus."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname, parts.port
        self.user, self.password = parts.username, parts.password
        self.connections = []


def send(url, address, rows):
    """Each as the body, an annotation, and, if it is simple, an application property."""
    peer = Peer(Bus(url))
    link = peer.sender(address)
    for row in rows:
        message = Message(body=value(row), subject=row.name, inferred=False)
        message.group_id = SENT_BY
        message.annotations = {symbol("x-opt-v"): value(row)}
        message.properties = {"v": value(row)} if row.is_simple else None
        peer.send(link, message)
    peer.close()


def check(url, address, rows):
    """Each has to be the same value of the same type, and so the same octets."""
    peer = Peer(Bus(url))
    received = peer.take(peer.receiver(address, credit=len(rows)), len(rows))
    for row, came in zip(rows, received):
        sections = came.sections
        expect_equal(came.message.subject, row.name, "subject")
        expected = encoded(value(row))
        # There are peers that have no types for bodies; and proton sends none for a null.
        if DATA not in sections:
            body = encoded(value_of(sections[VALUE]) if VALUE in sections else None)
            expect_equal(body.hex(), expected.hex(), f"{row.name} as a body")
        annotation = value_of(sections[ANNOTATIONS])[symbol("x-opt-v")]
        expect_equal(encoded(annotation).hex(), expected.hex(), f"{row.name} as an annotation")
        # Proton for C++ has no null among its properties.
        if row.is_simple and (row.type != "null" or APPLICATION in sections):
            found = value_of(sections[APPLICATION])
            expect("v" in found, f"{row.name} as an application property: {found}")
            found = encoded(found["v"])
            expect_equal(found.hex(), expected.hex(), f"{row.name} as an application property")
        # What proton has written itself comes bit for bit.
        if came.message.group_id == SENT_BY and row.type != "null":
            expect_equal(sections[VALUE], section(VALUE, value(row)), f"{row.name}, bit for bit")
    peer.close()


if __name__ == "__main__":
    main(send, check)
