"""An OpenID Connect provider on loopback, of Authlib and Flask: authorization code, PKCE demanded.

usage: oidc_provider.py PORT CLIENT_ID CLIENT_SECRET REDIRECT_URI
Whoever presses "Allow" is the person of the field `name`; their nickname is said by userinfo only.
`ada!FAULT` is ada with an id token that must not be believed: nonce, key, issuer, audience, expired.
Prints {"listening": PORT} when it does.
"""

import json
import os
import sys
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, jsonify, request
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

port, client_id, client_secret, redirect_uri = sys.argv[1:5]
issuer = f"http://127.0.0.1:{port}"
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"})
key.ensure_kid()
other_key = RSAKey.import_key({**RSAKey.generate_key(2048).as_dict(private=True), "kid": key.kid})
codes, tokens = {}, {}


class Client(ClientMixin):
    def get_client_id(self):
        return client_id

    def get_default_redirect_uri(self):
        return redirect_uri

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, uri):
        return uri == redirect_uri

    def check_client_secret(self, secret):
        return secret == client_secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type == "authorization_code"


class Code(AuthorizationCodeMixin):
    def __init__(self, **fields):
        self.__dict__.update(fields)

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return "another" if self.user.fault == "nonce" else self.nonce

    def get_auth_time(self):
        return int(time.time())

    def get_acr(self):
        return None

    def get_amr(self):
        return None


class Token(TokenMixin):
    def __init__(self, value, user, scope):
        self.value, self.user, self.scope = value, user, scope

    def get_scope(self):
        return self.scope

    def is_expired(self):
        return False

    def is_revoked(self):
        return False


class User:
    def __init__(self, name):
        self.name, _, self.fault = name.partition("!")

    def get_user_id(self):
        return f"subject-of-{self.name}"


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]

    def save_authorization_code(self, code, request):
        payload = request.payload
        codes[code] = Code(
            code=code, user=request.user, redirect_uri=payload.redirect_uri, scope=payload.scope,
            nonce=payload.data.get("nonce"), code_challenge=payload.data.get("code_challenge"),
            code_challenge_method=payload.data.get("code_challenge_method"))

    def query_authorization_code(self, code, client):
        return codes.get(code)

    def delete_authorization_code(self, authorization_code):
        codes.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code):
        return authorization_code.user


class OpenID(OpenIDCode):
    def exists_nonce(self, nonce, request):
        return False

    def resolve_client_private_key(self, client):
        return (other_key if self.fault == "key" else key).as_dict(private=True)

    def get_client_algorithm(self, client):
        return "RS256"

    def get_encode_header(self, client):
        return {"alg": "RS256", "kid": key.kid}

    def get_client_claims(self, client):
        now = int(time.time())
        return {"iss": issuer, "aud": [client_id], "iat": now, "exp": now + 600}

    # What this gives goes into the id token, over what stands there.
    def generate_user_info(self, user, scope):
        self.fault = user.fault
        broken = {
            "issuer": {"iss": "https://other.example"},
            "audience": {"aud": ["another"]},
            "expired": {"exp": int(time.time()) - 3600},
        }
        return UserInfo(sub=user.get_user_id(), **broken.get(user.fault, {}))


class Validator(BearerTokenValidator):
    def authenticate_token(self, token_string):
        return tokens.get(token_string)


app = Flask(__name__)
app.secret_key = os.urandom(16)


def save_token(token, request):
    tokens[token["access_token"]] = Token(token["access_token"], request.user, token.get("scope"))


server = AuthorizationServer(
    app, query_client=lambda id: Client() if id == client_id else None, save_token=save_token)
server.register_grant(CodeGrant, [OpenID(require_nonce=True), CodeChallenge(required=True)])
resource = ResourceProtector()
resource.register_token_validator(Validator())


@app.get("/.well-known/openid-configuration")
def discovery():
    return jsonify(
        issuer=issuer, authorization_endpoint=f"{issuer}/authorize", token_endpoint=f"{issuer}/token",
        jwks_uri=f"{issuer}/keys", userinfo_endpoint=f"{issuer}/userinfo",
        response_types_supported=["code"], subject_types_supported=["public"],
        id_token_signing_alg_values_supported=["RS256"])


@app.get("/keys")
def keys():
    return jsonify(keys=[key.as_dict(private=False)])


@app.route("/authorize", methods=["GET", "POST"])
def authorize():
    if request.method == "GET":
        return ("<!doctype html><title>Provider</title><form method=post><label>Who "
                "<input name=name autofocus></label><button>Allow</button></form>")
    grant = server.get_consent_grant(end_user=None)
    return server.create_authorization_response(grant_user=User(request.form["name"]), grant=grant)


@app.post("/token")
def token():
    return server.create_token_response()


@app.get("/userinfo")
@resource.acquire("openid")
def userinfo():
    user = current_token.user
    groups = ["sysadmin-main"] if user.name == "root" else []
    return jsonify(sub=user.get_user_id(), nickname=user.name, groups=groups)


httpd = make_server("127.0.0.1", int(port), app, threaded=True)
print(json.dumps({"listening": int(port)}), flush=True)
httpd.serve_forever()
