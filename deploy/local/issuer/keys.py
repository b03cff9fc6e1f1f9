"""The keys that tokens are signed with: one signs, the one before it is still shown."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jose import jwk, jwt

ALGORITHM = "RS256"
KEY_BITS = 2_048
KEYS_SHOWN_MAX = 2


class KeyRing:
    """Keys in a file, the newest first; made at the first start."""

    def __init__(self, home: Path) -> None:
        self._path = home / "keys.json"
        self._keys: list[_Key] = []
        if self._path.exists():
            self._keys = [_Key(pem) for pem in json.loads(self._path.read_text())]
        else:
            self.rotate()

    def sign(self, claims: dict[str, Any]) -> str:
        """A token that says this, in the name of the newest key."""
        newest = self._keys[0]
        token: str = jwt.encode(
            claims, newest.signer, algorithm=ALGORITHM, headers={"kid": newest.kid}
        )
        return token

    def published(self) -> dict[str, Any]:
        """The key set that verifiers fetch."""
        return {"keys": [key.public for key in self._keys]}

    def rotate(self) -> None:
        """Sign with a new key from now on; the file is replaced whole or not at all."""
        self._keys = [_Key(_new_pem()), *self._keys][:KEYS_SHOWN_MAX]
        draft = self._path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps([key.pem for key in self._keys]))
        draft.replace(self._path)


class _Key:
    def __init__(self, pem: str) -> None:
        self.pem = pem
        private = load_pem_private_key(pem.encode(), password=None)
        assert isinstance(private, rsa.RSAPrivateKey)
        self.signer = jwk.construct(private, ALGORITHM)
        numbers = private.public_key().public_numbers()
        members = {"e": _encoded(numbers.e), "kty": "RSA", "n": _encoded(numbers.n)}
        # The name is the key's own hash (RFC 7638), so that two keys never share one.
        shown = json.dumps(members, separators=(",", ":")).encode()
        self.kid = urlsafe_b64encode(sha256(shown).digest()).rstrip(b"=").decode()
        self.public = {**members, "kid": self.kid, "use": "sig", "alg": ALGORITHM}


def _encoded(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _new_pem() -> str:
    private = rsa.generate_private_key(public_exponent=65_537, key_size=KEY_BITS)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
