"""``python -m runtime`` is the command ``equipwatch``."""

from runtime.cli import main

main()
