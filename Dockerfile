# hashsvc in a slim image without root. `--build-arg DEVICE=cuda` takes the torch build with CUDA, `--build-arg EXTRAS=...`
# the extras of pyproject.toml that are named there.
# BASE may name any image with that Python, a Debian underneath and pip; on a machine that pulls nothing, one of its own.
ARG PYTHON=3.11
ARG BASE=python:${PYTHON}-slim
FROM ${BASE} AS build
ARG DEVICE=cpu
RUN python -m venv /opt/hashsvc
ENV PATH=/opt/hashsvc/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml setup.py constraints.txt README.md LICENSE ./
# torch before the sources: it is the largest layer and changes only with constraints.txt.
RUN if [ "$DEVICE" = cpu ]; then index="--index-url https://download.pytorch.org/whl/cpu"; fi \
    && pip install $index "$(grep '^torch==' constraints.txt)"
COPY migrations ./migrations
COPY hashsvc ./hashsvc
ARG EXTRAS=postgresql
RUN pip install -c constraints.txt ".[$EXTRAS]"

FROM ${BASE}
RUN useradd --system --uid 10001 --create-home hashsvc \
    && install -d -o hashsvc -g hashsvc /var/lib/hashsvc
COPY --from=build /opt/hashsvc /opt/hashsvc
ENV PATH=/opt/hashsvc/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HASHSVC_STORE=/var/lib/hashsvc \
    HASHSVC_FOLDER=/var/lib/hashsvc \
    HASHSVC_KERNEL_CACHE=/var/lib/hashsvc/kernel \
    NUMBA_CACHE_DIR=/tmp/hashsvc-kernel \
    HASHSVC_LISTEN=0.0.0.0:50051
USER hashsvc
VOLUME /var/lib/hashsvc
EXPOSE 50051
ENTRYPOINT ["hashsvc"]
CMD ["serve"]
