"""The methods of AMQP 0-9-1 and of RabbitMQ's extensions: written from arguments by name, and read
back. Tables keep the type of each value, which the client libraries forget."""

import struct

from differential.table import decode_table, encode_table

# class.method, their numbers, arguments and types, as RabbitMQ's specification has them.
SPECIFICATION = """
connection.start 10 10 version-major:octet version-minor:octet server-properties:table
    mechanisms:longstr locales:longstr
connection.start-ok 10 11 client-properties:table mechanism:shortstr response:longstr
    locale:shortstr
connection.secure 10 20 challenge:longstr
connection.secure-ok 10 21 response:longstr
connection.tune 10 30 channel-max:short frame-max:long heartbeat:short
connection.tune-ok 10 31 channel-max:short frame-max:long heartbeat:short
connection.open 10 40 virtual-host:shortstr capabilities:shortstr insist:bit
connection.open-ok 10 41 known-hosts:shortstr
connection.close 10 50 reply-code:short reply-text:shortstr class-id:short method-id:short
connection.close-ok 10 51
connection.blocked 10 60 reason:shortstr
connection.unblocked 10 61
connection.update-secret 10 70 new-secret:longstr reason:shortstr
connection.update-secret-ok 10 71
channel.open 20 10 out-of-band:shortstr
channel.open-ok 20 11 channel-id:longstr
channel.flow 20 20 active:bit
channel.flow-ok 20 21 active:bit
channel.close 20 40 reply-code:short reply-text:shortstr class-id:short method-id:short
channel.close-ok 20 41
access.request 30 10 realm:shortstr exclusive:bit passive:bit active:bit write:bit read:bit
access.request-ok 30 11 ticket:short
exchange.declare 40 10 ticket:short exchange:shortstr type:shortstr passive:bit durable:bit
    auto-delete:bit internal:bit nowait:bit arguments:table
exchange.declare-ok 40 11
exchange.delete 40 20 ticket:short exchange:shortstr if-unused:bit nowait:bit
exchange.delete-ok 40 21
exchange.bind 40 30 ticket:short destination:shortstr source:shortstr routing-key:shortstr
    nowait:bit arguments:table
exchange.bind-ok 40 31
exchange.unbind 40 40 ticket:short destination:shortstr source:shortstr routing-key:shortstr
    nowait:bit arguments:table
exchange.unbind-ok 40 51
queue.declare 50 10 ticket:short queue:shortstr passive:bit durable:bit exclusive:bit
    auto-delete:bit nowait:bit arguments:table
queue.declare-ok 50 11 queue:shortstr message-count:long consumer-count:long
queue.bind 50 20 ticket:short queue:shortstr exchange:shortstr routing-key:shortstr nowait:bit
    arguments:table
queue.bind-ok 50 21
queue.purge 50 30 ticket:short queue:shortstr nowait:bit
queue.purge-ok 50 31 message-count:long
queue.delete 50 40 ticket:short queue:shortstr if-unused:bit if-empty:bit nowait:bit
queue.delete-ok 50 41 message-count:long
queue.unbind 50 50 ticket:short queue:shortstr exchange:shortstr routing-key:shortstr
    arguments:table
queue.unbind-ok 50 51
basic.qos 60 10 prefetch-size:long prefetch-count:short global:bit
basic.qos-ok 60 11
basic.consume 60 20 ticket:short queue:shortstr consumer-tag:shortstr no-local:bit no-ack:bit
    exclusive:bit nowait:bit arguments:table
basic.consume-ok 60 21 consumer-tag:shortstr
basic.cancel 60 30 consumer-tag:shortstr nowait:bit
basic.cancel-ok 60 31 consumer-tag:shortstr
basic.publish 60 40 ticket:short exchange:shortstr routing-key:shortstr mandatory:bit
    immediate:bit
basic.return 60 50 reply-code:short reply-text:shortstr exchange:shortstr routing-key:shortstr
basic.deliver 60 60 consumer-tag:shortstr delivery-tag:longlong redelivered:bit
    exchange:shortstr routing-key:shortstr
basic.get 60 70 ticket:short queue:shortstr no-ack:bit
basic.get-ok 60 71 delivery-tag:longlong redelivered:bit exchange:shortstr routing-key:shortstr
    message-count:long
basic.get-empty 60 72 cluster-id:shortstr
basic.ack 60 80 delivery-tag:longlong multiple:bit
basic.reject 60 90 delivery-tag:longlong requeue:bit
basic.recover-async 60 100 requeue:bit
basic.recover 60 110 requeue:bit
basic.recover-ok 60 111
basic.nack 60 120 delivery-tag:longlong multiple:bit requeue:bit
tx.select 90 10
tx.select-ok 90 11
tx.commit 90 20
tx.commit-ok 90 21
tx.rollback 90 30
tx.rollback-ok 90 31
confirm.select 85 10 nowait:bit
confirm.select-ok 85 11
"""

