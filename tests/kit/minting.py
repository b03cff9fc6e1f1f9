"""An issuer's keys, and tokens signed with them that say whatever a test wants."""

import json
import time
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

ISSUER = "https://login.example/"
AUDIENCE = "https://api.example/"
CLIENT, OTHER_CLIENT = "web", "someone-elses-app"

Claims = dict[str, Any]


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 1_024 if name == "short" else 2_048)


def published(name: str, **members: Any) -> dict[str, Any]:
    """A key as the issuer shows it."""
    numbers = private_key(name).public_key().public_numbers()
    modulus = encoded(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big"))
    key = {"kty": "RSA", "kid": name, "use": "sig", "alg": "RS256", "n": modulus, "e": "AQAB"}
    return key | members


def claims(*, iat_in_s: int = 0, exp_in_s: int = 600, **changes: Any) -> Claims:
    """What Auth0 says in an access token for a person; `None` leaves a claim out."""
    now = int(time.time())
    said = {
        "iss": ISSUER,
        "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
        "aud": [AUDIENCE, ISSUER + "userinfo"],
        "iat": now + iat_in_s,
        "exp": now + exp_in_s,
        "azp": CLIENT,
        "scope": "openid email",
    }
    return {name: value for name, value in (said | changes).items() if value is not None}


def signed(header: bytes, payload: bytes, key: str = "new") -> str:
    """A token whose signature is right, whatever it says."""
    message = f"{encoded(header)}.{encoded(payload)}"
    signature = private_key(key).sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{message}.{encoded(signature)}"


def token(said: Claims | None = None, *, key: str = "new", **header: Any) -> str:
    members = {"alg": "RS256", "typ": "JWT", "kid": key} | header
    shown = {name: value for name, value in members.items() if value is not None}
    return signed(json.dumps(shown).encode(), json.dumps(said or claims()).encode(), key)


def elliptic_key() -> dict[str, Any]:
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = (encoded(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "kid": "new", "use": "sig", "alg": "ES256", "crv": "P-256", "x": x, "y": y}
