"""Words, folded: what a search compares, so that case, accents and invisible characters keep nobody from finding a text.

Guarantee: two texts that a reader takes for the same words have the same words here, on every engine that keeps them, since
no engine is left to fold for itself. A text is decomposed (Unicode NFKD), case-folded and freed of combining marks and of
characters without a shape; words are its runs of letters and digits. й, ї, ў, ѓ and ќ stay: they are letters, not accents
(ё is е). Scripts without blanks between words are taken character by character.

    >>> words("Straße, İSTANBUL, soft\\u00adhyphen: Учёт")
    ['strasse', 'istanbul', 'softhyphen', 'учет']
"""

import unicodedata

FOLDING = f"1, Unicode {unicodedata.unidata_version}"
"""What an index was made by: another one may cut or fold differently, and the index is then made anew."""
MAX_WORD = 64
"""Characters of a word that count."""

_LETTERS = {
    **{"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ð": "d"},
    **{"æ": "ae", "œ": "oe", "þ": "th"},
    "ʼ": " ",  # an apostrophe that Unicode calls a letter
}
"""What no decomposition takes apart, and a keyboard may lack."""
_CYRILLIC = (("и\u0306", "й"), ("і\u0308", "ї"), ("у\u0306", "ў"), ("г\u0301", "ѓ"), ("к\u0301", "ќ"))
_UNBROKEN = ((0x0E00, 0x0EFF), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x20000, 0x3FFFF))
"""Thai, Lao, kana, Han."""


class _Characters(dict[int, "str | None"]):
    """What `str.translate` puts in the place of each character: the letter, a blank, or nothing. Looked up in Unicode's tables once."""

    def __missing__(self, code: int) -> str | None:
        self[code] = _character(chr(code))
        return self[code]


def _character(character: str) -> str | None:
    category = unicodedata.category(character)
    if category[0] == "M" or category == "Cf":
        return None
    if not character.isalnum():
        return " "
    if any(first <= ord(character) <= last for first, last in _UNBROKEN):
        return f" {character} "
    return _LETTERS.get(character, character)


_CHARACTERS = _Characters()
_ASCII = {code: _character(chr(code)) for code in range(128)}


def fold(text: str) -> str:
    """The words of the text with blanks between them. They do not depend on what stands behind the white space around them."""
    if text.isascii():
        return text.lower().translate(_ASCII)
    folded = unicodedata.normalize("NFKD", text).casefold()
    for apart, letter in _CYRILLIC:
        folded = folded.replace(apart, letter)
    return folded.translate(_CHARACTERS)


def words(text: str) -> list[str]:
    """The folded words of a text, in their order."""
    return [word[:MAX_WORD] for word in fold(text).split()]
