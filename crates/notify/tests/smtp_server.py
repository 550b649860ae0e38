"""A real SMTP server (aiosmtpd) for the tests, with faults on request.

    smtp_server.py [--host H] [--port N] [--mailbox DIR] [--tls none|starttls|implicit]
                   [--cert FILE --key FILE] [--login USER:PASSWORD] [--mechanism PLAIN|LOGIN]
                   [--no-smtputf8] [--faults JSON]

Says what happens on stdout, one JSON object a line:

    {"listening": PORT}
    {"message": {"from": …, "to": […], "data": the message, "tls": bool, "login": user or null,
                 "session": N, "headers": [[NAME, VALUE], …], "body": TEXT, "html": HTML or null}}
        (headers and both bodies as Python's email package, a real mail program's, decodes them)
    {"refused": {"stage": "mail"|"rcpt"|"data", "who": ADDRESS, "reply": REPLY}}

With --mailbox every message is also written to DIR/0001.eml and so on, whole or not at all.
`faults` is a list, the first that fits is used:
`{"stage": "connect"|"mail"|"rcpt"|"data", "match": substring of the address, "times": N,
"reply": "451 …"}`, or instead of a reply `"hang": true` (never answers) or `"drop": true` (closes the
connection). Without "times" a fault stays for ever. Ends when its stdin is closed.
"""

import argparse
import asyncio
import email
import email.policy
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


def say(**what):
    print(json.dumps(what), flush=True)


class Faults:
    def __init__(self, faults):
        self.faults = faults

    async def at(self, stage, who, server):
        """The reply of the first fault that fits, or None."""
        for fault in self.faults:
            if fault["stage"] != stage or fault.get("match", "") not in who:
                continue
            if fault.get("times", 1) <= 0:
                continue
            if "times" in fault:
                fault["times"] -= 1
            if fault.get("hang"):
                say(hanging={"stage": stage, "who": who})
                await asyncio.Event().wait()
            if fault.get("drop"):
                say(dropped={"stage": stage, "who": who})
                server.transport.abort()
                await asyncio.Event().wait()
            say(refused={"stage": stage, "who": who, "reply": fault["reply"]})
            return fault["reply"]
        return None


class Mailbox:
    def __init__(self, options, faults):
        self.directory = options.mailbox
        self.faults = faults
        self.count = 0
        self.sessions = 0

    async def handle_MAIL(self, server, session, envelope, address, options):
        reply = await self.faults.at("mail", address, server)
        if reply is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply or "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = await self.faults.at("rcpt", address, server)
        if reply is None:
            envelope.rcpt_tos.append(address)
        return reply or "250 OK"

    async def handle_DATA(self, server, session, envelope):
        reply = await self.faults.at("data", ",".join(envelope.rcpt_tos), server)
        if reply is not None:
            return reply
        self.count += 1
        if self.directory:
            path = os.path.join(self.directory, f"{self.count:04}.eml")
            with open(path + ".new", "wb") as file:
                file.write(envelope.original_content)
            os.rename(path + ".new", path)
        if not hasattr(session, "number"):
            self.sessions += 1
            session.number = self.sessions
        parsed = email.message_from_bytes(envelope.original_content, policy=email.policy.SMTP)
        say(
            message={
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "data": envelope.original_content.decode("utf-8", "surrogateescape"),
                "options": envelope.mail_options,
                "tls": server.transport.get_extra_info("ssl_object") is not None,
                "login": session.auth_data,
                "session": session.number,
                "headers": [[name, str(value)] for name, value in parsed.items()],
                "body": parsed.get_body(("plain",)).get_content(),
                "html": html.get_content() if (html := parsed.get_body(("html",))) else None,
                "defects": [str(defect) for defect in parsed.defects],
            }
        )
        return "250 OK"


class Server(SMTP):
    """aiosmtpd's, which cannot fault a greeting by itself."""

    greeting_faults = None

    async def _handle_client(self):
        reply = await self.greeting_faults.at("connect", "", self)
        if reply is not None:
            await self.push(reply)
            self.transport.close()
            return
        await super()._handle_client()


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mailbox")
    parser.add_argument("--tls", choices=["none", "starttls", "implicit"], default="none")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--login")
    parser.add_argument("--mechanism", choices=["PLAIN", "LOGIN"])
    parser.add_argument("--no-smtputf8", action="store_true")
    parser.add_argument("--faults", type=json.loads, default=[])
    return parser.parse_args()


async def main():
    options = parse()
    faults = Faults(options.faults)
    Server.greeting_faults = faults
    mailbox = Mailbox(options, faults)
    context = None
    if options.tls != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.cert, options.key)

    def authenticate(server, session, envelope, mechanism, data):
        given = f"{data.login.decode()}:{data.password.decode()}"
        success = given == options.login
        return AuthResult(success=success, handled=False, auth_data=data.login.decode())

    def connection():
        return Server(
            mailbox,
            hostname="smtp.test",
            enable_SMTPUTF8=not options.no_smtputf8,
            timeout=3600,
            tls_context=context if options.tls == "starttls" else None,
            require_starttls=options.tls == "starttls",
            authenticator=authenticate if options.login else None,
            auth_required=bool(options.login),
            auth_require_tls=False,
            auth_exclude_mechanism=(
                {"PLAIN", "LOGIN"} - {options.mechanism} if options.mechanism else None
            ),
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        connection,
        options.host,
        options.port,
        ssl=context if options.tls == "implicit" else None,
    )
    say(listening=server.sockets[0].getsockname()[1])
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    # The process's end closes every connection, as a crash would.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
