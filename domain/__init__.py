"""Pure values of the product: no I/O, no clock, no randomness."""
