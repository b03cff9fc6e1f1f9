"""Every way we know in which a token lies, made anew so that only its lie can refuse it."""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from hashlib import sha256
from hmac import digest as hmac_digest
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.kit.minting import (
    AUDIENCE,
    CLIENT,
    ISSUER,
    OTHER_CLIENT,
    claims,
    elliptic_key,
    encoded,
    private_key,
    published,
    signed,
    token,
)

Forgery = Callable[[], str]


def saying(**changes: Any) -> Forgery:
    return lambda: token(claims(**changes))


def headed(**members: Any) -> Forgery:
    return lambda: token(**members)


def with_header(header: str) -> Forgery:
    return lambda: signed(header.encode(), json.dumps(claims()).encode())


def with_payload(change: Callable[[str], str]) -> Forgery:
    header = b'{"alg":"RS256","kid":"new"}'
    return lambda: signed(header, change(json.dumps(claims())).encode())


def with_secret(secret: Callable[[], bytes]) -> Forgery:
    """Signed by HMAC, with something public as its secret."""

    def forge() -> str:
        header, payload = (
            encoded(b'{"alg":"HS256","kid":"new"}'),
            encoded(json.dumps(claims()).encode()),
        )
        message = f"{header}.{payload}"
        return f"{message}.{encoded(hmac_digest(secret(), message.encode(), sha256))}"

    return forge


def public_key(encoding: Encoding) -> Callable[[], bytes]:
    shape = PublicFormat.SubjectPublicKeyInfo
    return lambda: private_key("new").public_key().public_bytes(encoding, shape)


def altered(change: Callable[[list[str]], list[str]]) -> Forgery:
    return lambda: ".".join(change(token().split(".")))


def unsigned(algorithm: Any) -> Forgery:
    header = json.dumps({"alg": algorithm, "typ": "JWT", "kid": "new"}).encode()
    return lambda: f"{encoded(header)}.{encoded(json.dumps(claims()).encode())}."


def not_canonical() -> str:
    """The last character of a 256-byte signature has four bits that no decoder reads."""
    good = token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return good[:-1] + alphabet[alphabet.index(good[-1]) ^ 1]


NEVER_A_TOKEN: dict[str, Forgery] = {
    "empty": lambda: "",
    "one part": lambda: "a",
    "two parts": altered(lambda parts: parts[:2]),
    "four parts": altered(lambda parts: [*parts, "x"]),
    "five parts, as JWE": altered(lambda parts: [*parts, "eA", "eA"]),
    "only dots": lambda: "....",
    "empty parts": lambda: "..",
    "100 KB": lambda: "A" * 100_000,
    "a good token, padded past 8 KB": saying(padding="x" * 8_000),
    "NUL": lambda: token() + "\0",
    "trailing newline": lambda: token() + "\n",
    "trailing blank": lambda: token() + " ",
    "unicode dots": altered(lambda parts: ["\u2024".join(parts)]),
    "lone surrogate": lambda: "\ud800.a.b",
    "standard base64": altered(lambda parts: [*parts[:2], "+/" + parts[2][2:]]),
    "padded base64": altered(lambda parts: [*parts[:2], parts[2] + "=="]),
    "non-canonical base64": not_canonical,
    "impossible base64": altered(lambda parts: [*parts[:2], "A"]),
}

WRONG_HEADER: dict[str, Forgery] = {
    **{f"alg {alg!r}, unsigned": unsigned(alg) for alg in ("none", "None", "NONE", "", None)},
    "alg missing": headed(alg=None),
    "alg a list": headed(alg=["RS256"]),
    "alg a number": headed(alg=256),
    **{f"alg {alg}": headed(alg=alg) for alg in ("ES256", "PS256", "RS1", "RS512", "rs256")},
    "alg HS256, secret is the key's PEM": with_secret(public_key(Encoding.PEM)),
    "alg HS256, secret is the key's DER": with_secret(public_key(Encoding.DER)),
    "alg HS256, secret is the JWK": with_secret(lambda: json.dumps(published("new")).encode()),
    "enc": headed(alg="RSA-OAEP", enc="A256GCM"),
    "typ of another kind": headed(typ="logout+jwt"),
    "jwk": lambda: token(key="thief", kid="new", jwk=published("thief")),
    "jku": headed(jku="https://evil.example/jwks.json"),
    "x5u": headed(x5u="https://evil.example/x5u.pem"),
    "x5c": headed(x5c=["MIIB"]),
    "crit": headed(crit=["exp"]),
    "b64 false": headed(b64=False),
    "kid missing": headed(kid=None),
    "kid empty": headed(kid=""),
    "kid unknown": headed(kid="unheard-of"),
    "kid a path": headed(kid="../../dev/null"),
    "kid SQL": headed(kid="' OR 1=1 --"),
    "kid with a newline": headed(kid="new\n"),
    "kid of 1 MB": headed(kid="k" * 1_000_000),
    "kid of 65 characters": headed(kid="k" * 65),
    "kid an array": headed(kid=["new"]),
    "kid a number": headed(kid=1),
    "600 blanks": with_header('{"alg":"RS256","kid":"new"' + " " * 600 + "}"),
    "not JSON": with_header("RS256"),
    "JSON string": with_header('"{"'),
    "JSON array": with_header("[]"),
    "UTF-16": lambda: signed('{"alg":"RS256","kid":"new"}'.encode("utf-16"), b"{}"),
    "alg twice": with_header('{"alg":"none","alg":"RS256","kid":"new"}'),
    "kid twice": with_header('{"alg":"RS256","kid":"old","kid":"new"}'),
    "3,000 deep": with_header('{"alg":"RS256","kid":"new","x":' + "[" * 1_500 + "]" * 1_500 + "}"),
    "100 deep": with_header('{"kid":"new","alg":' + "[" * 100 + "]" * 100 + "}"),
    "60 deep in objects": with_header('{"kid":' * 60 + "1" + "}" * 60),
}

