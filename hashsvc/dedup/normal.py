"""Normal form of a text: lower case, punctuation dropped, white space folded."""

from __future__ import annotations

import re

from hashsvc.errors import InvalidContent

MARKS = re.compile(r"[^\w\s]|_")


def normal_form(text: str) -> str:
    """The normal form; that of a text of nothing but punctuation is its marks, so that it is never empty.

    Raises:
        InvalidContent: the text holds nothing but white space: nothing shows that two of those are the same.
    """
    folded = text.replace("\x00", " ").lower()
    form = " ".join(MARKS.sub("", folded).split()) or " ".join(folded.split())
    if not form:
        raise InvalidContent("text is empty: it is the duplicate of nothing", field="content")
    return form


def form_of(content: bytes) -> str:
    """The normal form of a text's bytes; InvalidContent when they are no UTF-8 or empty."""
    try:
        return normal_form(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidContent(f"text is no UTF-8 (byte {error.start})", field="content") from None
