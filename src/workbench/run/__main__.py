"""``python -m workbench.run``: the command line where its script is not on the path. Owns nothing else."""

from workbench.run.cli import main

main()
