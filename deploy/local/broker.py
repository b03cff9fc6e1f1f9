"""The broker's topology, imported from one file through RabbitMQ's management API."""

import asyncio
import base64
import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

from deploy.local.places import DEFINITIONS
from deploy.local.trouble import StackError

REQUEST_TIMEOUT_S = 20
EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}


async def import_definitions(management_url: str, vhost: str) -> None:
    """Create the vhost, let our user in, and import exchanges, queues, bindings and policies."""
    await asyncio.to_thread(_import, management_url, vhost)


async def forget(management_url: str, vhost: str) -> None:
    """Delete a vhost with all its queues; one that is not there is fine."""
    known = await asyncio.to_thread(call, management_url, "GET", "vhosts")
    if vhost in [entry["name"] for entry in known]:
        place = f"vhosts/{quote(vhost, safe='')}"
        await asyncio.to_thread(call, management_url, "DELETE", place)


def call(management_url: str, method: str, path: str, body: Any = None) -> Any:
    """Speak to the management API; its answer is JSON or nothing."""
    parts = urlsplit(management_url)
    secret = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    request = Request(  # noqa: S310 - the scheme is checked where the URL is set
        f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/api/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urlopen(request, timeout=REQUEST_TIMEOUT_S) as answer:  # noqa: S310
            content = answer.read()
    except HTTPError as refusal:
        words = refusal.read(400).decode(errors="replace")
        raise StackError(f"RabbitMQ refused {method} {path}: {refusal.code} {words}") from refusal
    except URLError as refusal:
        raise StackError(
            f"RabbitMQ's management API at {parts.hostname}:{parts.port} does not answer "
            f"({refusal.reason}): check RABBITMQ_MANAGEMENT_URL."
        ) from refusal
    return json.loads(content) if content else None


def _import(management_url: str, vhost: str) -> None:
    place = quote(vhost, safe="")
    user = unquote(urlsplit(management_url).username or "")
    call(management_url, "PUT", f"vhosts/{place}", {})
    call(management_url, "PUT", f"permissions/{place}/{quote(user, safe='')}", EVERYTHING)
    definitions = json.loads(DEFINITIONS.read_text())
    del definitions["vhosts"]
    for entries in definitions.values():
        for entry in entries:
            entry["vhost"] = vhost
    call(management_url, "POST", f"definitions/{place}", definitions)
