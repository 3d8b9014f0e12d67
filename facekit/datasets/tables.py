"""Tables of text as people have them: plain or gzipped, in any common encoding, with any common separator."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

_SEPARATORS = ",;\t|"
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_OTHERWISE = "cp1252"  # what Excel writes in most of Europe and America


@dataclass(frozen=True)
class TextTable:
    """A table with a header.

    columns  the names in the header in lower case, without surrounding blanks
    rows     line number and values by column of each row, read one by one; a value that is not there is ""
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[int, dict[str, str]]]


def open_table(stream: TextIO) -> TextTable:
    """The table in a stream of `open_text`. The separator is the one of comma, semicolon, tab and bar that is most
    frequent in the header; Excel's first line `sep=;` is understood too."""
    head, before = stream.readline(), 1
    if head.lower().startswith("sep="):
        separator, head, before = head.strip()[4:], stream.readline(), 2
    else:
        separator = max(_SEPARATORS, key=head.count)
    columns = tuple(name.strip().lower() for name in next(csv.reader([head], delimiter=separator), []))
    return TextTable(columns, _rows(csv.reader(stream, delimiter=separator), columns, before))


def _rows(reader, columns: tuple[str, ...], before: int) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a reader that starts after `before` lines."""
    for values in reader:
        if any(values):
            padded = [*values, *[""] * (len(columns) - len(values))]
            yield before + reader.line_num, {name: value.strip() for name, value in zip(columns, padded, strict=False)}


def open_text(file: Path) -> TextIO:
    """Open a text file, plain or gzipped (.gz), in the encoding that its bytes show: UTF-8, UTF-16 or UTF-32 by its
    byte order mark or its zero bytes, other UTF-8, or else Windows' western encoding."""
    with _opened(file) as stream:
        encoding = _encoding(stream)
    return io.TextIOWrapper(_opened(file), encoding, newline="")


def _opened(file: Path) -> BinaryIO:
    return gzip.open(file) if file.suffix == ".gz" else file.open("rb")


def _encoding(stream: BinaryIO) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        first = stream.read(1 << 16)
        for mark, encoding in _BYTE_ORDER_MARKS.items():
            if first.startswith(mark):
                return encoding
        for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):  # Latin letters have a zero byte each
            half = first[start::2]
            if half and half.count(0) > 0.5 * len(half):
                return encoding
        decoder.decode(first)
        while chunk := stream.read(1 << 20):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _OTHERWISE
    except (EOFError, OSError):  # a truncated or damaged .gz file: reading the table raises the same error
        pass
    return "utf-8"
