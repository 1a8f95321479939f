"""Runs every committed notebook with its own defaults and stores it with outputs, normalised."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import papermill

from workbench.run.normalise import normalised

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Run the notebooks named as arguments, or all, in the order of their numbers."""
    os.environ["WORKBENCH_ROOT"] = str(ROOT)
    paths = [Path(name) for name in sys.argv[1:]] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    for path in paths:
        print(f"running {path.name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / path.name
            papermill.execute_notebook(
                str(path),
                str(output),
                kernel_name="python3",
                progress_bar=False,
                cwd=str(path.parent),
                execution_timeout=600,
            )
            path.write_text(normalised(output.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
