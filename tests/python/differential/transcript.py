"""What one broker answered to one script.

Replies are kept by lane: what comes in order on one channel (replies to methods; deliveries;
confirms and returns). Between lanes the brokers owe no order. Names that a server makes up are
replaced by their number, in the order in which they are first seen.
"""

import contextlib
import re

MADE_UP = [
    (re.compile(r"amq\.gen-[\w-]+"), "generated queue"),
    (re.compile(r"amq\.ctag-[\w-]+"), "generated tag"),
    (re.compile(r"amq\.rabbitmq\.reply-to\.[\w./=+-]+"), "reply address"),
]


class Block:
    """A part of a script in which the brokers differ, as docs/differences.md says."""

    def __init__(self, name, rabbitmq, tubepost):
        self.name = name
        self.expected = {"rabbitmq": rabbitmq, "tubepost": tubepost}
        self.lines = []


class Transcript:
    """Filled by the sessions of a script."""

    def __init__(self, broker):
        self.broker = broker
        self.lanes = {}
        self.blocks = []
        self.block = None
        self.made_up = {}
        self.forgiven = {}  # Name of a difference to what only one of the brokers says.
        self.found = {}  # Name of a difference to how often it was found.

    def write(self, lane, line):
        """Appends a line to a lane, or to the block that is open."""
        for pattern, noun in MADE_UP:
            line = pattern.sub(lambda found, noun=noun: self.number(found.group(), noun), line)
        for name, pattern in self.forgiven.items():
            line, count = pattern.subn("", line)
            self.found[name] += count
        if self.block:
            self.block.lines.append(f"{lane}: {line}")
        else:
            self.lanes.setdefault(lane, []).append(line)

    def number(self, name, noun):
        names = self.made_up.setdefault(noun, {})
        return f"<{noun} {names.setdefault(name, len(names) + 1)}>"

    @contextlib.contextmanager
    def differs(self, name, rabbitmq, tubepost):
        """What is read within differs; of each broker the words are expected."""
        assert self.block is None, "blocks do not nest"
        self.block = Block(name, rabbitmq, tubepost)
        self.blocks.append(self.block)
        try:
            yield
        finally:
            self.block = None

    def adds(self, name, pattern):
        """From here on Tubepost says more than RabbitMQ, and the rest is compared."""
        self.forgiven[name] = re.compile(pattern)
        self.found[name] = 0
