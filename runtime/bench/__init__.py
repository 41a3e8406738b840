"""Benchmarks that a buyer runs on their own machine: ``equipwatch bench``."""
