"""Runs scenarios of clients that show a certificate: of a bus over TLS, with files on its command
line. The first that does not hold ends the run."""

import argparse


def run_with_certificate(description, scenarios):
    """Runs all of them; each gets what the command line says."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("url")
    parser.add_argument("--broker")
    parser.add_argument("--ca-file", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    options = parser.parse_args()
    options.handshake_timeout = 0
    for scenario in scenarios:
        scenario(options)
        print(f"ok   {scenario.__name__}")
    print(f"scenarios: {len(scenarios)} held, 0 failed")
    return 0
