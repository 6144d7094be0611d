"""schemathesis asks a real node all that /openapi.json allows, and much that it forbids: every answer is one that was promised.

`make test` derives the same questions each time, `make fuzz` draws new ones for as long as CBM_FUZZ_SECONDS says, and prints the seed.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from exchange.core.base64text import format_base64
from tests.served import served
from tests.stock import FORMS, Stock, stocked

SECONDS = int(os.environ.get("CBM_FUZZ_SECONDS", "0"))
EXAMPLES = 10  # questions an operation and phase, where the time is not given
# What a random envelope meets is a refusal, however well its JSON is formed.
ONLY_SIGNED = """
[[operations]]
include-name = "POST /v1/submissions"
checks.positive_data_acceptance.enabled = false
warnings = false

[[operations]]
include-name = "POST /v1/session"
checks.positive_data_acceptance.enabled = false
warnings = false
"""
# Not `missing_deserializer`: zip packs and lines of documents are read by their own tests.
NOTICED = (
    "missing_test_data",
    "validation_mismatch",
    "unsupported_regex",
    "method_not_allowed",
    "unresolvable_reference",
    "dictionary_mismatch",
)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    with stocked(tmp_path_factory.mktemp("stock")) as stock:
        yield stock


def real_values(stock: Stock) -> dict[str, list[str]]:
    """What is there to be found: without it, every question would be about things that are not."""
    nil = [stock.node.parcel("ICT-03", header={"kind": "nothing to declare"}) for _ in range(3)]
    return {
        "path.ident": list(stock.ids.values()),
        "path.commitment": stock.commitments(),
        "path.code": list(FORMS),
        "query.participant": ["XR", "XA", "XI"],
        "query.origin": [f"{code}.test.example/log" for code in ("xr", "xa", "xi")],
        "query.form": list(FORMS),
        "query.series": list(stock.ids.values()),
        "query.obligation": ["OSCE:PC.DEC/1202:CBM-8"],
        "query.period": ["2025", "2025-03", "2025-05-15"],
        "query.q": ["team", "strateg*", '"a response team"', "стратегия", "technical"],
        "query.role": ["technical", "policy"],
        "body.envelope": [format_base64(parcel.envelope) for parcel in nil],
    }


def configuration(stock: Stock) -> str:
    values = real_values(stock)
    lines = [f"warnings = {{ display = {orjson.dumps(NOTICED).decode()}, fail-on = {orjson.dumps(NOTICED).decode()} }}"]
    lines += ["[parameters]"]
    lines += [f'"{name}" = {{ dictionary = "{name.replace(".", "-")}", probability = 0.6 }}' for name in values]
    lines += ["[dictionaries]"]
    lines += [
        f"{name.replace('.', '-')} = {{ values = {orjson.dumps(each).decode()} }}" for name, each in values.items()
    ]
    return "\n".join(lines) + "\n" + ONLY_SIGNED


def test_every_answer_is_one_that_was_promised(stock: Stock, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(configuration(stock))
    command = [str(Path(sys.executable).with_name("st")), "run", "--no-color", "--continue-on-failure"]
    if SECONDS:
        command += ["--max-time", str(SECONDS), "--max-examples", "1000", "--generation-database", "none"]
    else:
        command += ["--generation-deterministic", "--max-examples", str(EXAMPLES)]
    with served(stock.node) as url:
        run = subprocess.run(
            [*command, f"{url}/openapi.json"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Tested: 33" in run.stdout
