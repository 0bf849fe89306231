# Two stages: what builds the wheel stays behind. Port 53 by a file capability, so that nothing runs as root.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY dnsdisco ./dnsdisco
RUN python -m venv /opt/dnsdisco \
 && /opt/dnsdisco/bin/pip install --no-cache-dir '.[all]'

FROM python:3.13-slim
# libcap2-bin is needed for setcap alone; the capability goes on a copy of the interpreter that only dnsdisco uses.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libcap2-bin \
 && useradd --system --uid 5353 --home-dir /var/lib/dnsdisco --create-home dnsdisco
COPY --from=build /opt/dnsdisco /opt/dnsdisco
RUN cp --remove-destination "$(readlink -f /opt/dnsdisco/bin/python3)" /opt/dnsdisco/bin/python3 \
 && ln -sf python3 /opt/dnsdisco/bin/python \
 && setcap cap_net_bind_service=+ep /opt/dnsdisco/bin/python3 \
 && apt-get purge -y --auto-remove libcap2-bin \
 && rm -rf /var/lib/apt/lists/*
COPY zones/services.yaml /etc/dnsdisco/services.yaml
ENV PATH=/opt/dnsdisco/bin:$PATH PYTHONUNBUFFERED=1
USER dnsdisco
WORKDIR /var/lib/dnsdisco
EXPOSE 53/udp 53/tcp 8053/tcp
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["dnsdisco", "query", "svc.local", "SOA", "--server", "127.0.0.1:53"]
ENTRYPOINT ["dnsdisco"]
CMD ["serve", "--listen", "0.0.0.0:53", "--services", "/etc/dnsdisco/services.yaml", "--http", "127.0.0.1:8053"]
