"""AMQP 1.0 with the client inside azure-servicebus: sends a value of each type, or looks whether
they came."""

from azure.servicebus._pyamqp.message import Message, Properties
from azure.servicebus._pyamqp.types import TYPE, VALUE

from azure_peer import receiver, sender, settle, take
from scenario import expect_equal
from type_table import main

KINDS = {"boolean": "BOOL"}


def typed(kind, value):
    """A value as it is told to send it."""
    return {TYPE: KINDS.get(kind, kind.upper()), VALUE: value}


MADE = {
    "list-empty": [], "list": [typed("int", 1), "a", None, True], "map-empty": {},
    "map": {"a": typed("ulong", 7), "b": "c"},
    "array-int": [typed("int", it) for it in (1, 2, -3)],
    "array-string": [typed("string", it) for it in ("a", "bc")],
    "described": (typed("symbol", b"tubepost:described"), "v"),
    "nested": ["a", {"k": [None, True, "b"]}, [[]]],
}
# As it gives them: texts are octets, and of described values only the value is left.
CAME = {
    "list-empty": [], "list": [1, b"a", None, True], "map-empty": {}, "map": {b"a": 7, b"b": b"c"},
    "array-int": [1, 2, -3], "array-string": [b"a", b"bc"], "described": b"v",
    "nested": [b"a", {b"k": [None, True, b"b"]}, [[]]],
}


def as_it_comes(row):
    """What it gives for a value."""
    if row.name in CAME:
        return CAME[row.name]
    return row.octets if row.type in ("string", "symbol") else row.plain


def send(url, address, rows):
    """Each as an annotation and, if it is simple, as an application property: of a body it knows
    no types."""
    client = sender(url, address)
    for row in rows:
        plain = row.octets if row.type == "symbol" else row.plain if row.is_simple else None
        value = typed(row.type, MADE.get(row.name, plain))
        client.send_message(Message(
            data=[b"body"], properties=Properties(subject=row.name),
            message_annotations={b"x-opt-v": value},
            application_properties={"v": value} if row.is_simple else None), timeout=10)
    client.close()


def check(url, address, rows):
    """Each has to be the same in Python."""
    client = receiver(url, address, link_credit=len(rows))
    for row, delivery in zip(rows, take(client, len(rows))):
        message = delivery[1]
        expect_equal(message.properties.subject, row.name.encode(), "subject")
        expected = as_it_comes(row)
        if not message.data:
            expect_equal(message.value, expected, f"{row.name} as a body")
        expect_equal(message.message_annotations[b"x-opt-v"], expected,
                     f"{row.name} as an annotation")
        if row.is_simple:
            found = (message.application_properties or {}).get(b"v")
            expect_equal(found, expected, f"{row.name} as a property")
        settle(client, delivery, "accepted")
    client.close()


if __name__ == "__main__":
    main(send, check)
