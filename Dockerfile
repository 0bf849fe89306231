# dnsdisco in a container: docker build -t dnsdisco .   (podman build and buildah bud as well; docs/container.md)
#
#   BASE     an image with Python 3.11 or later, its venv and pip, and apt-get
#   EXTRAS   the optional parts of pyproject.toml, with commas between them: all, consul, kubernetes, doh; nothing for none of them
#
# Port 53 by a file capability, so that nothing runs as root.
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS build
ARG EXTRAS=all
# For setcap. It stays behind in this stage, like everything else that is not copied below.
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libcap2-bin
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY deploy/man ./deploy/man
COPY dnsdisco ./dnsdisco
# Compiled here, as nothing can write there later; but not what is there beside the parts that we use, of the Kubernetes client above all: 55 MB.
# The capability goes on a copy of the interpreter that only dnsdisco uses.
RUN python3 -m venv --without-pip /opt/dnsdisco \
 && python3 -m pip --python /opt/dnsdisco/bin/python3 install --no-cache-dir --no-compile ".${EXTRAS:+[$EXTRAS]}" \
 && python3 -m compileall -q -j 0 -x '/(kubernetes/(aio|client/(api|models))|aiohttp|pygments)/' /opt/dnsdisco/lib \
 && cp --remove-destination "$(readlink -f /opt/dnsdisco/bin/python3)" /opt/dnsdisco/bin/python3 \
 && ln -sf python3 /opt/dnsdisco/bin/python \
 && setcap cap_net_bind_service=+ep /opt/dnsdisco/bin/python3

FROM ${BASE}
RUN useradd --uid 5353 --home-dir /var/lib/dnsdisco --create-home dnsdisco
COPY --from=build /opt/dnsdisco /opt/dnsdisco
COPY deploy/container/dnsdisco.yaml zones/services.yaml /etc/dnsdisco/
ENV PATH=/opt/dnsdisco/bin:$PATH PYTHONUNBUFFERED=1
USER 5353
WORKDIR /var/lib/dnsdisco
EXPOSE 53/udp 53/tcp 8053/tcp
# Asks the server that runs here, else where /etc/dnsdisco/dnsdisco.yaml listens: for plain DNS, or over TLS or HTTPS where there is no other.
# `localhost` is answered whatever zones, services and upstreams there are.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["dnsdisco", "query", "localhost."]
ENTRYPOINT ["dnsdisco"]
CMD ["serve", "--services", "/etc/dnsdisco/services.yaml"]
