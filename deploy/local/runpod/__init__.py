"""The documented RunPod Serverless control plane, in memory, for development and tests.

Both sides of it: the API a client calls, and the protocol the unmodified SDK's worker speaks.
Run it with `uvicorn deploy.local.runpod.app:create_app --factory`.
"""