WRONG_CLAIMS: dict[str, Forgery] = {
    **{f"{name} missing": saying(**{name: None}) for name in claims() if name != "scope"},
    "exp a string": saying(exp="9999999999"),
    "exp a boolean": saying(exp=True),
    "exp a float": lambda: token(claims(exp=time.time() + 600)),
    "exp not a number": saying(exp=float("nan")),
    "exp without end": with_payload(lambda said: said.replace('"exp": ', '"exp": 1e400, "was": ')),
    "exp negative": saying(exp=-1),
    "exp null": with_payload(lambda said: said.replace('"exp": ', '"exp": null, "was": ')),
    "expired 62 seconds ago": saying(iat_in_s=-600, exp_in_s=-62),
    "lives for two days": saying(exp_in_s=2 * 86_400),
    "lives for ever": saying(exp=10**30),
    "ends before it begins": saying(iat_in_s=50, exp_in_s=40),
    "iat a string": saying(iat="1"),
    "iat a boolean": saying(iat=True),
    "iat in the future": saying(iat_in_s=3_600, exp_in_s=4_000),
    "nbf in the future": lambda: token(claims(nbf=int(time.time()) + 3_600)),
    "nbf a string": saying(nbf="0"),
    "aud another": saying(aud="https://other.example/"),
    "aud a list of others": saying(aud=["https://other.example/", ISSUER + "userinfo"]),
    "aud an empty list": saying(aud=[]),
    "aud a longer one": saying(aud=AUDIENCE + "v2"),
    "aud a shorter one": saying(aud=AUDIENCE[:-1]),
    "aud an object": saying(aud={AUDIENCE: 1}),
    "aud a number among strings": saying(aud=[AUDIENCE, 1]),
    "iss without its slash": saying(iss=ISSUER[:-1]),
    "iss with a path": saying(iss=ISSUER + "tenant/"),
    "iss of another tenant": saying(iss="https://evil.example/"),
    "iss a list": saying(iss=[ISSUER]),
    "azp of another app": saying(azp=OTHER_CLIENT),
    "azp a list": saying(azp=[CLIENT]),
    "an id token": saying(aud=CLIENT, nonce="n", azp=None),
    "an id token for the API as well": saying(aud=[AUDIENCE, CLIENT]),
    "an id token with our audience": saying(nonce="n"),
    "an id token with a token hash": saying(at_hash="0000"),
    "a machine's token": saying(sub=f"{CLIENT}@clients", gty="client-credentials"),
    "a machine's token without gty": saying(sub=f"{CLIENT}@clients"),
    "a machine's grant in a list": saying(gty=["refresh_token", "client-credentials"]),
    "gty a number": saying(gty=1),
    "sub empty": saying(sub=""),
    "sub a number": saying(sub=1),
    "sub a list": saying(sub=["auth0|1"]),
    "sub with a blank": saying(sub="auth0|1 admin"),
    "sub with a newline": saying(sub="auth0|1\n"),
    "sub in another script": saying(sub="auth0|\u0430dmin"),
    "sub of 256 characters": saying(sub="a" * 256),
    "scope a list": saying(scope=["openid"]),
    "scope a number": saying(scope=1),
    "claims twice": with_payload(lambda said: said[:-1] + ', "sub": "auth0|victim"}'),
    "claims not an object": with_payload(lambda _: "[]"),
    "claims not JSON": with_payload(lambda _: "{"),
    "claims 2,500 deep": with_payload(
        lambda said: said[:-1] + ', "a": ' + "[" * 2_500 + "]" * 2_500 + "}"
    ),
}

WRONG_SIGNATURE: dict[str, Forgery] = {
    "of another key": lambda: token(key="thief", kid="new"),
    "of the older key under the newer name": lambda: token(key="old", kid="new"),
    "empty": altered(lambda parts: [*parts[:2], ""]),
    "truncated": altered(lambda parts: [*parts[:2], parts[2][:-4]]),
    "with trailing bytes": altered(
        lambda parts: [*parts[:2], encoded(urlsafe_b64decode(parts[2] + "==") + b"\0")]
    ),
    "of other claims": altered(
        lambda parts: [parts[0], encoded(json.dumps(claims(sub="auth0|other")).encode()), parts[2]]
    ),
}

HOSTILE = {
    f"{family}: {name}": forge
    for family, rows in (
        ("shape", NEVER_A_TOKEN),
        ("header", WRONG_HEADER),
        ("claims", WRONG_CLAIMS),
        ("signature", WRONG_SIGNATURE),
    )
    for name, forge in rows.items()
}

STRANGE_KEYS: dict[str, Callable[[], Any]] = {
    "none": list,
    "not a list": lambda: published("new"),
    "null": lambda: None,
    "a shared secret": lambda: [{"kty": "oct", "kid": "new", "k": "c2VjcmV0"}],
    "elliptic": lambda: [elliptic_key()],
    "for encryption": lambda: [published("new", use="enc")],
    "for another algorithm": lambda: [published("new", alg="RS512")],
    "without a modulus": lambda: [{"kty": "RSA", "kid": "new", "e": "AQAB"}],
    "without a name": lambda: [published("new", kid=None)],
    "of another person": lambda: [published("thief", kid="new")],
    "17 of them": lambda: [published("new", kid=f"k{n}") for n in range(16)] + [published("new")],
}
