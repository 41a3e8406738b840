"""Backtests: detectors over stored or simulated history, on a virtual clock, held against truth."""
