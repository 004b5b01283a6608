"""An OAuth 2.0 provider for tests, of Authlib's server, in a process of its own over TLS.

`python -m tests.oauth_server <chain.pem> <key.pem> <redirect URI>` prints its port. It demands what
strict providers do: the client's secret (HTTP Basic or body), the registered redirect URI, PKCE; a
refresh token is good once. `Provider` (tests.oauth_provider) drives it: `POST /control` says how it
shall behave, `GET /facts` what it saw.
"""

from __future__ import annotations

import secrets
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oauth2.rfc7636 import CodeChallenge
from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server

CLIENT_ID, CLIENT_SECRET = "headwater", "the-clients-secret-4711"
SCOPE = "profile repo"


@dataclass
class Behaviour:
    """How it shall behave: seconds a token lives, whether somebody agrees, a status to fail token
    requests with, whether refreshes wait at the gate, whether the old refresh token stays good."""

    expires_in: int = 3600
    agrees: bool = True
    status: int = 0
    error: str = ""
    gate: bool = False
    rotates: bool = True


@dataclass
class Facts:
    """What it saw: requests to the token URL by kind, refreshes at the gate, PKCE methods."""

    codes: int = 0
    refreshes: int = 0
    waiting: int = 0
    methods: list[str] = field(default_factory=list)
    auth: list[str] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Client:
    redirect_uri: str

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(one for one in scope.split() if one in SCOPE.split())

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret, CLIENT_SECRET)

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ("authorization_code", "refresh_token")


@dataclass
class Code:
    """A code that was given out; good once."""

    code: str
    redirect_uri: str
    scope: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Token:
    access_token: str
    refresh_token: str
    scope: str
    ends: float
    revoked: bool = False

    def check_client(self, _client: Client) -> bool:
        return True

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return int(self.ends - time.time())

    def is_expired(self) -> bool:
        return self.ends < time.time()

    def is_revoked(self) -> bool:
        return self.revoked


behaviour, facts = Behaviour(), Facts()
codes: dict[str, Code] = {}
tokens: list[Token] = []
lock, opened = threading.RLock(), threading.Event()


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def save_authorization_code(self, code: str, asked: Any) -> None:
        data = asked.payload.data
        if data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is demanded")
        facts.methods.append("S256")
        codes[code] = Code(
            code,
            asked.payload.redirect_uri,
            asked.payload.scope,
            data["code_challenge"],
            data["code_challenge_method"],
        )

    def query_authorization_code(self, code: str, _client: Client) -> Code | None:
        return codes.get(code)

    def delete_authorization_code(self, code: Code) -> None:
        del codes[code.code]

    def authenticate_user(self, _code: Code) -> str:
        return "ada"


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        with lock:
            good = (t for t in tokens if t.refresh_token == refresh_token and not t.revoked)
            return next(good, None)

    def authenticate_user(self, _refresh_token: Token) -> str:
        return "ada"

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.revoked = behaviour.rotates


def save_token(token: dict[str, Any], _request: Any) -> None:
    with lock:
        ends = time.time() + behaviour.expires_in
        # What the answer says is what `expires_in` is at this moment, not at the start.
        token["expires_in"] = behaviour.expires_in
        tokens.append(Token(token["access_token"], token["refresh_token"], SCOPE, ends))


def application(redirect_uri: str) -> Flask:
    app = Flask("provider")
    app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
    client = Client(redirect_uri)
    server = AuthorizationServer(
        app, lambda given: client if given == CLIENT_ID else None, save_token
    )
    server.register_grant(CodeGrant, [CodeChallenge(required=True)])
    server.register_grant(RefreshGrant)

    @app.get("/authorize")
    def authorize() -> Any:
        """Nobody is asked: `agrees` says what the person would."""
        facts.queries.append(dict(request.args))
        grant = server.get_consent_grant(end_user="ada")
        user = "ada" if behaviour.agrees else None
        return server.create_authorization_response(grant_user=user, grant=grant)

    @app.post("/token")
    def token() -> Any:
        kind = request.form.get("grant_type", "")
        with lock:
            facts.auth.append("basic" if "Authorization" in request.headers else "post")
            facts.codes += kind == "authorization_code"
            facts.refreshes += kind == "refresh_token"
        if kind == "refresh_token" and behaviour.gate:
            with lock:
                facts.waiting += 1
            opened.wait(60)
        if behaviour.status:
            return Response(behaviour.error, behaviour.status, content_type="application/json")
        return server.create_token_response()

    @app.get("/profile")
    def profile() -> Any:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not any(t.access_token == given and not t.is_expired() for t in tokens):
            return Response("no", 401)
        return jsonify({"user": {"id": 4711, "name": "ada"}, "region": "eu"})

    @app.post("/control")
    def control() -> Any:
        for name, value in request.get_json().items():
            setattr(behaviour, name, value)
        opened.clear() if behaviour.gate else opened.set()
        return jsonify({})

    @app.post("/reset")
    def reset() -> Any:
        """As at the start, the tokens that were given excepted."""
        with lock:
            vars(behaviour).update(vars(Behaviour()))
            vars(facts).update(vars(Facts()))
        opened.set()
        return jsonify({})

    @app.post("/revoke")
    def revoke() -> Any:
        with lock:
            for one in tokens:
                one.revoked = True
        return jsonify({})

    @app.get("/facts")
    def seen() -> Any:
        return jsonify(vars(facts))

    return app


if __name__ == "__main__":
    chain, key, uri = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    serving = make_server("127.0.0.1", 0, application(uri), threaded=True, ssl_context=context)
    print(serving.server_port, flush=True)
    serving.serve_forever()
