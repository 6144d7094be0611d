"""Where schemas/, keys/ and examples/ are found: inside the wheel, or beside the package in a checkout."""

from functools import cache
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE / "_shipped" if (_HERE / "_shipped").is_dir() else _HERE.parent

FORMS = _ROOT / "schemas" / "forms"
OBLIGATIONS = _ROOT / "schemas" / "obligations.json"
ROOTS = _ROOT / "keys" / "roots"
EXAMPLES = _ROOT / "examples"


def form_files(*folders: Path) -> list[bytes]:
    """The bytes of every form file in the shipped folder and in `folders`, in the order of their names."""
    return [
        path.read_bytes() for folder in (FORMS, *folders) if folder.is_dir() for path in sorted(folder.glob("*.json"))
    ]


@cache
def obligations_file() -> bytes:
    """The clauses that the forms serve; the file ships with the program and never changes while it runs."""
    return OBLIGATIONS.read_bytes()
