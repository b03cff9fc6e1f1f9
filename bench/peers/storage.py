"""aioboto3 as its documentation has it: an object through the client, and an address for others.

Orders: `put` 50 MB so often, and `sign` so many addresses.
"""

import asyncio
import os

import aioboto3

from bench.peers import told

PUTS, SIGNATURES = 3, 300
BODY_BYTES = 50 * 1024 * 1024
EXPIRES_S = 600


async def main() -> None:
    bucket, body = os.environ["S3_BUCKET"], os.urandom(BODY_BYTES)
    session = aioboto3.Session(
        aws_access_key_id=os.environ["S3_ACCESS_KEY"],
        aws_secret_access_key=os.environ["S3_SECRET_KEY"],
        region_name="us-east-1",
    )
    async with session.client("s3", endpoint_url=os.environ["S3_ENDPOINT"]) as client:

        async def put() -> int:
            for one in range(PUTS):
                await client.put_object(Bucket=bucket, Key=f"bench/{one}", Body=body)
            return PUTS

        async def sign() -> int:
            for one in range(SIGNATURES):
                given = {"Bucket": bucket, "Key": f"bench/{one}"}
                assert await client.generate_presigned_url("put_object", given, EXPIRES_S)
            return SIGNATURES

        await told.obey({"put": put, "sign": sign})


if __name__ == "__main__":
    asyncio.run(main())
