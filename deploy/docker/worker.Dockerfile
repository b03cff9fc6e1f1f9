# The worker. What `docker build -f deploy/docker/worker.Dockerfile .` gives has the CPU engine;
# `--target gpu` gives the engines `qwen` and `wan`, without models: the endpoint brings one, or a
# volume does. `--target gpu-with-models --build-arg MODEL=Qwen/Qwen-Image-Edit-2511` puts one in.
# docs/gpu.md says which, and what such an image needs of its machine.

FROM python:3.12-slim-bookworm AS tools
WORKDIR /build
COPY deploy/locks/uv.txt ./
RUN pip install --no-cache-dir --require-hashes --requirement uv.txt

FROM tools AS build
COPY worker/requirements.txt ./
RUN uv venv /opt/venv \
    && uv pip sync --python /opt/venv/bin/python --require-hashes --compile-bytecode --no-cache \
       requirements.txt

# PyTorch's wheels bring all of CUDA but the driver, so that no image of NVIDIA's is needed.
FROM tools AS build-gpu
COPY worker/requirements-gpu.txt ./
RUN uv venv /opt/venv \
    && uv pip sync --python /opt/venv/bin/python --require-hashes --compile-bytecode --no-cache \
       requirements-gpu.txt

# Packages and models are linked: they do not depend on the layer of the code, and stay when it changes.
FROM python:3.12-slim-bookworm AS runtime
ARG CODE_OWNER=root
RUN useradd --uid 10001 --user-group --create-home rekindle
WORKDIR /app
COPY --chown=${CODE_OWNER} worker worker
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
CMD ["python", "-m", "worker.handler"]

FROM runtime AS gpu
COPY --link --from=build-gpu /opt/venv /opt/venv
# Nothing is fetched at run time: who waits for a photo does not wait for 60 GB.
ENV ENGINE=qwen \
    HF_HUB_OFFLINE=1 \
    PYTORCH_ALLOC_CONF=expandable_segments:True \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM build-gpu AS models
ARG MODEL
ARG LORA=""
ARG LORA_FILES=""
# Word splitting is wanted: there may be several files.
# hadolint ignore=SC2086
RUN /opt/venv/bin/hf download --cache-dir /models "${MODEL}" \
    && if [ -n "${LORA}" ]; then \
         /opt/venv/bin/hf download --cache-dir /models "${LORA}" ${LORA_FILES}; \
       fi

FROM gpu AS gpu-with-models
COPY --link --from=models /models /models

FROM runtime AS cpu
COPY --link --from=build /opt/venv /opt/venv
ENV ENGINE=cpu
