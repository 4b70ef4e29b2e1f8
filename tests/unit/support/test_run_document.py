"""The reader of documents notices when a document is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.run_document import DocumentError, Reader, blocks_of, matches


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.chdir(tmp_path)
    return Reader("page.md")


def block(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"


def test_python_blocks_share_their_names_and_fragments_are_left_out(reader: Reader) -> None:
    reader.read(block("python", "a = 1") + block("python fragment", "undefined()") + block("python", "assert a == 1"))
    with pytest.raises(NameError):
        reader.read(block("python", "undefined()"))
    with pytest.raises(SyntaxError):
        reader.read(block("python fragment", "this is no Python"))
    with pytest.raises(DocumentError, match=r"page\.md:2: unknown word 'fragmnt'"):
        reader.read(block("python fragmnt", "pass"))


def test_text_behind_a_python_block_is_compared_with_what_it_prints(reader: Reader) -> None:
    reader.read(block("python", "print('query_id=7 done')") + block("text", "query_id=12 done"))
    with pytest.raises(DocumentError, match=r"page\.md:5: what is printed is"):
        reader.read(block("python", "print(1)") + block("text", "2"))


def test_console_block_is_compared_with_what_its_commands_print(reader: Reader) -> None:
    reader.read(block("python file=a.txt", "'one'") + block("console", "$ cat a.txt\n'one'\n$ printf 'x\\ny\\n'\n..."))
    with pytest.raises(DocumentError, match="prints\n1\n\nand the document says\n2"):
        reader.read(block("console", "$ echo 1\n2"))
    with pytest.raises(DocumentError, match="ends with code 1"):
        reader.read(block("console", "$ false"))


def test_output_is_compared_line_by_line_without_ids_and_dates() -> None:
    assert matches('{"query_id":1,"output":2}\n', '{"query_id":99,"output":2}')
    assert not matches('{"query_id":1,"output":2}\n', '{"query_id":99,"output":3}')
    assert matches("Date: now\r\na\n", "Date: then\r\na\n")
    assert matches("a\n...\nz\n", "a\nb\nc\nz\n")
    assert not matches("a\n...\nz\n", "a\nb\nc\n")


def test_blocks_know_their_line_and_whether_they_run() -> None:
    blocks = blocks_of("title\n\n" + block("python", "a") + block("console fragment", "$ b") + block("json", "{}"))
    assert [(one.language, one.line, one.runs) for one in blocks] == [("python", 4, True), ("console", 7, False)]
