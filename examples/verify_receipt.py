"""Check an evidence pack with the standard library and `cryptography` alone, by none of the exchange's own code.

    python examples/verify_receipt.py PACK.zip PEERS.json

PEERS.json says whose keys count; it never comes from the pack: nothing vouches for itself. One line a check; exit 0 if all hold,
else 1. [n]: section of schemas/README.md. Left out: weak keys, rules of statement and zip, the record that came along, the form.
"""

import hashlib
import hmac
import json
import sys
import zipfile
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TYPE = "application/vnd.cbm.submission.v1+json"


def ensure(holds: object, why: str) -> None:
    if not holds:
        raise ValueError(why)


def one(found: list[dict[str, Any]], what: str) -> dict[str, Any]:
    ensure(len(found) == 1, f"expected {what} once in PEERS, found it {len(found)} times")
    return found[0]


def unbase64(text: str) -> bytes:  # [2]
    data = b64decode(text, validate=True)
    ensure(b64encode(data).decode() == text, "base64 that no encoder writes")
    return data


def canonical(data: bytes) -> Any:  # [1]: a second spelling or a repeated key would be a second set of bytes
    value = json.loads(data)
    ensure(json.dumps(value, separators=(",", ":")).encode() == data, "JSON that is not in its one canonical form")
    return value


def check_signature(key: bytes, signature: bytes, message: bytes) -> None:  # [3]
    Ed25519PublicKey.from_public_bytes(key).verify(signature, message)


def read_pack(path: str) -> dict[str, bytes]:  # [11]
    with zipfile.ZipFile(path) as pack:
        members = {member.filename: member for member in pack.infolist()}
        ensure(len(members) == len(pack.infolist()), "a pack with two members of one name")
        ensure(not any(member.compress_type for member in members.values()), "a pack with compressed members")
        ensure(sum(member.file_size for member in members.values()) <= 256 << 20, "a pack larger than 256 MiB")
        return {name: pack.read(name) for name in members}


def open_checkpoint(note: bytes, origin: str, vkey: str) -> tuple[int, bytes]:  # [4] [9]: the size and root it signed
    text, _, block = note.rpartition(b"\n\n")
    name, keyid, encoded = vkey.split("+", 2)
    key = unbase64(encoded)
    typed = key[0] == 1 and hashlib.sha256(f"{name}\n".encode() + key).hexdigest()[:8] == keyid
    ensure(name == origin and typed, "the log key in PEERS is not an Ed25519 key of that log")
    lines = [unbase64(s.split(" ")[2]) for s in block.decode().split("\n") if s.startswith(f"\u2014 {name} ")]
    mine = [line[4:] for line in lines if line[:4].hex() == keyid]
    ensure(mine, "the checkpoint is not signed by the log key in PEERS")
    for signature in mine:
        check_signature(key[1:], signature, text + b"\n")
    signed, size, root = text.decode().split("\n")
    ensure(signed == origin, "the checkpoint speaks for another log")
    return int(size), unbase64(root)


def count_witnesses(note: bytes, mine: dict[str, Any], peers: dict[str, Any]) -> None:  # [19]
    text, _, block = note.rpartition(b"\n\n")
    lines = [line.split(" ")[1:] for line in block.decode().split("\n")[:-1]]
    seats = [r for r in peers["participants"] if r["status"][-1]["state"] == "active" and r["kind"] != "Secretariat"]
    held = {r["participant"]: [k for k in r["keys"] if k["kind"] == "witness"] for r in seats}
    others = [r["participant"] for r in seats if r["operator"] != mine["operator"] and r is not mine]
    others, times = [code for code in others if held[code]], []
    for code in others:
        name, own = f"{peers['federation']}/witness/{code}", []
        for key in held[code]:  # every key that a State ever held counts for it, and the State counts once
            typed = b"\x04" + unbase64(key["public_key"])
            keyid = hashlib.sha256(f"{name}\n".encode() + typed).digest()[:4]
            for data in [
                data for who, data in ((n, unbase64(d)) for n, d in lines) if who == name and data[:4] == keyid
            ]:
                time = int.from_bytes(data[4:12], "big")
                check_signature(typed[1:], data[12:], f"cosignature/v1\ntime {time}\n".encode() + text + b"\n")
                own.append(time)
        times += [min(own)] if own else []
    asked = 2 * len(others) // 3 + 1 if others else 0
    held_by, enough = len(times), len(others) - asked
    when = datetime.fromtimestamp(sorted(times)[enough], UTC).isoformat() if held_by > enough and others else "unknown"
    stands = "witnessed" if 0 < asked <= held_by else "recorded"
    mark = "ok" if stands == "witnessed" else "--"
    print(f"{mark}  {stands}   cosigned by {held_by} of {len(others)}, {asked} asked for; not later than {when}")


