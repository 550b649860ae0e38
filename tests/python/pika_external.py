"""Login by a client's certificate (SASL EXTERNAL), with pika over TLS."""

import ssl
import sys
import urllib.parse

import pika

from certificate import run_with_certificate
from scenario import expect, expect_equal

USER = "ada"


def parameters(options, certificate=True, credentials=None):
    """pika's parameters, with the certificate or without."""
    parts = urllib.parse.urlsplit(options.url)
    context = ssl.create_default_context(cafile=options.ca_file)
    if certificate:
        context.load_cert_chain(options.certificate, options.key)
    return pika.ConnectionParameters(
        host=parts.hostname,
        port=parts.port,
        ssl_options=pika.SSLOptions(context, parts.hostname),
        credentials=credentials or pika.credentials.ExternalCredentials(),
        socket_timeout=10,
    )


def a_certificate_is_a_login(options):
    """Publishes and receives as the user of the certificate's common name."""
    with pika.BlockingConnection(parameters(options)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("", queue, b"x" * 300_000, mandatory=True)
        _, _, body = channel.basic_get(queue, auto_ack=True)
        expect_equal(len(body), 300_000, "octets of the body")


def without_a_certificate_nobody_comes_in(options):
    """The server asks for one: TLS ends before any AMQP."""
    try:
        pika.BlockingConnection(parameters(options, certificate=False)).close()
    except pika.exceptions.AMQPConnectionError as error:
        expect(not isinstance(error, pika.exceptions.AuthenticationError), repr(error))
        return
    expect(False, "a connection without a certificate was accepted")


def a_password_works_behind_a_certificate(options):
    """The certificate does not decide who logs in by other means."""
    credentials = pika.PlainCredentials("guest", "guest")
    pika.BlockingConnection(parameters(options, credentials=credentials)).close()


if __name__ == "__main__":
    sys.exit(run_with_certificate(__doc__, [
        a_certificate_is_a_login,
        without_a_certificate_nobody_comes_in,
        a_password_works_behind_a_certificate,
    ]))
