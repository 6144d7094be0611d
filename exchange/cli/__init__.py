"""The command line: one verb, one file. stdout is the answer, stderr the talk; exit 0 yes, 1 no, 2 misuse, 3 could not reach."""

from exchange.cli.program import main

__all__ = ["main"]