def root_from(index: int, size: int, node: bytes, path: list[bytes]) -> bytes:  # RFC 9162 section 2.1.3.2
    ensure(0 <= index < size, "the index in the receipt lies beyond the checkpoint")
    last = size - 1
    for sibling in path:
        ensure(last, "the path in the receipt is too long")
        left = index % 2 or index == last
        node = hashlib.sha256(b"\x01" + (sibling + node if left else node + sibling)).digest()
        while left and index and index % 2 == 0:
            index, last = index // 2, last // 2
        index, last = index // 2, last // 2
    ensure(last == 0, "the path in the receipt is too short")
    return node


def check_key(key: dict[str, Any], code: str, position: list[int]) -> bytes:  # [12]
    counts = key["from"] <= position and (key["before"] is None or position < key["before"])
    ensure(counts, f"a signature by a key that does not count at position {position}")
    named, wild = code in key["may_sign"], "*" in key["may_sign"]
    online = key["kind"] == "node submission" and named and code.startswith("PLT-")
    allowed = key["algorithm"] == "Ed25519" and (online or (key["kind"] == "signing" and (named or wild)))
    ensure(allowed, f"a signature by a key that may not sign {code}")
    return unbase64(key["public_key"])


def verify(pack: dict[str, bytes], peers: dict[str, Any]) -> None:
    envelope = canonical(pack["envelope.json"])  # [6]
    ensure([*envelope, envelope["payloadType"]] == ["payload", "payloadType", "signatures", TYPE], "not an envelope")
    payload = unbase64(envelope["payload"])
    said = canonical(payload)  # [5]
    code, participant, origin = said["form"]["code"], said["participant"], said["origin"]
    print(f"    statement   {code} of {participant}: {said['message']}, {said['status']}, issued {said['issued']}")
    print(f"    id          {hashlib.sha256(payload).hexdigest()}")
    ensure(said["federation"] == peers["federation"], "PEERS is of another federation")
    record = one([entry for entry in peers["participants"] if entry["participant"] == participant], participant)
    log = one([entry for entry in record["logs"] if entry["origin"] == origin], f"the log {origin}")
    head, _, note = pack["receipt.tlog-proof"].partition(b"\n\n")  # [10]
    size, root = open_checkpoint(note, origin, log["vkey"])
    print(f"ok  checkpoint  size {size}, signed by the key of {origin} in PEERS")
    count_witnesses(note, record, peers)
    title, place, *path = [line for line in head.decode().split("\n") if not line.startswith("extra ")]
    ensure(title == "c2sp.org/tlog-proof@v1" and place.startswith("index "), "not a receipt")
    index, leaf = int(place[6:]), hashlib.sha256(b"\x00" + pack["envelope.json"]).digest()
    ensure(root_from(index, size, leaf, [unbase64(line) for line in path]) == root, "the log holds another envelope")
    end = log["closed"] or {"size": size, "root": b64encode(root).decode()}
    ensure(size < end["size"] or (size, root) == (end["size"], unbase64(end["root"])), "the log was closed")
    print(f"ok  inclusion   the envelope stands at index {index}")
    signers = [signature["keyid"] for signature in envelope["signatures"]]
    ensure(signers == sorted(set(signers)), "signatures out of order, or two of one key")
    pae = b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload)
    ids = [(hashlib.sha256(unbase64(key["public_key"])).hexdigest(), key) for key in record["keys"]]
    for signature in envelope["signatures"]:
        entry = one([key for keyid, key in ids if keyid == signature["keyid"]], f"key {signature['keyid']}")
        key = check_key(entry, code, [record["logs"].index(log), index])
        check_signature(key, unbase64(signature["sig"]), pae)
        print(f"ok  signature   by {signature['keyid']}, a key of {participant} in PEERS")
    forms, erasure = record["thresholds"]["forms"], record["thresholds"]["erasure"]
    needed = erasure if said["message"] == "erasure" else forms.get(code, forms.get("*", 1))
    ensure(len(signers) >= needed, f"{len(signers)} signatures where {needed} are needed")

    for document in said["documents"]:  # [8]
        name = f"documents/{document['slot']}"
        if name in pack:
            opening = unbase64(json.loads(pack[f"{name}.opening.json"])["opening"])
            found = hmac.digest(opening, pack[name], "sha256").hex()
            ensure(found == document["commitment"], f"another document in slot {document['slot']} than the one signed")
        held = f"{len(pack[name])} bytes, as signed" if name in pack else "not in this pack; nothing is said about it"
        print(f"{'ok' if name in pack else '--'}  document    {document['slot']}, {held}")


if __name__ == "__main__":
    try:
        with open(sys.argv[2], "rb") as file:
            verify(read_pack(sys.argv[1]), json.load(file))
    except Exception as error:  # whatever came, the answer is no
        print(f"NO  {'a signature does not verify' if isinstance(error, InvalidSignature) else repr(error)}")
        sys.exit(1)
    print("VERIFIED, as far as you trust PEERS")
