"""What the demo asks of a server, and what it learns from the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hashsvc.cli.demo.digits import label_of
from hashsvc.cli.demo.precision import NEAREST, precision
from hashsvc.cli.demo.queries import QUESTIONS
from hashsvc.domain.kinds import Kind
from hashsvc.domain.queries import ContentQuery, KeyQuery, RankBy, Rerank

if TYPE_CHECKING:
    from hashsvc.domain.neighbours import Answer
    from hashsvc.domain.service import Service

IMAGES, TEXTS = "digits", "stdlib"
KEY = "json.dumps"
SHORT_LIST = 1_000
DEEP = 100  # enough to see every tie at the tenth place, nearly always
TOGETHER = 120


@dataclass(frozen=True, slots=True)
class Answers:
    """Every answer of one round: of the text questions, of the pictures, and of one key."""

    texts: Sequence[Answer]
    images: Sequence[Answer]
    key: Answer

    def same_as(self, other: Answers) -> bool:
        """Whether both rounds found the same items at the same distances, in the same order."""
        return self._found() == other._found()

    def _found(self) -> list[list[tuple[str, int, int]]]:
        return [[(m.key, m.id, m.distance) for m in a.matches] for a in (*self.texts, *self.images, self.key)]


def ask(service: Service, pictures: Sequence[Path]) -> Answers:
    """Ask everything once: the texts, the pictures that were kept out, and the neighbours of a stored key.

    A question of a few words says little to an encoder of whole documents: codes make a short list, words rank it.
    """
    questions = [ContentQuery(Kind.TEXT, q.text.encode()) for q in QUESTIONS]
    texts = service.search(TEXTS, questions, k=NEAREST, rerank=Rerank(SHORT_LIST // NEAREST, RankBy.CONTENT))
    images: list[Answer] = []
    for start in range(0, len(pictures), TOGETHER):
        queries = [ContentQuery(Kind.IMAGE, path.read_bytes()) for path in pictures[start : start + TOGETHER]]
        answers = service.search(IMAGES, queries, k=DEEP)
        images.extend(_with_ties(service, q, a) for q, a in zip(queries, answers, strict=True))
    [neighbours] = service.search(TEXTS, [KeyQuery(KEY)], k=NEAREST)
    return Answers(texts, images, neighbours)


def _with_ties(service: Service, query: ContentQuery, answer: Answer) -> Answer:
    """The answer, asked again within the tenth distance where ties reach beyond its end."""
    matches = answer.matches
    if len(matches) < DEEP or matches[-1].distance > matches[NEAREST - 1].distance:
        return answer
    return service.within(IMAGES, query, radius=matches[NEAREST - 1].distance)


def p_at_10(pictures: Sequence[Path], answers: Sequence[Answer]) -> float:
    """Mean precision at 10: the share of a picture's ten nearest that show its digit, ties averaged."""
    total = 0.0
    for picture, answer in zip(pictures, answers, strict=True):
        own = label_of(picture.as_posix())
        relevant = [label_of(match.key) == own for match in answer.matches]
        total += precision([match.distance for match in answer.matches], relevant)
    return total / len(pictures)
