# The workflow with everything that it needs; docs/container.md says how to build and use it.
FROM python:3.11.12-slim-bookworm

LABEL org.opencontainers.image.title="edgeint8-archkit" \
      org.opencontainers.image.version="0.1.0"

# A C compiler for the checker of the golden vectors. Debian keeps only the newest build of a version to install.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*

# Whichever user runs it: caches are in /tmp, and the project's folder may be written to.
ENV HOME=/tmp \
    NUMBA_CACHE_DIR=/tmp/numba \
    PYTHONUNBUFFERED=1
WORKDIR /archkit
RUN useradd --uid 1000 --no-create-home archkit \
 && chown archkit /archkit \
 && chmod 0777 /archkit
USER 1000

# Only another lock makes another environment. PIP_EXTRA_INDEX_URL may name an index with CPU builds of PyTorch.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
COPY --chown=archkit run requirements.txt ./
RUN PIP_NO_CACHE_DIR=1 ./run true

COPY --chown=archkit . .
RUN mkdir -p .snakemake results && chmod 0777 .snakemake docs results
ENV PATH=/archkit/.venv/bin:$PATH
ENTRYPOINT ["/archkit/run"]
CMD ["snakemake", "--dry-run", "all"]
