"""`cbm audit` of a node of the world, from its directory and from outside, under the records of the world."""

from exchange.audit.laws import Subject
from exchange.audit.outside import NodePlace
from exchange.audit.report import Report
from exchange.audit.run import Anchor, audit_directory
from exchange.audit.sources import DirectoryPlace
from exchange.audit.visit import audit_node
from exchange.config import read_settings
from exchange.core.catalogue import Catalogue
from exchange.resources import form_files
from exchange.trust.participants import format_participants
from tests.world import WorldNode


def audited(node: WorldNode) -> Report:
    settings, known = read_settings(node.directory), node.world.participants
    return audit_directory(
        DirectoryPlace(node.directory, settings.database_url, settings.documents),
        Subject(settings.participant, settings.federation, settings.origin),
        Catalogue.from_files(form_files()),
        anchor=Anchor(known, format_participants(known)),
        workers=1,
        now=node.world.now,
    )


def audited_from_outside(node: WorldNode) -> Report:
    known = node.world.participants
    anchor = Anchor(known, format_participants(known))
    return audit_node(NodePlace(node.url, node.world.wire), form_files(), anchor=anchor, workers=1, now=node.world.now)
