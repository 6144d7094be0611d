"""How the demonstration speaks: in chapters, a fact a line, each with the command that shows it again; and whether every fact held."""

from collections.abc import Callable, Iterable

from exchange.trust.verdict import Verdict

_MARK = {True: "ok  ", False: "NO  ", None: "  - "}


class Voice:
    """`good` until something that must hold did not."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._chapters = say, 0
        self.good = True

    def chapter(self, title: str) -> None:
        self._chapters += 1
        self._say("")
        self._say(f"{self._chapters}. {title}")

    def line(self, text: str = "") -> None:
        self._say(f"  {text}".rstrip())

    def lines(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.line(text)

    def again(self, command: str) -> None:
        self._say(f"  again: {command}")

    def expect(self, holds: bool, yes: str, no: str) -> None:
        self.line(yes if holds else f"WRONG: {no}")
        self.good &= holds

    def verdict(self, found: Verdict) -> None:
        """As `cbm verify` says it."""
        self.lines(f"{_MARK[check.passed]}{check.line}" for check in found.checks)
        self.line(found.summary)
