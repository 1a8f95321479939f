"""Write the calibration table: simulated experiments with known truth, and what estimators promise.

Run by ``make calibrate``; ends with 1 when a figure lies outside of its band.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read once by Polars: frames are small

from workbench import calibration, text


def main() -> int:
    """Simulate, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=calibration.EXPERIMENTS)
    parser.add_argument("--seed", type=int, default=1, help="one for all; no seed is tried twice")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", action="append", metavar="ESTIMATOR", help="may be repeated")
    parser.add_argument("--out", type=Path, default=Path("calibration.json"))
    asked = parser.parse_args()
    started = time.monotonic()
    found = calibration.calibration_table(
        experiments=asked.experiments,
        seed=asked.seed,
        only=asked.only,
        workers=asked.workers,
        progress=lambda name: print(f"done: {name}", file=sys.stderr, flush=True),
    )
    found.write(asked.out)
    print(found.page.to_string(index=False))
    print(found.text)
    print(f"{asked.out}, in {text.duration(time.monotonic() - started)}")
    return 0 if found.passed else 1


if __name__ == "__main__":
    sys.exit(main())
