"""The words of a statement: what its fields may say, and how codes, languages, slots and media types are spelt.

Specification: DESIGN.md section 2 (Statement). A word that does not stand here is refused, never guessed at.
"""

import re
from functools import lru_cache

PUBLIC = "public"
ERASES = "erases"
AUDIENCES = frozenset({PUBLIC, "participating States", "States and Partners"})
SEALED = "sealed"
"""The audience of a sealed submission: those whom the letter inside names, and nobody is told who (core/outer.py)."""
NAMED = "named"
"""What a form says where each return names its readers; a statement then lists their codes."""
RETURNS = frozenset({"full", "nothing to declare", "nothing new"})
STATUSES = frozenset({"actual", "exercise", "test"})
RELATIONS = frozenset(
    [
        "supersedes",
        "withdraws",
        "in reply to",
        "acknowledges",
        "closes",
        "countersigns",
        "releases",
        ERASES,
        "translates",
        "related",
    ]
)
MESSAGES_OF_A_SERIES = frozenset({"update", "correction", "withdrawal"})
MESSAGES_WITH_CONTENT = frozenset({"original", "update", "correction"})
MESSAGES_ABOUT_OTHERS = frozenset({"acknowledgement", "reply", "closure", "countersignature", "release", "erasure"})
MESSAGES = MESSAGES_OF_A_SERIES | MESSAGES_WITH_CONTENT | MESSAGES_ABOUT_OTHERS

_LANGUAGE = r"[a-z]{2,3}(?:-[A-Z]{2}|-[A-Z][a-z]{3})?"
# Remembered: thousands of statements say the same few words, and to look one up costs a fifth of matching it.
is_participant_code = lru_cache(maxsize=256)(re.compile(r"[A-Z]{2}|ORG-[A-Z0-9]{2,12}").fullmatch)
is_form_code = lru_cache(maxsize=256)(re.compile(r"[A-Z]{2,5}-[0-9]{2}").fullmatch)
is_federation = lru_cache(maxsize=256)(re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?").fullmatch)
is_language = lru_cache(maxsize=256)(re.compile(_LANGUAGE).fullmatch)
is_slot = lru_cache(maxsize=256)(re.compile(rf"body(?:\.{_LANGUAGE})?|a[1-9][0-9]?").fullmatch)
is_media_type = lru_cache(maxsize=256)(re.compile(r"(?=.{1,100}\Z)[a-z0-9.+-]+/[a-z0-9.+-]+").fullmatch)
