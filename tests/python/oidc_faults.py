"""Signs in by the provider of oidc_provider.py as a browser does, with answers that must not be
believed, and with one that must.

usage: oidc_faults.py PAGES_URL
"""

import sys
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

pages = sys.argv[1]


def sign_in(name):
    """The last answer's status, and whether there is a session."""
    jar = CookieJar()
    browser = build_opener(HTTPCookieProcessor(jar))
    asked = browser.open(f"{pages}sign-in/oidc?next=/me/quiet")
    try:
        status = browser.open(asked.geturl(), data=urlencode({"name": name}).encode()).status
    except HTTPError as error:
        status = error.code
    return status, any(cookie.name == "tubepost-session" for cookie in jar)


expected = {"ada": (200, True), "group:kernel": (403, False), "": (403, False)}
expected |= {
    f"ada!{fault}": (503, False) for fault in ("nonce", "key", "issuer", "audience", "expired")
}
wrong = {name: got for name, want in expected.items() if (got := sign_in(name)) != want}
sys.exit(f"{wrong}" if wrong else 0)
