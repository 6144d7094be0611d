"""The founders' ceremonies on the command line, from the first key to a State that leaves: every step by other hands, on sticks."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from exchange.cli.program import app
from exchange.config import SETTINGS_FILE, read_settings
from exchange.core.identity import P256
from exchange.core.keys import ALGORITHM, Kind
from exchange.errors import ExchangeError, Misuse, RecordRefused
from exchange.node.inbox import read_inbox
from exchange.node.keyfile import KeyFile, keep_key
from exchange.node.membership import adopt
from exchange.node.offline import create_offline, open_offline, prove, write_proven
from exchange.node.stick import Stick
from exchange.trust.bundle import format_bundle
from exchange.trust.charter import Charter
from exchange.trust.contents import charter_in
from tests import key_named
from tests.world import FEDERATION, World

CODES = ("XR", "XA", "XI")


class Office:
    """Everybody's folders: founders with their keys, States with their nodes, officers and identity keys, and a stick each."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world = folder, world
        self.stick = folder / "stick"
        for number in range(4):
            path = self.key(f"f{number}")
            create_offline(path, Kind.FOUNDER, (ALGORITHM, P256)[number % 2], None)
        for code in CODES:
            world[code].stop()
            self.officer(code, 1)
            for number in (1, 2):
                self.identity(code, number)

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def pub(self, name: str) -> Path:
        return self.folder / f"{name}.key.pub"

    def officer(self, code: str, number: int) -> None:
        path = self.key(f"{code} officer {number}")
        keep_key(path, KeyFile(Kind.SIGNING, key_named(f"{code} officer {number}")))
        self.prove(code, path, Kind.SIGNING)

    def identity(self, code: str, number: int) -> None:
        path = self.key(f"{code} id {number}")
        create_offline(path, Kind.IDENTITY, (P256, ALGORITHM)[number % 2], None)
        self.prove(code, path, Kind.IDENTITY)

    def prove(self, code: str, path: Path, kind: Kind) -> None:
        signer = open_offline(path, None)
        proof = prove(signer, kind, FEDERATION, code)
        write_proven(Path(f"{path}.pub"), kind, signer.public, FEDERATION, code, proof)

    def cbm(self, *arguments: object) -> str:
        """In this process: what a refusal raises comes through."""
        found = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return found.output

    def fails(self, *arguments: object) -> int:
        return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False).exit_code

    def directory(self, code: str) -> Path:
        return self.world[code].directory

    def state(self, code: str) -> Path:
        return self.folder / f"stick of {code}"

    def ask(self, code: str, *options: str) -> None:
        """The State drafts its record, and both of its identity keys sign it."""
        identities = [part for number in (1, 2) for part in ("--identity", self.pub(f"{code} id {number}"))]
        officer = ("--officer", self.pub(f"{code} officer 1"))
        self.cbm(
            "participant",
            "join",
            self.directory(code),
            self.state(code),
            "--threshold",
            2,
            *identities,
            *officer,
            *options,
        )
        self.sign_state(code)

    def sign_state(self, code: str, *names: str) -> None:
        for name in names or (f"{code} id 1", f"{code} id 2"):
            self.cbm("federation", "sign", self.state(code), "--key", self.key(name), "--yes")

    def init(self, *codes: str, threshold: int = 2, founders: int = 3) -> None:
        named = [part for number in range(founders) for part in ("--founder", self.pub(f"f{number}"))]
        admitted = [part for code in codes for part in ("--admit", self.state(code))]
        options = ("--federation", FEDERATION, "--threshold", threshold, "--decision", "PC.DEC/1")
        self.cbm("federation", "init", self.stick, *options, *named, *admitted)

    def sign(self, *numbers: int) -> None:
        """Each founder on a copy of the stick at home; the copies come back and are merged."""
        copies = []
        for number in numbers:
            copy = self.folder / f"copy of {number}"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(self.stick, copy)
            self.cbm("federation", "sign", copy, "--key", self.key(f"f{number}"), "--yes")
            copies.append(copy)
        self.cbm("federation", "merge", self.stick, *copies)

    def publish(self, *codes: str) -> None:
        self.cbm("federation", "publish", self.stick, *[part for c in codes for part in ("--node", self.directory(c))])

    def propose(self, *options: object) -> None:
        self.cbm("federation", "propose", self.stick, "--decision", "PC.DEC/2", *options)

    def found(self) -> None:
        self.ask("XR", "--relay")
        self.ask("XA", "--relay")
        self.ask("XI")
        self.init(*CODES)
        self.sign(0, 1)
        self.publish(*CODES)

    def start(self) -> None:
        for code in CODES:
            self.world[code].start()

    def rotate(self, code: str, *options: object) -> None:
        self.cbm("participant", "rotate", self.directory(code), self.state(code), *options)

    def hand_over(self, code: str) -> None:
        self.cbm("federation", "publish", self.state(code), "--node", self.directory(code))

    @property
    def charter(self) -> Charter:
        return charter_in(Stick(self.stick).newest()["targets"])


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with World(tmp_path / "nodes", *CODES) as world:
        world.now = datetime.now(UTC).replace(microsecond=0)
        yield Office(tmp_path, world)


