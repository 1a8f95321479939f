"""Parameters, runs, manifests and the command line. Owns no analysis."""
