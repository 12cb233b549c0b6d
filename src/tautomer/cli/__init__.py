"""The command line: one small module for each command, put together in `application`."""

from tautomer.cli.application import main

__all__ = ["main"]