@pytest.mark.sqlite
def test_a_stick_with_an_older_list_takes_nothing_from_a_node_that_has_not_read_the_newer_one(office: Office) -> None:
    office.found()
    settings = read_settings(office.directory("XR"))
    newer = read_inbox(settings.trust_inbox)
    older = format_bundle(file for file in Stick(office.stick).published() if file.name != "1.XI.json")
    assert settings.root is not None
    adopt(settings, settings.root.read_bytes(), older, settings.directory / SETTINGS_FILE)
    assert read_inbox(settings.trust_inbox) == newer and "1.XI.json" in dict(newer)
    (settings.trust_inbox / "list.bundle").write_bytes(b"what nobody can read")
    adopt(settings, settings.root.read_bytes(), older, settings.directory / SETTINGS_FILE)
    assert "1.XA.json" in dict(read_inbox(settings.trust_inbox))


@pytest.mark.sqlite
def test_a_federation_is_founded_and_lives(office: Office) -> None:
    world = office.world
    office.found()
    office.start()
    world["XI"].publish()
    world.pull()
    assert all(len(node.running.node.participants.records) == 3 for node in world.nodes.values())
    assert office.cbm("federation", "audit", office.stick).startswith("3 participants, nothing at fault")
    assert "Ministry" not in office.cbm("federation", "show", office.stick / "trust.bundle")

    # A State lets another officer sign, alone.
    office.officer("XI", 2)
    office.rotate("XI", "--officer", office.pub("XI officer 2"))
    office.sign_state("XI")
    office.hand_over("XI")
    world["XI"].pull()
    world.pull()
    world["XI"].submit(world["XI"].parcel(signers=(key_named("XI officer 2"),)))

    # And closes the other one's key.
    first = key_named("XI officer 1").public.keyid
    office.cbm("participant", "revoke", office.directory("XI"), office.state("XI"), first[:16])
    office.sign_state("XI")
    office.hand_over("XI")
    world["XI"].pull()
    world.pull()
    for node in world.nodes.values():
        closed = node.running.node.participants.records["XI"].key(first)
        assert closed is not None and closed.before is not None and closed.before[1] == 2
    with pytest.raises(ExchangeError, match="counts before"):
        world["XI"].submit(world["XI"].parcel())

    # It changes its identity keys: old and new sign, the founders take note, the record comes under the new ones.
    for number in (3, 4):
        office.identity("XI", number)
    pubs = [part for number in (3, 4) for part in ("--identity", office.pub(f"XI id {number}"))]
    office.rotate("XI", *pubs, "--threshold", 2)
    office.sign_state("XI", "XI id 1", "XI id 2", "XI id 3", "XI id 4")
    office.propose("--change", office.state("XI"))
    office.sign(1, 2)
    office.publish("XR")
    world.pull()
    world.pull()
    for node in world.nodes.values():
        trust = node.running.trust
        assert trust is not None and trust.now_standing.charter is not None
        assert len(trust.now_standing.charter.members["XI"].identities) == 2
        assert trust.now_standing.held.files["XI"].version == 4
    assert world["XR"].alerts() == []

    # A founder is replaced; another State is suspended; a third leaves.
    named = [part for number in (0, 1, 3) for part in ("--founder", office.pub(f"f{number}"))]
    office.propose(*named, "--status", "XA=suspended")
    office.sign(0, 1, 3)
    office.publish("XR")
    world.pull()
    world.pull()
    assert {node.running.node.participants.records["XA"].status[-1].state for node in world.nodes.values()} == {
        "suspended"
    }
    root = world["XI"].running.trust
    assert root is not None and root.now_standing.held.root.version == 2
    assert office.charter.rosters.history[-1].seats != office.charter.rosters.history[0].seats
    world.participants = world["XR"].running.node.participants


