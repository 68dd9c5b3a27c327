"""Health check for containers: ``python -m ser_rt.server.healthcheck``.

It takes the port as its argument, or from ``SER_SERVE_PORT``, as the server does.
"""

from __future__ import annotations

import os
import ssl
import sys
import urllib.request
from collections.abc import Sequence

from ser_rt.server.cli import ENVIRONMENT, PORT

TIMEOUT_S = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 if the server at a port answers, over HTTP or HTTPS, else 1."""
    arguments = sys.argv[1:] if argv is None else argv
    port = int(arguments[0] if arguments else os.environ.get(f"{ENVIRONMENT}PORT") or PORT)
    # The request goes to this machine, whose certificate has another name.
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    # A proxy of the environment would not lead back here.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unverified)
    )
    for scheme in ("http", "https"):
        address = f"{scheme}://127.0.0.1:{port}/healthz"
        try:
            with opener.open(address, timeout=TIMEOUT_S):
                return 0
        except OSError:
            continue
    return 1


if __name__ == "__main__":
    sys.exit(main())
