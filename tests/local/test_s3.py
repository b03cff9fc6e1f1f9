"""The private S3: its doors are closed to whoever has no key."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aioboto3
import httpx
import pytest
from botocore.exceptions import ClientError

from deploy.local.home import read_json


def client(settings: dict[str, str]) -> Any:
    return aioboto3.Session().client(
        "s3",
        endpoint_url=settings["S3_ENDPOINT"],
        region_name=settings["S3_REGION"],
        aws_access_key_id=settings["S3_ACCESS_KEY"],
        aws_secret_access_key=settings["S3_SECRET_KEY"],
    )


async def test_nothing_is_read_without_a_signature(s3: dict[str, str]) -> None:
    async with client(s3) as storage, httpx.AsyncClient() as anybody:
        await storage.put_object(Bucket=s3["S3_BUCKET"], Key="secret", Body=b"grandmother")

        answer = await anybody.get(f"{s3['S3_ENDPOINT']}/{s3['S3_BUCKET']}/secret")

    assert answer.status_code == 403


async def test_the_filer_behind_it_asks_for_a_token(
    stack: dict[str, Any], s3: dict[str, str]
) -> None:
    filer = read_json(Path(stack["home"]) / "ports.json")["s3-filer"]
    async with client(s3) as storage, httpx.AsyncClient() as anybody:
        await storage.put_object(Bucket=s3["S3_BUCKET"], Key="secret", Body=b"grandmother")
        place = f"http://127.0.0.1:{filer}/buckets/{s3['S3_BUCKET']}"

        read = await anybody.get(f"{place}/secret")
        written = await anybody.put(f"{place}/planted", content=b"x")

    assert (read.status_code, written.status_code) == (401, 401)


async def test_objects_are_encrypted_by_default(s3: dict[str, str]) -> None:
    async with client(s3) as storage:
        await storage.put_object(Bucket=s3["S3_BUCKET"], Key="plain", Body=b"grandmother")
        head = await storage.head_object(Bucket=s3["S3_BUCKET"], Key="plain")

    assert head["ServerSideEncryption"] == "AES256"


async def test_the_services_keys_reach_no_other_bucket(s3: dict[str, str]) -> None:
    async with client(s3) as storage:
        with pytest.raises(ClientError, match="AccessDenied"):
            await storage.create_bucket(Bucket="another")


@pytest.mark.parametrize(("is_ours", "status"), [(True, 200), (False, 403)])
async def test_only_the_app_s_origin_may_send_a_photo_from_a_browser(
    stack: dict[str, Any], *, is_ours: bool, status: int
) -> None:
    settings = stack["environments"]["uploads"]
    origin = stack["gateway_url"] if is_ours else "https://evil.example"
    async with httpx.AsyncClient() as browser:
        preflight = await browser.options(
            f"{settings['S3_ENDPOINT']}/{settings['S3_BUCKET']}/photo",
            headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
        )

    assert preflight.status_code == status


async def test_it_listens_on_loopback_only(stack: dict[str, Any]) -> None:
    for name in ("s3_endpoint", "gateway_url", "amqp_url", "admin_database_url"):
        assert urlsplit(stack[name]).hostname == "127.0.0.1"
