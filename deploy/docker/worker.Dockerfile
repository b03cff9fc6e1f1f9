# The GPU worker, with the CPU engine unless ENGINE says otherwise:
#   docker build -f deploy/docker/worker.Dockerfile .

FROM python:3.12-slim-bookworm AS build
WORKDIR /build
COPY deploy/locks/uv.txt worker/requirements.txt ./
RUN pip install --no-cache-dir --require-hashes --requirement uv.txt \
    && uv venv /opt/venv \
    && uv pip sync --python /opt/venv/bin/python --require-hashes --compile-bytecode --no-cache \
       requirements.txt

FROM python:3.12-slim-bookworm
ARG CODE_OWNER=root
RUN useradd --uid 10001 --user-group --create-home rekindle
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY --chown=${CODE_OWNER} worker worker
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ENGINE=cpu
USER 10001:10001
CMD ["python", "-m", "worker.handler"]
