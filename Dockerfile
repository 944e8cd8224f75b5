# The gateway as an image: docker build -t edge-cloud-gateway .
# The first build compiles llama.cpp, which takes some minutes; a change of the gateway's own code does not.

FROM python:3.11-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
# Without the build machine's own instructions, or the image dies with SIGILL on another CPU.
ENV CMAKE_ARGS="-DGGML_NATIVE=OFF" \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_CACHE_DIR=/var/cache/pip
RUN python -m venv /opt/gateway
WORKDIR /src
COPY constraints.txt ./
# The cache outlives this build and is in no layer: a new version of anything else compiles nothing again.
RUN --mount=type=cache,target=/var/cache/pip \
    /opt/gateway/bin/pip install --constraint constraints.txt llama-cpp-python
COPY pyproject.toml README.md LICENSE ./
COPY gateway ./gateway
RUN --mount=type=cache,target=/var/cache/pip \
    /opt/gateway/bin/pip install --constraint constraints.txt '.[all]'
# llama.cpp's build leaves its libraries and headers a second time beside llama_cpp/lib, where nothing looks.
RUN rm -r /opt/gateway/lib/python3*/site-packages/lib /opt/gateway/lib/python3*/site-packages/include \
    && /opt/gateway/bin/pip uninstall --quiet --yes setuptools pip

FROM python:3.11-slim
# llama.cpp computes with OpenMP.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin gateway \
    && install --directory --owner gateway --group gateway --mode 0700 /var/lib/gateway
COPY --from=build /opt/gateway /opt/gateway
# The ledger of spend is /var/lib/gateway/ledger.db: mount a volume there, or a new container forgets it.
ENV PATH="/opt/gateway/bin:$PATH" \
    XDG_STATE_HOME=/var/lib
USER gateway
EXPOSE 50051 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["gateway", "health"]
ENTRYPOINT ["gateway"]
# Plain text inside the container's network only: publish the ports on loopback, or put TLS in front of it.
CMD ["serve", "--listen", "0.0.0.0:50051", "--http", "0.0.0.0:8080", "--insecure"]
