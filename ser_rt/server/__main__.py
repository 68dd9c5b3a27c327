"""``python -m ser_rt.server`` is ``ser-serve``."""

import sys

from ser_rt.server.cli import main

if __name__ == "__main__":
    sys.exit(main())
