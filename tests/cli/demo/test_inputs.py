from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from hashsvc.cli.demo import inspector
from hashsvc.cli.demo.digits import label_of, write_digits
from hashsvc.cli.demo.documents import write_documents
from hashsvc.cli.demo.queries import QUESTIONS


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("documents") / "stdlib.jsonl"
    write_documents(file)
    return file


def _rows(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_documents_are_thousands_of_texts_with_dotted_names(documents: Path) -> None:
    rows = _rows(documents)
    assert len(rows) > 2_000
    assert len({row["key"] for row in rows}) == len(rows)
    assert {row["kind"] for row in rows} == {"module", "class", "function"}
    assert all(row["text"].strip() and "\x00" not in row["text"] for row in rows)
    assert {"json", "json.dumps", "shutil.copyfile", "os.path.join", "threading.Thread"} <= {row["key"] for row in rows}


def test_documents_are_the_same_in_every_run(documents: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    write_documents(again)
    assert again.read_bytes() == documents.read_bytes()


def test_nothing_of_an_address_or_a_test_is_kept(documents: Path) -> None:
    rows = _rows(documents)
    assert not any(" at 0x" in row["text"] for row in rows)
    tops = {row["key"].split(".")[0] for row in rows}
    assert not tops & {"antigravity", "this", "idlelib", "turtle", "turtledemo", "test"}


def test_the_forbidden_modules_are_never_imported() -> None:
    script = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('inspector', {inspector.__file__!r})\n"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "list(module.documents())\n"
        "tops = {name.split('.')[0] for name in sys.modules}\n"
        "bad = {'antigravity', 'this', 'idlelib', 'turtle', 'turtledemo', 'test'} & tops\n"
        "assert not bad, bad\n"
    )
    command = [sys.executable, "-s", "-P", "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr


def test_every_question_has_an_answer_among_the_documents(documents: Path) -> None:
    keys = {row["key"] for row in _rows(documents)}
    assert len(QUESTIONS) >= 12
    assert len({question.text for question in QUESTIONS}) == len(QUESTIONS)
    for question in QUESTIONS:
        assert question.accepted & keys, question.text


def test_words_of_a_name() -> None:
    assert inspector.words("distutils.file_util.copyTree") == "distutils file util copy tree"
    assert inspector.words("json.JSONEncoder") == "json json encoder"
    assert inspector.words("gc.HTTPServer2") == "gc http server 2"


def test_digits_are_png_files_every_fifth_kept_out(tmp_path: Path) -> None:
    digits = write_digits(tmp_path)
    asked, held = digits.question_files(), sorted(digits.collection.glob("*/*.png"), key=lambda path: path.name)
    assert (len(asked), len(held)) == (360, 1_437)
    assert not {path.name for path in asked} & {path.name for path in held}
    pixels, labels = load_digits(return_X_y=True)
    for path in (asked[0], asked[-1], held[0], held[700]):
        number = int(path.stem)
        with Image.open(path) as picture:
            ink = np.round((255 - np.asarray(picture, np.float64)) * 16 / 255)
        np.testing.assert_array_equal(ink.ravel(), pixels[number])
        assert label_of(path.as_posix()) == str(labels[number])
