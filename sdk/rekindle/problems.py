"""What can go wrong between this program and Rekindle, as exceptions a caller can act on."""

from typing import Any

_MEMBERS = ("type", "title", "status", "detail", "instance", "code", "trace_id")
DETAIL_LENGTH_MAX = 300


class RekindleError(Exception):
    """Everything this client raises on purpose; the text is a sentence for people."""

    code = "error"

    def document(self) -> dict[str, Any]:
        """The same as data, for programs that read our JSON."""
        return {"code": self.code, "detail": str(self)}


class RekindleProblem(RekindleError):  # noqa: N818  # RFC 9457 calls it a problem
    """Rekindle answered with a refusal (RFC 9457)."""

    def __init__(
        self,
        *,
        status: int,
        code: str,
        detail: str,
        title: str = "",
        trace_id: str = "",
        facts: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.title, self.trace_id, self.facts = title, trace_id, facts or {}

    @classmethod
    def from_document(cls, status: int, document: Any) -> "RekindleProblem":
        """Read an answer's body; whatever a proxy put there instead is survived."""
        members = document if isinstance(document, dict) else {}
        title = str(members.get("title") or "")
        return cls(
            status=status,
            code=str(members.get("code") or f"http-{status}"),
            detail=str(members.get("detail") or title or f"The answer was HTTP {status}."),
            title=title,
            trace_id=str(members.get("trace_id") or ""),
            facts={name: fact for name, fact in members.items() if name not in _MEMBERS},
        )

    def document(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "code": self.code,
            "title": self.title,
            "detail": self.detail,
            "trace_id": self.trace_id,
            **self.facts,
        }


class Unreachable(RekindleError):  # noqa: N818  # a refusal or an outcome
    """No answer came, however often we asked."""

    code = "unreachable"


class TookTooLong(RekindleError):  # noqa: N818  # a refusal or an outcome
    """It may still finish; this program has stopped waiting."""

    code = "took-too-long"


class NotLoggedIn(RekindleError):  # noqa: N818  # a refusal or an outcome
    """There is no token, or the issuer does not renew it any more."""

    code = "not-logged-in"


class LoginFailed(RekindleError):  # noqa: N818  # a refusal or an outcome
    """The issuer refused, or nobody finished the login."""

    code = "login-failed"


class UploadRefused(RekindleError):  # noqa: N818  # a refusal or an outcome
    """The storage did not take the file."""

    code = "upload-refused"


class AddressExpired(UploadRefused):
    """The storage does not take this address any more; a fresh one will do."""

    code = "address-expired"


class DownloadDamaged(RekindleError):  # noqa: N818  # a refusal or an outcome
    """The bytes that arrived are not those that were stored."""

    code = "download-damaged"
