"""Every form goes the whole way: drafted, submitted, pulled, found by its words and proven from a pack. Driven by the files."""

import json
from pathlib import Path
from typing import Any

import pytest

from exchange.client import pinned_records
from exchange.core.confines import check_body
from exchange.core.form import Form
from exchange.errors import AudienceNotEnforced
from exchange.resources import EXAMPLES
from tests.world import World, shipped_forms

EXAMPLE: dict[str, dict[str, Any]] = {}
for path in sorted((EXAMPLES / "returns").glob("*.json")):
    EXAMPLE.setdefault("-".join(path.name.split(".")[0].split("-")[:2]), json.loads(path.read_bytes()))


STATES = "participating States"


def may_be_for(form: Form, audience: str) -> bool:
    return audience in form.meta.get("audiences", [audience]) and not check_body(form, audience, EXAMPLE[form.code])


def said(body: Any) -> str:
    """Some words of a body, to be found by."""
    if isinstance(body, dict) and isinstance(body.get("en"), str):
        return " ".join(body["en"].split()[:3])
    inner = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    return next((words for value in inner if (words := said(value))), "")


def test_every_form_goes_the_whole_way(tmp_path: Path) -> None:
    forms = [form for code in sorted(EXAMPLE) if (form := shipped_forms().newest(code)) is not None]
    assert {form.code for form in forms} == {code for code, _ in shipped_forms().forms if not code.startswith("SEAL-")}
    with World(tmp_path, "XR", "XA") as world:
        xr, xa = world["XR"], world["XA"]
        made, few = {}, {}
        for form in forms:
            body = EXAMPLE[form.code]
            if may_be_for(form, "public"):
                made[form.code] = xr.publish(form.code, header={"audience": "public"}, **body)
            elif may_be_for(form, STATES):
                few[form.code] = xr.publish(form.code, header={"audience": STATES}, **body)
            else:  # for named participants, which only a sealed submission reaches
                with pytest.raises(AudienceNotEnforced):
                    xr.publish(form.code, header={"audience": ["XA"]}, **body)
        assert len(made) >= 30 and {"POC-03", "ICT-06", "ICT-14"} <= set(few)
        world.pull()
        xa.running.indexer.catch_up()
        anchors = [pinned_records((xa.directory / "peers.json").read_bytes())]
        with xa.client() as client:
            for code, published in made.items():
                whole = client.submission(published.id)
                assert (whole["form"], whole["fits"], whole["body"]) == (code, "fits", EXAMPLE[code])
                if words := said(EXAMPLE[code]):
                    assert published.id in {one["id"] for one in client.search(words, form=code)["items"]}, (
                        code,
                        words,
                    )
                proven = client.verified(published.id, anchors)
                assert json.loads(proven.document() or b"") == EXAMPLE[code]
            for code, published in few.items():
                whole = client.submission(published.id)  # anybody learns that it exists, and none of its words
                assert (whole["form"], whole["body"]) == (code, None)
                if words := said(EXAMPLE[code]):
                    assert client.search(words, form=code)["items"] == []
            listed = {one["id"]: one for one in client.obligations()}
            for code in made:
                for clause in next(form for form in forms if form.code == code).obligations:
                    assert code in listed[clause]["forms"]
                    assert {"participant": "XR", "forms": [code]} in [
                        {**share, "forms": [one for one in share["forms"] if one == code]}
                        for share in listed[clause]["shared"]
                    ]