# The properties of a message, in the order of their flags. §4.2.6.1
PROPERTIES = """
content-type:shortstr content-encoding:shortstr headers:table delivery-mode:octet priority:octet
correlation-id:shortstr reply-to:shortstr expiration:shortstr message-id:shortstr
timestamp:timestamp type:shortstr user-id:shortstr app-id:shortstr cluster-id:shortstr
"""

SHAPES = {"octet": ">B", "short": ">H", "long": ">I", "longlong": ">Q", "timestamp": ">Q"}


def _read_specification():
    lines = []
    for line in SPECIFICATION.strip().splitlines():
        if line.startswith(" "):
            lines[-1] += line
        else:
            lines.append(line)
    methods = {}
    for line in lines:
        name, class_id, method_id, *arguments = line.split()
        methods[name] = (int(class_id), int(method_id), [word.split(":") for word in arguments])
    return methods


METHODS = _read_specification()
NAMES = {(class_id, method_id): name for name, (class_id, method_id, _) in METHODS.items()}
BASIC_PROPERTIES = [word.split(":") for word in PROPERTIES.split()]


def encode_value(kind, value):
    """One argument that is no bit; None is nothing, zero or empty."""
    if kind in SHAPES:
        return struct.pack(SHAPES[kind], value or 0)
    if kind == "table":
        return encode_table(value or {})
    data = value.encode() if isinstance(value, str) else (value or b"")
    return struct.pack(">B" if kind == "shortstr" else ">I", len(data)) + data


def encode_method(name, arguments):
    """The payload of a method frame. Arguments that are not named are zero, empty or false."""
    class_id, method_id, fields = METHODS[name]
    unknown = set(arguments) - {field.replace("-", "_") for field, _ in fields}
    if unknown:
        raise TypeError(f"{name} has no {sorted(unknown)}")
    data, bits, count = struct.pack(">HH", class_id, method_id), 0, 0
    for field, kind in fields:
        value = arguments.get(field.replace("-", "_"))
        if kind == "bit":
            bits |= bool(value) << count
            count += 1
            continue
        if count:
            data, bits, count = data + bytes([bits]), 0, 0
        data += encode_value(kind, value)
    return data + (bytes([bits]) if count else b"")


def decode_value(kind, data, at):
    """One argument that is no bit, and where the next begins."""
    if kind in SHAPES:
        return struct.unpack_from(SHAPES[kind], data, at)[0], at + struct.calcsize(SHAPES[kind])
    if kind == "table":
        return decode_table(data, at)
    shape = ">B" if kind == "shortstr" else ">I"
    begin = at + struct.calcsize(shape)
    end = begin + struct.unpack_from(shape, data, at)[0]
    return data[begin:end].decode("utf-8", "backslashreplace"), end


def decode_method(payload):
    """The name and the arguments of a method frame; all of it must be read."""
    name = NAMES[struct.unpack_from(">HH", payload)]
    arguments, at, bits = {}, 4, None
    for field, kind in METHODS[name][2]:
        if kind == "bit":
            if bits is None:
                bits, at = (payload[at], 0), at + 1
            arguments[field] = bool(bits[0] >> bits[1] & 1)
            bits = (bits[0], bits[1] + 1)
            continue
        bits = None
        arguments[field], at = decode_value(kind, payload, at)
    if at != len(payload):
        raise ValueError(f"{name} has {len(payload) - at} octets too many")
    return name, arguments


def encode_header(body_size, properties):
    """The payload of a content header frame."""
    unknown = set(properties) - {name.replace("-", "_") for name, _ in BASIC_PROPERTIES}
    if unknown:
        raise TypeError(f"a message has no {sorted(unknown)}")
    flags, data = 0, b""
    for place, (name, kind) in enumerate(BASIC_PROPERTIES):
        value = properties.get(name.replace("-", "_"))
        if value is not None:
            flags |= 1 << (15 - place)
            data += encode_value(kind, value)
    return struct.pack(">HHQH", 60, 0, body_size, flags) + data


def decode_header(payload):
    """The size of the body and the properties."""
    class_id, weight, size, flags = struct.unpack_from(">HHQH", payload)
    if (class_id, weight) != (60, 0):
        raise ValueError(f"a content header of class {class_id}, weight {weight}")
    properties, at = {}, 14
    for place, (name, kind) in enumerate(BASIC_PROPERTIES):
        if flags >> (15 - place) & 1:
            properties[name], at = decode_value(kind, payload, at)
    return size, properties
