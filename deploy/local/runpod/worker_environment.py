"""What the unmodified SDK must find in its environment to take work from the emulator."""

PING_INTERVAL_MS = 4_000


def worker_environment(
    *, base_url: str, endpoint_id: str, api_key: str, worker_id: str
) -> dict[str, str]:
    """`base_url` ends in `/v2`. The SDK fills in `$ID` and `$RUNPOD_POD_ID` itself."""
    endpoint = f"{base_url}/{endpoint_id}"
    query = f"?gpu=cpu&key={api_key}"
    return {
        "RUNPOD_ENDPOINT_ID": endpoint_id,
        "RUNPOD_POD_ID": worker_id,
        "RUNPOD_AI_API_KEY": api_key,
        "RUNPOD_PING_INTERVAL": str(PING_INTERVAL_MS),
        "RUNPOD_WEBHOOK_GET_JOB": f"{endpoint}/job-take/$ID{query}",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{endpoint}/job-done/$RUNPOD_POD_ID/$ID{query}",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{endpoint}/job-stream/$RUNPOD_POD_ID/$ID{query}",
        "RUNPOD_WEBHOOK_PING": f"{endpoint}/ping/$RUNPOD_POD_ID{query}",
        # The SDK's own checks look for a GPU and for the network, and stop the worker without.
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }
