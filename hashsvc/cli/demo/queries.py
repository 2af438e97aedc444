"""The demo's questions and the keys that would answer them, written down before the first search was run.

A query is answered when one of its accepted keys is among its first ten matches. A name that a Python version lacks
simply cannot be found there; nothing here was changed after seeing an answer.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """A text query and the dotted names of the standard library that answer it."""

    text: str
    accepted: frozenset[str]


def _question(text: str, accepted: str) -> Question:
    return Question(text, frozenset(accepted.split()))


QUESTIONS: tuple[Question, ...] = (
    _question(
        "parse a date from a string",
        "time.strptime datetime.date datetime.datetime email.utils.parsedate email.utils.parsedate_tz "
        "email.utils.parsedate_to_datetime http.cookiejar.http2time http.cookiejar.iso2time",
    ),
    _question(
        "copy a file",
        "shutil.copyfile shutil.copy shutil.copy2 shutil.copyfileobj distutils.file_util.copy_file",
    ),
    _question("random sample without replacement", "random.sample random random.Random"),
    _question("compress data with gzip", "gzip.compress gzip gzip.GzipFile gzip.open zlib.compress"),
    _question("square root of a number", "math.sqrt math.isqrt cmath.sqrt"),
    _question("convert an object to a JSON string", "json.dumps json.dump json json.JSONEncoder"),
    _question(
        "binary search in a sorted list",
        "bisect bisect.bisect bisect.bisect_left bisect.bisect_right bisect.insort bisect.insort_left "
        "bisect.insort_right",
    ),
    _question("create a temporary directory", "tempfile tempfile.mkdtemp tempfile.TemporaryDirectory"),
    _question("escape special characters in HTML", "html html.escape xml.sax.saxutils.escape"),
    _question(
        "mean and standard deviation of data",
        "statistics statistics.mean statistics.fmean statistics.stdev statistics.pstdev",
    ),
    _question("all permutations of a sequence", "itertools itertools.permutations"),
    _question(
        "run a function in a new thread",
        "threading threading.Thread asyncio.to_thread concurrent.futures.ThreadPoolExecutor "
        "multiprocessing.pool.ThreadPool",
    ),
)
