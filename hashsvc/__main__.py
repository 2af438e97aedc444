"""``hashsvc`` and ``python -m hashsvc``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and leave with its exit status."""
    # OpenMP threads that spin while they wait cost other processes a hundred times the work they save.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from hashsvc.cli.program import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
