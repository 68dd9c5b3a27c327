# syntax=docker/dockerfile:1
# ser-serve, as a user without rights. See docs/server.md.

FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/ser-rt
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY ser_rt ser_rt
COPY export export
COPY benchmarks benchmarks
RUN /opt/ser-rt/bin/pip install --no-cache-dir -c constraints.txt '.[cpu,server]'

FROM python:3.11-slim
RUN useradd --system --no-create-home --uid 10001 ser
COPY --from=build /opt/ser-rt /opt/ser-rt
ENV PATH=/opt/ser-rt/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
EXPOSE 8765
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["python", "-m", "ser_rt.server.healthcheck"]
# Beyond the container it wants keys: give --api-key-file, or --insecure behind a wall of your own.
ENTRYPOINT ["ser-serve", "--host", "0.0.0.0"]
