"""The values of `tests/data/amqp_types.tsv`, and the command line of the scripts that send them or
look whether they came as they are.

usage: SCRIPT send|check URL ADDRESS [--without NAME,NAME…]
"""

import argparse
import pathlib
import struct
import sys
import uuid

TABLE = pathlib.Path(__file__).resolve().parents[1] / "data/amqp_types.tsv"


class Row:
    """A value: its name, its type, and what it is in Python."""

    def __init__(self, line):
        self.name, self.type, self.text = line.split("\t")

    @property
    def octets(self):
        """What is written in hexadecimal."""
        text, _, times = self.text.partition("*")
        return bytes.fromhex(text) * int(times or 1)

    @property
    def is_simple(self):
        """Whether it may be an application property (AMQP 1.0 §3.2.5)."""
        return self.text != "-" or self.type == "null"

    @property
    def plain(self):
        """The value, if it has no elements."""
        if self.type == "null":
            return None
        if self.type == "boolean":
            return self.text == "true"
        if self.type in ("string", "symbol"):
            return self.octets.decode()
        if self.type == "uuid":
            return uuid.UUID(bytes=self.octets)
        if self.type == "char":
            return chr(int(self.text, 16))
        if self.type == "float":
            return struct.unpack(">f", self.octets)[0]
        if self.type == "double":
            return struct.unpack(">d", self.octets)[0]
        if self.type == "binary" or self.type.startswith("decimal"):
            return self.octets
        return int(self.text)


def main(send, check):
    """Runs `send(url, address, rows)` or `check(url, address, rows)`."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("verb", choices=["send", "check"])
    parser.add_argument("url")
    parser.add_argument("address")
    parser.add_argument("--without", default="")
    options = parser.parse_args()
    without = options.without.split(",")
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = [Row(line) for line in lines if not line.startswith("#")]
    rows = [row for row in rows if row.name not in without]
    {"send": send, "check": check}[options.verb](options.url, options.address, rows)
    print(f"{options.verb}: {len(rows)} values")
