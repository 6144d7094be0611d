"""The own State's door holds a return to what its form says of audience and term."""

from dataclasses import replace
from pathlib import Path

import pytest

from exchange.errors import DoesNotFit
from tests.world import World


def test_the_own_door_refuses_what_the_form_does_not_let_out(tmp_path: Path) -> None:
    alert = {"alert_id": "XR-2026-0007", "message": "Alert", "first_name": {"en": "Anna"}}
    with World(tmp_path, "XR") as world:
        published = world["XR"].publish("CSE-10", **alert)
        assert world["XR"].get(f"/v1/submissions/{published.id}").json()["statement"]["retain_until"] == "2026-11-24"
        for retain_until in (None, "2027-01-01"):
            with pytest.raises(DoesNotFit) as caught:
                world["XR"].publish(
                    "CSE-10", edit=lambda one, day=retain_until: replace(one, retain_until=day), **alert
                )
            assert caught.value.pointer == "/retain_until"