def test_what_is_not_signed_enough_is_not_published(office: Office) -> None:
    office.ask("XR", "--relay")
    office.init("XR")
    with pytest.raises(Misuse, match="2 more of the founders"):
        office.publish()
    office.cbm("federation", "sign", office.stick, "--key", office.key("f0"), "--yes")
    with pytest.raises(Misuse, match="1 more of the founders"):
        office.publish()
    assert not list((office.stick / "list").glob("*")) and not (office.stick / "root.json").exists()
    office.cbm("federation", "sign", office.stick, "--key", office.key("f2"), "--yes")
    office.publish()


def test_nobody_signs_what_is_not_his(office: Office) -> None:
    office.ask("XR", "--relay")
    office.init("XR")
    for name in ("f3", "XR officer 1"):
        with pytest.raises(Misuse, match="nothing on"):
            office.cbm("federation", "sign", office.stick, "--key", office.key(name), "--yes")
    with pytest.raises(Misuse, match="nothing on"):
        office.cbm("federation", "sign", office.state("XR"), "--key", office.key("f0"), "--yes")


def test_one_who_says_no_signs_nothing(office: Office) -> None:
    office.ask("XR", "--relay")
    office.init("XR")
    found = CliRunner().invoke(
        app, ["federation", "sign", str(office.stick), "--key", str(office.key("f0"))], input="n\nn\n"
    )
    assert found.exit_code == 1 and not list(office.stick.rglob("*.sig"))
    words = found.output
    for said in ("XR IS ADMITTED", "2 of 3 founders must sign", "NEW relay", "witnesses from", "sha256"):
        assert said in words


def test_a_signature_over_other_bytes_is_refused_by_name(office: Office) -> None:
    office.ask("XR", "--relay")
    office.init("XR")
    copy = office.folder / "copy"
    shutil.copytree(office.stick, copy)
    office.cbm("federation", "sign", copy, "--key", office.key("f0"), "--yes")
    office.ask("XA")
    shutil.rmtree(office.stick)
    office.init("XR", "XA")
    with pytest.raises(ExchangeError, match="over another"):
        office.cbm("federation", "merge", office.stick, copy)


def test_a_draft_that_was_altered_on_the_way_loses_its_signatures(office: Office) -> None:
    office.ask("XR", "--relay")
    office.init("XR")
    for number in (0, 1):
        office.cbm("federation", "sign", office.stick, "--key", office.key(f"f{number}"), "--yes")
    draft = office.stick / "proposal" / "1.targets.json"
    draft.write_bytes(draft.read_bytes().replace(b'"live":false', b'"live":true '))
    with pytest.raises(ExchangeError):
        office.publish()


@pytest.mark.parametrize(("threshold", "founders"), [(1, 2), (1, 3), (2, 4)])
def test_a_threshold_that_is_no_majority_is_refused(office: Office, threshold: int, founders: int) -> None:
    office.ask("XR", "--relay")
    with pytest.raises(RecordRefused, match="majority"):
        office.init("XR", threshold=threshold, founders=founders)


def test_a_federation_without_a_relay_is_not_founded(office: Office) -> None:
    office.ask("XR")
    with pytest.raises(Misuse, match="relay"):
        office.init("XR")


def test_a_key_without_its_holders_proof_does_not_join(office: Office) -> None:
    office.prove("XA", office.key("XR id 1"), Kind.IDENTITY)
    with pytest.raises(Misuse, match="cbm key prove"):
        office.ask("XR")
    office.prove("XR", office.key("XR id 1"), Kind.IDENTITY)
    with pytest.raises(RecordRefused, match="no signature made with it"):
        office.cbm(
            "participant",
            "join",
            office.directory("XR"),
            office.state("XR"),
            "--threshold",
            1,
            "--identity",
            office.pub("XR id 1"),
        )


def test_a_record_without_the_states_signatures_is_not_admitted(office: Office) -> None:
    identities = [part for number in (1, 2) for part in ("--identity", office.pub(f"XR id {number}"))]
    office.cbm(
        "participant",
        "join",
        office.directory("XR"),
        office.state("XR"),
        "--threshold",
        2,
        *identities,
        "--officer",
        office.pub("XR officer 1"),
        "--relay",
    )
    office.sign_state("XR", "XR id 1")
    with pytest.raises(ExchangeError, match="1 of the 2 keys"):
        office.init("XR")


