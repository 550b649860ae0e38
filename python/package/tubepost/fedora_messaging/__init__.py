"""fedora-messaging's `api.publish`, by Tubepost: it waits for no bus, and loses nothing.

    from tubepost.fedora_messaging import api

in place of `from fedora_messaging import api`. Messages, their schemas and everything else of
fedora-messaging stay as they are.
"""
