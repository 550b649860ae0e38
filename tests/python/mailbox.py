"""An SMTP server that keeps what it takes: one JSON line on standard output for each mail.

The first line is {"listening": PORT}. With --user and --password it takes mail only after login.
"""

import argparse
import email
import email.policy
import json
import signal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult


def say(value):
    """One line, at once."""
    print(json.dumps(value), flush=True)


class Keeper:
    """Takes every mail."""

    async def handle_DATA(self, _server, _session, envelope):  # aiosmtpd names it so.
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        plain = message.get_body(preferencelist=("plain",))
        say({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": [[name, str(value)] for name, value in message.items()],
            "text": plain.get_content() if plain is not None else "",
        })
        return "250 kept"


class Loopback(Controller):
    """aiosmtpd's controller, whose server may ask for a login."""

    def __init__(self, options):
        self.login = options
        super().__init__(Keeper(), hostname="127.0.0.1", port=options.port)

    def factory(self):
        if not self.login.user:
            return SMTP(self.handler)
        wanted = (self.login.user.encode(), self.login.password.encode())

        def check(_server, _session, _envelope, _mechanism, data):
            return AuthResult(success=(data.login, data.password) == wanted)

        return SMTP(self.handler, authenticator=check, auth_required=True,
                    auth_require_tls=False)


def main():
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    options = parser.parse_args()
    # Blocked before the server's thread starts, so that it is this thread that hears it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    controller = Loopback(options)
    controller.start()
    say({"listening": options.port})
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    controller.stop()


if __name__ == "__main__":
    main()
