"""The house rules of DESIGN.md section 5 and STYLE.md, as far as a machine can see them.

Read are the files that git tracks or would track; where there is no git, every file but what make and the tools leave.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")
MAX_LINES = 350
LEFT_BY_TOOLS = re.compile(r"\..*|__pycache__|build|dist|.*\.egg-info")


def project_files() -> list[Path]:
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        command = [git, "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        names = [os.fsdecode(name) for name in listed.split(b"\0") if name]
        return sorted({ROOT / name for name in names if (ROOT / name).is_file()})
    found = [ROOT / ".ci" / "run", ROOT / ".gitignore"]
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if not LEFT_BY_TOOLS.fullmatch(name)]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found)


FILES = project_files()
MODULES = [path for path in FILES if path.suffix == ".py" and path.is_relative_to(ROOT / "exchange")]


def place(path: Path, line: int | None = None) -> str:
    return f"{path.relative_to(ROOT)}" if line is None else f"{path.relative_to(ROOT)}:{line}"


def texts() -> Iterator[tuple[Path, str]]:
    for path in FILES:
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a PDF among the examples: no text of ours


def lines_with(pattern: str, flags: int = 0) -> list[str]:
    found = re.compile(pattern, flags)
    return [
        place(path, text.count("\n", 0, match.start()) + 1) for path, text in texts() for match in found.finditer(text)
    ]


Step = ast.expr | ast.stmt | ast.ExceptHandler


def steps(*floors: str) -> Iterator[tuple[Path, Step]]:
    """Every expression and statement of the package, or of some of its floors."""
    for path in MODULES:
        if not floors or path.relative_to(ROOT / "exchange").parts[0] in floors:
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, Step):
                    yield path, node


def called(node: ast.AST) -> str:
    """The last name of what is called: `now` in `datetime.now()`."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    environment = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"} | {"NO_COLOR": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_package_is_found() -> None:
    assert ROOT / "exchange" / "errors.py" in MODULES


def test_imports_point_down() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("core/planted.py", "import os.path", "core and trust are pure"),
        ("trust/planted.py", "from exchange.resources import FORMS", "core and trust are pure"),
        ("trust/planted.py", "import exchange.store", "Imports point down"),
        ("node/planted.py", "import exchange.federation", "Imports point down"),
        ("node/planted.py", "from sqlalchemy import select", "SQL lives in store alone"),
        ("federation/planted.py", "import httpx", "HTTP goes out in one file"),
        ("utils.py", "HELPERS = ()", "Imports point down"),
    ],
)
def test_a_line_on_the_wrong_floor_is_noticed(tmp_path: Path, module: str, line: str, contract: str) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "exchange", tmp_path / "exchange", ignore=shutil.ignore_patterns("__pycache__"))
    for floor in ("federation", "node", "store"):
        (tmp_path / "exchange" / floor).mkdir(exist_ok=True)
        (tmp_path / "exchange" / floor / "__init__.py").touch()
    (tmp_path / "exchange" / module).write_text(line + "\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 1, result.stdout
    assert re.search(rf"{contract}.* BROKEN", result.stdout), result.stdout


def test_core_and_trust_ask_neither_clock_nor_chance_nor_disk() -> None:
    impure = {"now", "utcnow", "today", "generate", "open", "input"}
    assert [place(path, step.lineno) for path, step in steps("core", "trust") if called(step) in impure] == []


def test_no_file_is_too_long() -> None:
    long = {place(path): number for path in MODULES if (number := len(path.read_bytes().splitlines())) > MAX_LINES}
    assert long == {}, "look for the second noun inside"


def test_every_module_says_what_it_guarantees() -> None:
    assert [place(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_bytes()))] == []


def test_nothing_below_the_command_line_prints_or_exits() -> None:
    floors = {path.relative_to(ROOT / "exchange").parts[0] for path in MODULES} - {"cli", "__main__.py"}
    loud = {"print", "exit", "_exit", "SystemExit"}
    assert [place(path, step.lineno) for path, step in steps(*floors) if called(step) in loud] == []


def swallows(node: ast.AST) -> bool:
    """A bare except, and a catch-all that says nothing."""
    if isinstance(node, ast.ExceptHandler):
        everything = node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"}
        silent = all(isinstance(inner, ast.Pass | ast.Continue | ast.Break) for inner in node.body)
        return node.type is None or (everything and silent)
    if called(node) == "suppress" and isinstance(node, ast.Call):
        return any(getattr(argument, "id", "") in {"Exception", "BaseException"} for argument in node.args)
    return False


def test_no_exception_is_swallowed_unseen() -> None:
    assert [place(path, step.lineno) for path, step in steps() if swallows(step)] == []


@pytest.mark.parametrize(
    "code",
    [
        "try: f()\nexcept: g()",
        "try: f()\nexcept Exception: pass",
        "for x in y:\n  try: f()\n  except BaseException as e: continue",
        "with suppress(Exception): f()",
    ],
)
def test_a_swallowed_exception_is_noticed(code: str) -> None:
    assert any(swallows(node) for node in ast.walk(ast.parse(code)))


def test_states_participate() -> None:
    assert lines_with(r"\bmember" + r"\s+states?\b", re.IGNORECASE) == []


def test_no_private_key_is_kept_here() -> None:
    assert lines_with(r"-----BEGIN [A-Z ]*PRIVATE KEY") == []
    assert lines_with(r"PRIVATE\+KEY\+[^\s+]+\+[0-9a-f]{8}\+") == []


def test_no_package_index_is_named() -> None:
    assert lines_with(r"--(?:(?:extra-)?index-url|find-links|trusted-host)|(?:PIP|UV)_(?:EXTRA_)?INDEX") == []
    assert lines_with(r"^\s*(?:extra-)?index-url\s*=", re.MULTILINE) == []
    assert lines_with(r"https?://[^\s\"']+\.(?:whl|tgz|deb)\b") == []
    assert lines_with(r"https?://[^\s\"'/]*(?:py" + r"pi|python" + r"hosted)") == []


def locked(name: str) -> dict[str, tuple[Requirement, list[str]]]:
    """What a lock file names: project -> (requirement, hashes). Anything else in it but a comment fails here."""
    found: dict[str, tuple[Requirement, list[str]]] = {}
    for line in (ROOT / name).read_text().replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            text, *hashes = re.split(r"\s+--hash=", line.strip())
            requirement = Requirement(text)
            found[canonicalize_name(requirement.name)] = (requirement, hashes)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_requirement_is_pinned_and_hashed(lock: str) -> None:
    requirements = locked(lock)
    assert requirements
    for requirement, hashes in requirements.values():
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place(lock: str) -> None:
    assert re.findall(r"://|file:|@ |(?<=\s)/\S+", (ROOT / lock).read_text()) == []


def test_the_locks_agree() -> None:
    everything = locked("requirements-dev.lock")
    for lock in LOCKS:
        for name, pin in locked(lock).items():
            assert pin == everything[name], (lock, name)


def test_the_locks_cover_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    asked = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-build.lock": [*groups["build"], *project["build-system"]["requires"]],
        "requirements-dev.lock": [line for line in groups["dev"] if isinstance(line, str)],
    }
    for lock, lines in asked.items():
        pins = locked(lock)
        for wanted in map(Requirement, lines):
            version = str(pins[canonicalize_name(wanted.name)][0].specifier).removeprefix("==")
            assert version in wanted.specifier, (lock, wanted)


def test_the_check_before_landing_can_be_started() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
