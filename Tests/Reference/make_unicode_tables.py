"""Makes the Unicode tables of Sources/Text/Tokenization/Unicode, in place; with --check only says whether they are as
made.

    apt-get install unicode-data
    python3 -m venv venv && venv/bin/pip install unicodedata2==16.0.0 regex==2024.11.6
    venv/bin/python Tests/Reference/make_unicode_tables.py [--check]

General categories, scripts and properties are those of Unicode 16, decompositions those of the characters that Unicode
9 has: what the reference's regular-expression engine and its normalisation know. Both packages carry the tables of
Unicode 16, DerivedAge.txt says since when there is a character, and a decomposition never changes once it is there (the
stability policy).
"""

import re
import sys
from pathlib import Path

import regex
import unicodedata2

FOLDER = Path(__file__).resolve().parents[2] / "Sources/Text/Tokenization/Unicode"
AGES = Path("/usr/share/unicode/DerivedAge.txt")
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
CATEGORIES = (
    "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn".split()
)
LETTERS = [chr(65 + i) if i < 26 else chr(97 + i - 26) for i in range(len(CATEGORIES))]
SCRIPTS = "han hiragana katakana hangul latin greek cyrillic arabic hebrew thai devanagari".split()


def runs(values):
    """Neighbouring numbers together: pairs of the first and the last."""
    found = []
    for value in sorted(values):
        if found and found[-1][1] == value - 1:
            found[-1][1] = value
        else:
            found.append([value, value])
    return found


def words(values):
    return [f"{a:X}" if a == b else f"{a:X}-{b:X}" for a, b in runs(values)]


def having(pattern):
    compiled = regex.compile(pattern)
    return {c for c in SCALARS if compiled.match(chr(c))}


def general_categories():
    tokens = []
    before, length = None, 0
    for code in range(0x110000):
        category = unicodedata2.category(chr(code))
        if category != before and before is not None:
            tokens.append(LETTERS[CATEGORIES.index(before)] + (str(length) if length > 1 else ""))
            length = 0
        before = category
        length += 1
    return tokens + [LETTERS[CATEGORIES.index(before)] + (str(length) if length > 1 else "")]


def characters_until(version):
    """Those that a version of Unicode has."""
    found = set()
    for line in AGES.read_text(encoding="utf-8").splitlines():
        match = re.match(r"([0-9A-F]+)(?:\.\.([0-9A-F]+))?\s*;\s*([0-9.]+)", line)
        if match and float(match[3]) <= version:
            found.update(range(int(match[1], 16), int(match[2] or match[1], 16) + 1))
    return found


def decompositions(form, known):
    """Full ones; syllables of Hangul, which are arithmetic, left out."""
    found = {}
    for code in known:
        text = unicodedata2.normalize(form, chr(code))
        if not 0xAC00 <= code <= 0xD7A3 and not 0xD800 <= code <= 0xDFFF and text != chr(code):
            found[code] = [ord(c) for c in text]
    return found


def entries(table):
    """`A=B.C`, and `A-B=C` where characters in a row become characters in a row."""
    found = []
    codes = sorted(table)
    at = 0
    while at < len(codes):
        first = codes[at]
        end = at
        while (
            len(table[first]) == 1
            and end + 1 < len(codes)
            and codes[end + 1] == codes[end] + 1
            and table[codes[end + 1]] == [table[codes[end]][0] + 1]
        ):
            end += 1
        # Two in a row are as short apart.
        if end - at < 2:
            end = at
        name = f"{first:X}" if end == at else f"{first:X}-{codes[end]:X}"
        found.append(name + "=" + ".".join(f"{part:X}" for part in table[first]))
        at = end + 1
    return found


def wrapped(tokens, separator):
    lines = [""]
    for token in tokens:
        longer = lines[-1] + (separator if lines[-1] else "") + token
        if len(longer) > 112:
            lines.append(token)
        else:
            lines[-1] = longer
    return "".join(f"    {line}\n" for line in lines)


def set_literal(text, opening, content):
    """`text` with the literal of several lines that follows `opening` replaced."""
    start = text.index('"""\n', text.index(opening)) + 4
    return text[:start] + content + text[text.index('    """', start) :]


def check_classes(text):
    """The sets that UnicodeClasses writes out, held to the properties they stand for."""

    def content(name):
        start = text.index(f"static let {name}")
        literal = re.search(r'hexadecimal:\s*"+([^"]*)"', text[start:])[1]
        found = set()
        for word in literal.split():
            bounds = [int(bound, 16) for bound in word.split("-")]
            found.update(range(bounds[0], bounds[-1] + 1))
        return found

    def category(prefix):
        return {c for c in SCALARS if unicodedata2.category(chr(c)).startswith(prefix)}

    expected = {
        "whitespace": having(r"\p{White_Space}"),
        "circledLetters": having(r"\p{Alphabetic}") - category("L") - category("Nl") - category("M"),
        "uppercase": having(r"\p{Uppercase}") - category("Lu"),
        "lowercase": having(r"\p{Lowercase}") - category("Ll"),
    }
    return [name for name, values in expected.items() if content(name) != values]


def main():
    names = ["UnicodeTable.swift", "DecompositionTable.swift", "DecompositionTable+Compatibility.swift"]
    files = {name: (FOLDER / name).read_text(encoding="utf-8") for name in names}
    made = dict(files)

    def put(name, opening, tokens, separator=" "):
        made[name] = set_literal(made[name], opening, wrapped(tokens, separator))

    put("UnicodeTable.swift", "static let generalCategories", general_categories(), "")
    marks = {c for c in SCALARS if unicodedata2.category(chr(c)).startswith("M")} - having(r"\p{Alphabetic}")
    put("UnicodeTable.swift", "static let marksNotAlphabetic", words(marks))
    for script in SCRIPTS:
        put("UnicodeTable.swift", f'"{script}": ', words(having(rf"\p{{Script={script}}}")))
    known = characters_until(9.0)
    canonical = decompositions("NFD", known)
    excluded = [
        code
        for code, parts in canonical.items()
        if len(parts) > 1 and unicodedata2.normalize("NFC", chr(code)) != chr(code)
    ]
    put("DecompositionTable.swift", "static let canonical", entries(canonical))
    put("DecompositionTable.swift", "static let compositionExclusions", words(excluded))
    compatibility = {
        code: parts for code, parts in decompositions("NFKD", known).items() if canonical.get(code) != parts
    }
    put("DecompositionTable+Compatibility.swift", "static let compatibility", entries(compatibility))

    wrong = check_classes((FOLDER / "UnicodeClasses.swift").read_text(encoding="utf-8"))
    for name in wrong:
        print(f"UnicodeClasses.{name} is not what Unicode 16 has")
    changed = [name for name in files if made[name] != files[name]]
    for name in changed:
        print(f"{name} is not as made" if "--check" in sys.argv else f"{name} written")
        if "--check" not in sys.argv:
            (FOLDER / name).write_text(made[name], encoding="utf-8")
    sys.exit(1 if wrong or (changed and "--check" in sys.argv) else 0)


main()
