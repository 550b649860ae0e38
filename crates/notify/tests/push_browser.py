"""A browser's half of Web Push, by http_ece (RFC 8188, RFC 8291) and cryptography.

push_browser.py subscribe ENDPOINT   a new subscription, and its private key
push_browser.py read                 a request's message, once its signature (RFC 8292) is right
"""

import base64
import json
import os
import sys
import time

import http_ece
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def to_text(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def to_bytes(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def subscribe(endpoint):
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    keys = {"p256dh": to_text(public), "auth": to_text(os.urandom(16))}
    return {
        "private": to_text(private.private_numbers().private_value.to_bytes(32, "big")),
        "subscription": {"endpoint": endpoint, "expirationTime": None, "keys": keys},
    }


def claims_of(authorization):
    scheme, _, rest = authorization.partition(" ")
    assert scheme == "vapid", authorization
    fields = dict(field.strip().split("=", 1) for field in rest.split(","))
    signed, _, signature = fields["t"].rpartition(".")
    signature = to_bytes(signature)
    halves = [int.from_bytes(half, "big") for half in (signature[:32], signature[32:])]
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), to_bytes(fields["k"]))
    key.verify(
        utils.encode_dss_signature(*halves), signed.encode(), ec.ECDSA(hashes.SHA256()))
    head, claims = (json.loads(to_bytes(part)) for part in signed.split("."))
    assert head == {"typ": "JWT", "alg": "ES256"}, head
    return claims


def read(request):
    secret = int.from_bytes(to_bytes(request["private"]), "big")
    private = ec.derive_private_key(secret, ec.SECP256R1())
    message = http_ece.decrypt(
        bytes(request["body"]),
        private_key=private,
        auth_secret=to_bytes(request["auth"]),
        version="aes128gcm",
    )
    claims = claims_of(request["authorization"])
    left = claims.pop("exp") - time.time()
    return {"message": json.loads(message), "seconds_left": left, **claims}


if sys.argv[1] == "subscribe":
    print(json.dumps(subscribe(sys.argv[2])))
else:
    print(json.dumps(read(json.load(sys.stdin))))
