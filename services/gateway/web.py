"""The app: the files of its static export, read once, each with the headers it needs.

A page's own inline scripts are allowed by their hashes and nothing else inline is. Pages and the
service worker are asked for anew each time; what has a hash in its name is kept for good.
"""

import gzip
import mimetypes
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.gateway.settings import GatewaySettings

FOREVER = "public, max-age=31536000, immutable"
ASK_EACH_TIME = "no-cache"
HASHED = "/_next/static/"
OK = 200
LOST = "404.html"
NOT_SERVED = {LOST, "_not-found.html"}
BYTES_MAX = 32 * 1024 * 1024
COMPRESSED = {".css", ".html", ".js", ".svg", ".txt", ".webmanifest"}
MEDIA_TYPES = {
    # Machines disagree about these, and `nosniff` is strict.
    ".js": "text/javascript",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
# The camera is ours to use; of the rest of a device the app needs nothing.
PERMISSIONS = "camera=(self), geolocation=(), microphone=(), payment=()"
# A worker's own requests are held against the policy of its script.
WORKER_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"


@dataclass(frozen=True, slots=True)
class File:
    """One file of the export, as it is sent."""

    content: bytes
    compressed: bytes | None
    headers: dict[str, str]
    status: int = OK

    def answer(self, request: Request) -> Response:
        headers = dict(self.headers)
        if self.status == OK and request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        content = self.content
        if self.compressed is not None:
            headers["vary"] = "accept-encoding"
            if "gzip" in request.headers.get("accept-encoding", ""):
                content, headers["content-encoding"] = self.compressed, "gzip"
        return Response(content, status_code=self.status, headers=headers)


class NoExportError(ValueError):
    """The folder that is said to hold the app does not."""


def router_of(settings: GatewaySettings) -> APIRouter:
    """A door for each file of the export: `crop.html` is `/crop`, `index.html` is `/`."""
    folder = Path(settings.web_export)
    if not all((folder / name).is_file() for name in ("index.html", LOST)):
        raise NoExportError(f"WEB_EXPORT={folder} holds no export of the app: run `make setup`.")
    router = APIRouter()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in NOT_SERVED:
            file = _read(path, name, settings)
            router.add_route(_address(name), _door(file), include_in_schema=False)
    # Whoever mistypes the address of a page gets a page; the API's own paths are all deeper.
    lost = replace(_read(folder / LOST, LOST, settings), status=404)
    router.add_route("/{name}", _door(lost), include_in_schema=False)
    return router


def _door(file: File) -> Callable[[Request], Awaitable[Response]]:
    async def door(request: Request) -> Response:
        return file.answer(request)

    return door


def _address(name: str) -> str:
    stem = name.removesuffix(".html")
    return "/" if stem == "index" else f"/{stem}"


def _read(path: Path, name: str, settings: GatewaySettings) -> File:
    content = path.read_bytes()
    if len(content) > BYTES_MAX:
        raise NoExportError(f"{path} is larger than {BYTES_MAX} bytes.")
    media_type = MEDIA_TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "text/plain"
    headers = {
        "content-type": f"{media_type}; charset=utf-8" if "text" in media_type else media_type,
        "cache-control": FOREVER if f"/{name}".startswith(HASHED) else ASK_EACH_TIME,
        "etag": f'"{sha256(content).hexdigest()[:32]}"',
    }
    if path.suffix == ".html":
        headers["content-security-policy"] = _policy(content.decode(), settings)
        headers["permissions-policy"] = PERMISSIONS
    elif name == "sw.js":
        headers["content-security-policy"] = WORKER_POLICY
    compressed = gzip.compress(content, mtime=0) if path.suffix in COMPRESSED else None
    return File(content, compressed, headers)


def _policy(page: str, settings: GatewaySettings) -> str:
    inline = _InlineScripts()
    inline.feed(page)
    hashes = "".join(f" 'sha256-{_hash(script)}'" for script in inline.scripts)
    storage = settings.storage_origin
    return (
        f"default-src 'none'; script-src 'self'{hashes}; style-src 'self'; font-src 'self';"
        f" img-src 'self' blob: data: {storage}; connect-src 'self' {storage}; media-src 'self';"
        " manifest-src 'self'; worker-src 'self'; base-uri 'none'; frame-ancestors 'none';"
        # Browsers hold a form's redirect against this too: signing out ends at the issuer.
        f" form-action 'self' {settings.oidc_issuer}"
    )


def _hash(script: str) -> str:
    return b64encode(sha256(script.encode()).digest()).decode()


class _InlineScripts(HTMLParser):
    """Collects the text of scripts that have no address."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.scripts: list[str] = []
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_inside = tag == "script" and "src" not in dict(attrs)
        if self._is_inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._is_inside = False

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.scripts[-1] += data
