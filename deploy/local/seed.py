"""What there is from the start: prices at the emulated Stripe, and the demo user.

The demo user is on plan Remember with its 25 credits, and is made once per home.
"""

import asyncio
import json
import sys
from uuid import uuid4

from deploy.local import environments
from deploy.local.database import SERVICES
from deploy.local.home import Home, State, read_json
from deploy.local.places import ROOT
from deploy.local.stack import Options
from deploy.local.trouble import StackError

PLAN = "remember"
COMMAND_TIMEOUT_S = 60


async def once(home: Home, state: State, options: Options) -> None:
    """Subscribe before opening the account: a plan's credits replace the free ones."""
    if options.wants("billing") and options.wants("stripe"):
        await _command(state, "billing", "sync-prices")
    file = home.data / "demo-account.json"
    account = read_json(file) or {"account_id": str(uuid4()), "seeded": False}
    if account["seeded"] or not all(options.wants(name) for name in SERVICES):
        return
    # Written first: a run that is killed half-way goes on with the same account.
    file.write_text(json.dumps(account))
    account_id = account["account_id"]
    await _command(state, "billing", "subscribe", account_id, PLAN)
    await _command(state, "gateway", "open-account", environments.DEMO_SUBJECT, account_id)
    file.write_text(json.dumps({**account, "seeded": True}))


async def _command(state: State, service: str, *arguments: str) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"services.{service}",
        *arguments,
        env=state["environments"][service],
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(child.communicate(), COMMAND_TIMEOUT_S)
    except TimeoutError:
        child.kill()
        await child.wait()
        raise StackError(f"{service} {arguments[0]} took over {COMMAND_TIMEOUT_S} s.") from None
    if child.returncode:
        words = output.decode(errors="replace").strip()[-500:]
        raise StackError(f"{service} could not {arguments[0]}: {words}")
