"""Settings, wiring, processes and command line: the only package that names concrete adapters."""
