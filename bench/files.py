"""BENCH row 9, files: what the services spend on an object, whatever its size.

They sign addresses, and whoever has the bytes moves them. CPU is that of the one process that signs
as services do, through `services.kit.storage`. The peer is aioboto3, which signs an address by its
client's own way, and puts 50 MB through the client, as a service would that let bytes pass.
"""

import time
from collections.abc import Awaitable, Callable

from bench import cpu, local, peer_process
from bench.options import Options
from bench.peer_process import Peer
from bench.report import Goal, Report, ratios
from services.kit.storage import Storage, StorageSettings, open_storage

SIGNATURES = 300
ORIGINAL_BYTES_MAX = 50 * 1024 * 1024
EXPIRES_S = 600
PARTS = (*local.SERVERS, "s3")
GOAL = Goal(at_most=0.2)

Sign = Callable[[Storage, str], Awaitable[object]]


async def _upload(storage: Storage, key: str) -> object:
    return await storage.sign_post(key, size_bytes=ORIGINAL_BYTES_MAX, expires_s=EXPIRES_S)


async def _read(storage: Storage, key: str) -> object:
    return storage.sign_get(key, expires_s=EXPIRES_S)


async def _write(storage: Storage, key: str) -> object:
    return storage.sign_put(key, media_type="image/jpeg", expires_s=EXPIRES_S)


SIGNED: dict[str, Sign] = {
    "a browser's upload": _upload,
    "a browser's download": _read,
    "the GPU's result": _write,
}


async def measure(options: Options) -> Report:
    """Every kind of address and the peer, in turns."""
    spent: dict[str, list[float]] = {name: [] for name in SIGNED}
    signing: list[float] = []
    putting: list[float] = []
    async with local.running(only=PARTS) as stack:
        told = stack.environment("uploads")
        settings = StorageSettings.model_validate(
            {field: told[field.upper()] for field in StorageSettings.model_fields}
        )
        command, env = ("-m", "bench.peers.storage"), _peers_environment(settings)
        async with (
            open_storage(settings) as storage,
            peer_process.running("aioboto3", command, env) as peer,
        ):
            await peer.ready()
            await _peer_ms(peer, "sign")  # once to warm up, and ours as well
            for sign in SIGNED.values():
                await _own_ms(storage, sign)
            for _ in range(options.rounds):
                for name, sign in SIGNED.items():
                    spent[name].append(await _own_ms(storage, sign))
                signing.append(await _peer_ms(peer, "sign"))
                putting.append(await _peer_ms(peer, "put"))
    report = Report("files", "9. Files: CPU of the services per object")
    for name, cpu_ms in spent.items():
        report.add(f"{name}, signed", cpu_ms, "CPU ms per object", goal=GOAL)
    report.add("aioboto3: signed", signing, "CPU ms per object")
    report.add("aioboto3: 50 MB put through the client", putting, "CPU ms per object")
    ratio = ratios(spent["a browser's upload"], putting)
    report.add("a browser's upload / aioboto3's put", ratio, "x CPU")
    return report


def _peers_environment(settings: StorageSettings) -> dict[str, str]:
    return {
        "S3_ENDPOINT": str(settings.s3_endpoint),
        "S3_BUCKET": settings.s3_bucket,
        "S3_ACCESS_KEY": settings.s3_access_key.get_secret_value(),
        "S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
    }


async def _own_ms(storage: Storage, sign: Sign) -> float:
    before = time.process_time()
    for one in range(SIGNATURES):
        assert await sign(storage, f"originals/bench/{one}")
    return (time.process_time() - before) / SIGNATURES * 1e3


async def _peer_ms(peer: Peer, order: str) -> float:
    before = cpu.seconds({"peer": peer.pid})
    did = await peer.go(order)
    spent = cpu.spent({"peer": peer.pid}, before)["peer"]
    return spent / int(did["did"]) * 1e3
