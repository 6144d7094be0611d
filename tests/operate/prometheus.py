"""As much of Prometheus as our alert rules need: samples out of a scrape, and comparisons of them.

now, before = scrape(text), scrape(earlier_text)
fires('cbm_entries{verdict="waiting"} > 0', now, before)
"""

import re
from collections.abc import Callable, Mapping
from operator import eq, gt, lt
from pathlib import Path

RULES = Path(__file__).resolve().parents[2] / "examples" / "operate" / "alerts.yml"

_LABEL = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
_SAMPLE = re.compile(rf"([a-z_]+)(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (\+Inf|-?[0-9]+(?:\.[0-9]+)?)")
_SELECTOR = re.compile(rf"(?:(increase)\()?([a-z_]+)(?:\{{({_LABEL})\}})?(?:\[[0-9]+[smhd]\]\))?")

Labels = frozenset[str]
Scrape = Mapping[str, Mapping[Labels, float]]


def scrape(text: str) -> Scrape:
    """Every sample by metric and labels. Each line must be well formed, and belong to the family announced above it."""
    samples: dict[str, dict[Labels, float]] = {}
    announced: list[str] = []
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("#"):
            kind, name, *words = line[2:].split(" ")
            assert kind in ("HELP", "TYPE") and words, line
            if kind == "HELP":
                assert name not in samples, f"{name} is announced twice"
                samples[name] = {}
            else:
                assert words[0] in ("gauge", "counter") and (words[0] == "counter") == name.endswith("_total"), line
                announced.append(name)
            continue
        found = _SAMPLE.fullmatch(line)
        assert found is not None, line
        name, inside, value = found.groups()
        assert announced[-1:] == [name], line
        labels = frozenset(re.findall(_LABEL, inside or ""))
        assert labels not in samples[name], f"twice: {line}"
        samples[name][labels] = float(value)
    return samples


def rules() -> dict[str, str]:
    """The expression of every alert in examples/operate/alerts.yml."""
    text = RULES.read_text()
    found = re.findall(r"^      - alert: (\w+)\n        expr: (.+)$", text, re.MULTILINE)
    assert len(found) == text.count("- alert:")
    return dict(found)


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:cbm_[a-z_]+|up)\b", re.sub(r"\{.*?\}", "", expression)))


def fires(expression: str, now: Scrape, before: Scrape | None = None) -> list[Labels]:
    """The labels for which `A op B` holds, where B is a number, a metric, or a number times a metric."""
    found = re.fullmatch(r"(.+?) (<|>|==) (?:([0-9]+) \* )?(.+)", expression)
    assert found is not None, expression
    left, sign, factor, right = found.groups()
    limit = float(right) if right.isdigit() else float(factor or 1) * next(iter(now[right].values()))
    compare: Callable[[float, float], bool] = {"<": lt, ">": gt, "==": eq}[sign]
    return [labels for labels, value in _select(left, now, before).items() if compare(value, limit)]


def _select(selector: str, now: Scrape, before: Scrape | None) -> dict[Labels, float]:
    found = _SELECTOR.fullmatch(selector)
    assert found is not None, selector
    increase, name, label = found.groups()
    chosen = {labels: value for labels, value in now[name].items() if label is None or label in labels}
    if increase is None:
        return chosen
    assert before is not None
    return {labels: value - before[name].get(labels, 0) for labels, value in chosen.items()}
