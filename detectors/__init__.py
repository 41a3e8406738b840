"""NumPy kernels, one module a detector: no I/O, no clock, no randomness."""
