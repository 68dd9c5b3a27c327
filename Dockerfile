# syntax=docker/dockerfile:1
# ser-serve, as a user without rights. See docs/server.md. To pin the base, build with
# --build-arg PYTHON=python:3.11-slim@sha256:...
ARG PYTHON=python:3.11-slim

FROM ${PYTHON} AS build
WORKDIR /src
RUN python -m venv /opt/ser-rt
# Dependencies first: a change of the sources does not install them again.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; e = p['optional-dependencies']; flat = lambda r: sum(map(flat, sum((e[x] for x in r[7:-1].split(',')), [])), []) if r.startswith('ser-rt[') else [r]; print(*p['dependencies'], *flat('ser-rt[cpu,server]'), sep='\n')" > needs.txt \
  && /opt/ser-rt/bin/pip install --no-cache-dir -c constraints.txt -r needs.txt
COPY README.md LICENSE ./
COPY ser_rt ser_rt
COPY export export
COPY benchmarks benchmarks
# A server measures and exports nothing.
RUN /opt/ser-rt/bin/pip install --no-cache-dir --no-deps . \
  && rm -r /opt/ser-rt/lib/python3*/site-packages/ser_rt/benchmarks \
    /opt/ser-rt/lib/python3*/site-packages/ser_rt/export \
    /opt/ser-rt/bin/ser-bench /opt/ser-rt/bin/ser-export

FROM ${PYTHON}
LABEL org.opencontainers.image.title="ser-rt" \
  org.opencontainers.image.description="Real-time speech emotion recognition over WebSocket and HTTP" \
  org.opencontainers.image.licenses="MIT AND CC-BY-NC-SA-4.0"
RUN useradd --system --no-create-home --uid 10001 ser
COPY --from=build /opt/ser-rt /opt/ser-rt
# Flags of ser-serve are variables, too: SER_SERVE_PORT is the health check's port as well.
ENV PATH=/opt/ser-rt/bin:$PATH PYTHONUNBUFFERED=1 SER_SERVE_HOST=0.0.0.0 SER_SERVE_PORT=8765
USER 10001
EXPOSE 8765
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["python", "-m", "ser_rt.server.healthcheck"]
# Beyond the container it wants keys: give --api-key-file, or --insecure behind a wall of your own.
ENTRYPOINT ["ser-serve"]
