"""A loopback storage that answers presigned addresses as S3 does, and portraits to send it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data as sample_photos

Picture = NDArray[np.uint8]


@dataclass
class Bucket:
    """Objects by path, and the misfortunes still to come."""

    address: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)  # statuses to give before behaving
    requests: list[str] = field(default_factory=list)
    endless: bool = False

    def url(self, path: str) -> str:
        return f"{self.address}/{path}?X-Amz-Signature=secret"

    def add(self, path: str, content: bytes) -> str:
        self.objects[f"/{path}"] = content
        return self.url(path)


class _Storage(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: Bucket

    def do_GET(self) -> None:
        if self._misfortune():
            return
        content = self.bucket.objects.get(self._path())
        if content is None:
            self._answer(404)
        elif self.bucket.endless:
            self._answer_without_end()
        else:
            self._answer(200, content)

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self._misfortune():
            return
        taken = self._path() in self.bucket.objects
        if taken and self.headers.get("If-None-Match") == "*":
            self._answer(412)
        elif self.headers.get("Content-Type") not in {"image/png", "video/mp4"}:
            self._answer(403)
        else:
            self.bucket.objects[self._path()] = content
            self._answer(200)

    def _misfortune(self) -> bool:
        self.bucket.requests.append(self.command)
        if not self.bucket.answers:
            return False
        self._answer(self.bucket.answers.pop(0))
        return True

    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _answer(self, status: int, content: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(content)

    def _answer_without_end(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(10**12))
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 2**20)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def open_bucket() -> Iterator[Bucket]:
    bucket = Bucket()
    storage = type("Storage", (_Storage,), {"bucket": bucket})
    server = ThreadingHTTPServer(("127.0.0.1", 0), storage)
    server.daemon_threads = True
    bucket.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield bucket
    server.shutdown()
    server.server_close()
    thread.join()


def read_portrait() -> Picture:
    """A public-domain portrait, 320 pixels wide, BGR."""
    photo = np.ascontiguousarray(sample_photos.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    return np.asarray(cv2.resize(photo, (320, 320), interpolation=cv2.INTER_AREA), np.uint8)


def as_png(picture: Picture) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


def from_png(content: bytes) -> Picture:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def grey(picture: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def order(bucket: Bucket, photo: bytes, **changes: Any) -> dict[str, Any]:
    """A valid order for `photo`, stored in `bucket`."""
    return {
        "attempt_id": str(uuid4()),
        "task": "restore",
        "images": [{"url": bucket.add("photo", photo)}],
        "output": {
            "url": bucket.url("result"),
            "headers": {"Content-Type": "image/png", "If-None-Match": "*"},
        },
        "options": {"seed": 7, "note": None, "short_side_max": 480},
        **changes,
    }
