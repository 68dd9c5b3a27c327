"""``python -m ser_rt.cluster`` is ``ser-cluster``."""

import sys

from ser_rt.cluster.cli import main

if __name__ == "__main__":
    sys.exit(main())
