"""The importer: owns files and everything else that comes in; never reads a suite or a run."""
