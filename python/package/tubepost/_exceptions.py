"""What can go wrong. Each says in its text what, where, and the mend."""


class Error(Exception):
    """Any error of Tubepost."""


class InvalidEvent(Error, ValueError):
    """It is no event: its topic is none, its body is no JSON object, or does not fit its schema."""


class NotKept(Error):
    """Neither agent nor spool took the event: one is full, or may not be written.

    The agent's own schemas may refuse a body, too.
    """


class ConfigurationError(Error):
    """A variable or the configuration file holds no value."""


class BusError(Error):
    """The bus refused something, or cannot be used."""
