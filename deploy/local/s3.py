"""SeaweedFS as a private S3: loopback only, keys on every door, no telemetry.

`weed mini` remembers the flags of its last start, so every flag is always given.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.home import Home, read_json, write_private
from deploy.local.places import python_tool
from deploy.local.ports import TWIN
from deploy.local.process import Preparation, Process, answers_http
from deploy.local.trouble import StackError

REGION = "us-east-1"
BUCKET = "rekindle"
TESTS_BUCKET = "rekindle-tests"
RIGHTS = ("Read", "Write", "List", "Tagging")
TOKEN_LIFE_S = 60
CORS_LIFE_S = 3600
SOCKETS = Path("/tmp")  # noqa: S108 - its choice, not ours
CONNECT_TIMEOUT_S = 5
SECURITY = """\
[jwt.signing]
key = "{write}"
expires_after_seconds = {life}
[jwt.signing.read]
key = "{read}"
expires_after_seconds = {life}
[jwt.filer_signing]
key = "{filer_write}"
expires_after_seconds = {life}
[jwt.filer_signing.read]
key = "{filer_read}"
expires_after_seconds = {life}
"""


@dataclass(frozen=True)
class Ports:
    s3: int
    master: int
    volume: int
    filer: int
    admin: int


@dataclass(frozen=True)
class Account:
    """One pair of keys to one endpoint."""

    endpoint: str
    access_key: str
    secret_key: str


def process(
    home: Home, ports: Ports, *, origins: list[str], prepare: Preparation | None = None
) -> Process:
    program = python_tool("weed")
    if not program.exists():
        raise StackError("SeaweedFS is missing from .venv: run `make setup`, or set S3_ENDPOINT.")
    folder = home.data / "s3"
    for part in ("conf", "data", "log"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _write_security(home, folder / "conf")
    common = [f"-config_dir={folder / 'conf'}", f"-logdir={folder / 'log'}", "-alsologtostderr"]
    return Process(
        name="s3",
        command=(str(program), *common, "mini", *_flags(home, ports, origins)),
        environment={"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder)},
        ready=answers_http(ports.s3, "/healthz"),
        port=ports.s3,
        layer=1,
        stop_timeout_s=8,
        prepare=prepare,
    )


def services_account(home: Home, endpoint: str) -> Account:
    """Name the keys of the services: their buckets only."""
    return Account(endpoint, f"SERVICES{home.secret('s3_name')[:12]}", home.secret("s3_services"))


def admin_account(home: Home, endpoint: str) -> Account:
    return Account(endpoint, f"ADMIN{home.secret('s3_name')[:12]}", home.secret("s3_admin"))


def given_account() -> Account | None:
    """Return the keys of an S3 that the environment names; then none of ours is started."""
    if "S3_ENDPOINT" not in os.environ:
        return None
    try:
        access_key, secret_key = os.environ["S3_ACCESS_KEY"], os.environ["S3_SECRET_KEY"]
    except KeyError as missing:
        raise StackError(f"S3_ENDPOINT is set and {missing.args[0]} is not: set it too.") from None
    return Account(os.environ["S3_ENDPOINT"], access_key, secret_key)


def bucket() -> str:
    return os.environ.get("S3_BUCKET", BUCKET)


def prepare(home: Home, account: Account, origins: list[str]) -> None:
    """Make the product's bucket as it must be, unless this was done before."""
    if given_account():
        prepare_bucket(account, bucket(), origins=origins)
        return
    done = home.data / "s3" / "prepared.json"
    wanted = {"bucket": BUCKET, "origins": origins}
    if read_json(done) != wanted:
        prepare_bucket(admin_account(home, account.endpoint), BUCKET, origins=origins)
        done.write_text(json.dumps(wanted))


def prepare_bucket(account: Account, bucket: str, *, origins: list[str]) -> None:
    """Make the bucket private, encrypted by default, and open to the app's origins only."""
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415 - half a second, needed once per home
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import ClientError  # noqa: PLC0415

    client = boto3.client(
        "s3",
        endpoint_url=account.endpoint,
        region_name=REGION,
        aws_access_key_id=account.access_key,
        aws_secret_access_key=account.secret_key,
        config=Config(connect_timeout=CONNECT_TIMEOUT_S, s3={"addressing_style": "path"}),
    )
    try:
        client.create_bucket(Bucket=bucket)
    except ClientError as refusal:
        if _code(refusal) not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise StackError(f"The bucket {bucket} could not be made: {refusal}.") from refusal
    client.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [_cors(origins)]})


def remove_sockets(home: Home) -> None:
    """Take away what SeaweedFS leaves in the machine's temporary folder, whatever TMPDIR says."""
    for name, port in read_json(home.folder / "ports.json").items():
        if name.startswith("s3"):
            for socket in SOCKETS.glob(f"seaweedfs-*-{port + TWIN}.sock"):
                socket.unlink(missing_ok=True)


def _code(refusal: Any) -> str:
    return str(refusal.response.get("Error", {}).get("Code", ""))


def _cors(origins: list[str]) -> dict[str, Any]:
    return {
        "AllowedOrigins": origins,
        "AllowedMethods": ["GET", "HEAD", "POST", "PUT"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": CORS_LIFE_S,
    }


def _flags(home: Home, ports: Ports, origins: list[str]) -> list[str]:
    folder = home.data / "s3"
    return [
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-master.port={ports.master}",
        "-master.telemetry=false",
        f"-volume.port={ports.volume}",
        f"-filer.port={ports.filer}",
        f"-filer.localSocket={folder / 'filer.sock'}",
        f"-s3.port={ports.s3}",
        f"-s3.config={folder / 'conf' / 's3.json'}",
        f"-s3.localSocket={folder / 's3.sock'}",
        f"-s3.allowedOrigins={','.join(origins)}",
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        f"-admin.port={ports.admin}",
    ]


def _write_security(home: Home, folder: Path) -> None:
    """Without these keys the filer's port serves every object to anybody on this machine."""
    text = SECURITY.format(
        write=home.secret("s3_jwt_write"),
        read=home.secret("s3_jwt_read"),
        filer_write=home.secret("s3_jwt_filer_write"),
        filer_read=home.secret("s3_jwt_filer_read"),
        life=TOKEN_LIFE_S,
    )
    write_private(folder / "security.toml", text)
    limited = [f"{right}:{bucket}" for bucket in (BUCKET, TESTS_BUCKET) for right in RIGHTS]
    identities = [
        _identity("admin", admin_account(home, ""), ["Admin", *RIGHTS]),
        _identity("services", services_account(home, ""), limited),
    ]
    write_private(folder / "s3.json", json.dumps({"identities": identities}, indent=1))


def _identity(name: str, account: Account, actions: list[str]) -> dict[str, Any]:
    keys = {"accessKey": account.access_key, "secretKey": account.secret_key}
    return {"name": name, "credentials": [keys], "actions": actions}
