"""Field tables whose values keep their type: `I 5` is not `l 5`. §4.2.5.5, with RabbitMQ's errata."""

import struct
import time

INTEGERS = {"b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "L": ">q",
            "T": ">Q", "f": ">f", "d": ">d"}
SECONDS_OF_A_RUN = 300


class Typed:
    """A value and the letter of its type."""

    def __init__(self, letter, value):
        self.letter = letter
        self.value = value

    def __repr__(self):
        """As transcripts show it. A time of this very run is no part of what is compared."""
        if self.letter == "T" and abs(self.value - time.time()) < SECONDS_OF_A_RUN:
            return "T now"
        if self.letter == "S":
            return repr(self.value.decode("utf-8", "backslashreplace"))
        if self.letter == "F":
            return show_table(self.value)
        return f"{self.letter} {self.value!r}"


def show_table(table):
    """A table. The order of its keys means nothing, and RabbitMQ's changes on the way."""
    return "{" + ", ".join(f"{key}: {value!r}" for key, value in sorted(table.items())) + "}"


def typed(value):
    """The type that most clients choose for a value."""
    match value:
        case Typed():
            return value
        case bool():
            return Typed("t", value)
        case int():
            return Typed("I" if -2**31 <= value < 2**31 else "l", value)
        case float():
            return Typed("d", value)
        case str():
            return Typed("S", value.encode())
        case bytes():
            return Typed("x", value)
        case None:
            return Typed("V", None)
        case list():
            return Typed("A", [typed(item) for item in value])
        case dict():
            return Typed("F", {key: typed(item) for key, item in value.items()})
    raise TypeError(f"{value!r} has no place in a table")


def encode_value(value):
    """The letter and the value."""
    value = typed(value)
    letter, content = value.letter, value.value
    if letter in INTEGERS:
        data = struct.pack(INTEGERS[letter], content)
    elif letter == "t":
        data = bytes([content])
    elif letter == "V":
        data = b""
    elif letter == "D":
        data = struct.pack(">Bi", *content)
    elif letter == "F":
        data = encode_table(content)
    else:
        if letter == "A":
            content = b"".join(encode_value(item) for item in content)
        data = struct.pack(">I", len(content)) + content
    return letter.encode() + data


def encode_table(table):
    """The length, and each key and value."""
    data = b""
    for key, value in table.items():
        name = key.encode()
        data += bytes([len(name)]) + name + encode_value(value)
    return struct.pack(">I", len(data)) + data


def decode_value(data, at):
    """One value, and where the next begins."""
    letter, at = chr(data[at]), at + 1
    if letter in INTEGERS:
        shape = INTEGERS[letter]
        return Typed(letter, struct.unpack_from(shape, data, at)[0]), at + struct.calcsize(shape)
    if letter == "t":
        return Typed("t", bool(data[at])), at + 1
    if letter == "V":
        return Typed("V", None), at
    if letter == "D":
        return Typed("D", struct.unpack_from(">Bi", data, at)), at + 5
    if letter == "F":
        table, at = decode_table(data, at)
        return Typed("F", table), at
    if letter not in "ASx":
        raise ValueError(f"a value of type {letter!r}")
    begin = at + 4
    end = begin + struct.unpack_from(">I", data, at)[0]
    if letter != "A":
        return Typed(letter, data[begin:end]), end
    items = []
    while begin < end:
        item, begin = decode_value(data, begin)
        items.append(item)
    return Typed("A", items), end


def decode_table(data, at):
    """A table of typed values, and where the next field begins."""
    begin = at + 4
    end = begin + struct.unpack_from(">I", data, at)[0]
    table = {}
    while begin < end:
        length = data[begin]
        key = data[begin + 1:begin + 1 + length].decode("utf-8", "backslashreplace")
        table[key], begin = decode_value(data, begin + 1 + length)
    return table, end
