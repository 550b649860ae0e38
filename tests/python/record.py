"""A fedora-messaging callback: writes each message it gets as one line in fedora-messaging's dump
format to standard output, with what fedora-messaging itself says of it."""

import json

from fedora_messaging.message import dumps


def record(message):
    """Called by `fedora-messaging consume` for each message, after it has validated it."""
    dumped = json.loads(dumps(message))
    dumped["summary"] = message.summary
    print("recorded " + json.dumps(dumped), flush=True)