def test_break_before_make_is_refused(office: Office) -> None:
    """A delegation to new keys under which no record was signed would leave the State without one for everybody who begins."""
    office.found()
    office.start()
    for number in (3, 4):
        office.identity("XI", number)
    pubs = [part for number in (3, 4) for part in ("--identity", office.pub(f"XI id {number}"))]
    office.rotate("XI", *pubs, "--threshold", 2)
    office.sign_state("XI", "XI id 1", "XI id 2", "XI id 3", "XI id 4")
    for path in (office.state("XI") / "proposal").glob("2.XI.json*"):
        path.unlink()
    office.propose("--change", office.state("XI"))
    office.cbm("federation", "sign", office.stick, "--key", office.key("f0"), "--yes")
    office.cbm("federation", "sign", office.stick, "--key", office.key("f1"), "--yes")
    with pytest.raises(RecordRefused, match="signs it again with its new keys first"):
        office.publish()


def test_lost_identity_keys_are_replaced_by_the_founders_in_public(office: Office) -> None:
    office.found()
    office.start()
    for number in (3, 4):
        office.identity("XI", number)
    pubs = [part for number in (3, 4) for part in ("--identity", office.pub(f"XI id {number}"))]
    office.rotate("XI", *pubs, "--threshold", 2, "--lost")
    office.sign_state("XI", "XI id 3", "XI id 4")
    office.propose("--change", office.state("XI"))
    office.sign(0, 1)
    office.publish("XR")
    office.world.pull()
    office.world.pull()
    for node in office.world.nodes.values():
        alerts = [alert for alert in node.alerts() if alert["kind"] == "identity-replacement"]
        assert len(alerts) == 1 and "about to replace" in alerts[0]["summary"]
        trust = node.running.trust
        assert trust is not None and trust.now_standing.held.files["XI"].version == 1


def test_a_state_that_leaves_keeps_its_place_in_history(office: Office) -> None:
    office.found()
    office.start()
    office.propose("--leave", "XI")
    office.sign(0, 2)
    office.publish("XR", "XA")
    office.world["XR"].pull()
    record = office.world["XR"].running.node.participants.records["XI"]
    assert record.status[-1].state == "left"
    assert office.charter.members["XI"].final is not None


def test_a_code_is_never_given_twice(office: Office) -> None:
    office.found()
    with pytest.raises(Misuse, match="never given twice"):
        office.propose("--admit", office.state("XI"))
    with pytest.raises(Misuse, match="holds a federation already"):
        office.init("XR")


def test_a_root_change_brings_the_list_signed_anew(office: Office) -> None:
    office.found()
    named = [part for number in (1, 2, 3) for part in ("--founder", office.pub(f"f{number}"))]
    office.propose(*named)
    assert set(Stick(office.stick).drafts()) == {"root", "targets"}
    office.cbm("federation", "sign", office.stick, "--key", office.key("f0"), "--yes")
    office.cbm("federation", "sign", office.stick, "--key", office.key("f1"), "--yes")
    with pytest.raises(Misuse, match="1 more of the founders"):
        office.publish()
    office.cbm("federation", "sign", office.stick, "--key", office.key("f3"), "--yes")
    office.publish()
    assert Stick(office.stick).newest()["root"].version == 2


def test_the_operators_own_list_is_not_changed_where_founders_sign(office: Office) -> None:
    office.found()
    office.officer("XI", 2)
    for verb in (
        ("key", "enrol", office.directory("XI"), office.pub("XI officer 2")),
        ("key", "close", office.directory("XI"), "0" * 16),
        ("federation", "import", office.directory("XI"), office.directory("XR") / "peers.json"),
    ):
        with pytest.raises(Misuse, match="founders' list"):
            office.cbm(*verb)


def test_a_log_is_closed_and_another_goes_on(office: Office) -> None:
    office.found()
    office.start()
    world = office.world
    world["XI"].publish()
    world.pull()
    world["XI"].stop()
    directory = office.directory("XI")
    origin = "xi2.test.example/log"
    office.cbm("participant", "close-log", directory, office.state("XI"), "--origin", origin)
    office.sign_state("XI")
    office.hand_over("XI")
    office.cbm("node", "succeed", directory)
    world["XI"].origin = origin
    world["XI"].start()
    world["XI"].publish()
    world.pull()
    world.pull()
    assert [head["size"] for head in world["XR"].heads() if head["participant"] == "XI"] == [1, 1]
    world.participants = world["XR"].running.node.participants
