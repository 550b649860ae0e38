"""Verifies the DKIM signature of the mail on stdin with dkimpy; the key's TXT record, which DNS would
have, is the only argument. Prints the verdict: true or false."""

import sys

import dkim

record = sys.argv[1].encode()
name = b"letters._domainkey.example.org."


def txt(asked, timeout=5):
    return record if asked == name else None


print("true" if dkim.verify(sys.stdin.buffer.read(), dnsfunc=txt) else "false")
