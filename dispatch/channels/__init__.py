"""Ways to reach a receiver, one module each."""
