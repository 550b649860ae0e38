"""AMQP 1.0 over TLS with python-qpid-proton: passwords, and a certificate as a login."""

import sys
import urllib.parse

from proton import Endpoint, Message, SSLDomain

from certificate import run_with_certificate
from proton_peer import Peer
from scenario import Bus, expect, expect_equal

USER = "ada"


def peer(options, certificate=True, **more):
    """A peer over TLS, with the certificate or without."""
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    domain.set_trusted_ca_db(options.ca_file)
    domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
    if certificate:
        domain.set_credentials(options.certificate, options.key, None)
    parts = urllib.parse.urlsplit(options.url)
    url = f"amqps://{parts.hostname}:{parts.port}"
    return Peer(Bus(options), url=url, ssl_domain=domain, **more)


def a_certificate_is_a_login(options):
    """Publishes and receives as the user of the certificate's common name."""
    ada = peer(options, user=None, password=None, allowed_mechs="EXTERNAL")
    expect_equal(ada.connection.transport.sasl().mech, "EXTERNAL", "mechanism")
    link = ada.receiver(dynamic=True, credit=1)
    body = b"x" * 300_000
    ada.send(ada.sender(link.remote_source.address), Message(body=body, user_id=USER.encode()))
    [received] = ada.take(link, 1)
    expect_equal(len(received.message.body), 300_000, "octets of the body")
    ada.close()


def a_password_works_behind_tls(options):
    """The certificate does not decide who logs in by other means."""
    for certificate in [True, False]:
        guest = peer(options, certificate=certificate, allowed_mechs="PLAIN")
        link = guest.receiver(dynamic=True, credit=1)
        guest.send(guest.sender(link.remote_source.address), Message(body="x", user_id=b"guest"))
        guest.take(link, 1)
        guest.close()


def without_a_certificate_external_is_refused(options):
    """Nothing says who that would be."""
    nobody = peer(options, certificate=False, user=None, password=None, allowed_mechs="EXTERNAL",
                  expects_open=False)
    nobody.until(lambda: nobody.is_gone, "refusal")
    expect(not nobody.connection.state & Endpoint.REMOTE_ACTIVE, "it was let in")


if __name__ == "__main__":
    sys.exit(run_with_certificate(__doc__, [
        a_certificate_is_a_login,
        a_password_works_behind_tls,
        without_a_certificate_external_is_refused,
    ]))
