"""Writes reference_cases.jsonl: what the `tokenizers` library (0.23.3) answers.

A line with "tokenizer" (a path under Tests/Fixtures or a whole tokenizer.json) is followed by the cases it is for:
{"text", "ids", "ids_with_special", "pieces"?, "decoded"} or {"ids", "skip", "decoded"}.
Run from this folder:  pip install tokenizers==0.23.3 && python make_reference_cases.py
"""
import json
import random

from tokenizers import Regex, Tokenizer
from tokenizers import decoders as dec
from tokenizers import normalizers as norm
from tokenizers import pre_tokenizers as pre

rng = random.Random(20)
FAMILIES = ["qwen2_moe", "llama", "olmoe", "gpt_oss", "glm4_moe", "mixtral", "deepseek_v3", "deepseek_v2_lite"]
PARTS = [
    " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028", "\x1c", "\x1f", "\x85", "\x0b", "'s", "'S",
    "'ſ", "'ll", "'RE", "’s", "a", "Z", "the", "HTTP", "ing", "é", "e\u0301", "\u0323\u0301", "ß", "K", "İ", "ǅ", "ʰ", "ª",
    "中", "文", "日本", "ひ", "カ", "한국", "가\u11a8", "१", "٢", "½", "²", "①", "Ⅷ", "1", "12", "4567", "_", "...", ",",
    "!", "—", "$", "€", "+", "=", "^", "`", "|", "😀", "👩\u200d👩", "🏽", "\ufe0f", "\u200b", "\ufeff", "\ufffd", "\ue000",
    "\U0010ffff", "\u0378", "\u1c89", "\U00010d40", "\U0001e5d0", "\U0001fae9", "\U00011bc0", "\u0897", "\U000e0041",
    "क्ष", "ไทย", "مرحبا", "שלום", "▁", "Ġ", "<s>", "</s>", "<unk>", "<0x0A>", "<|endoftext|>", "<think>", "<｜User｜>",
    "[gMASK]", "\x00", "\x7f", "/", "//", "#", "ﬁ", "Ⓐ", "٪", "℃", "Å", "ｶﾞ", "\u1161", "\u200d", "𝐀", "Ω", "<x>", "<x>y", "É!", "é!",
    " IN  ", " IN", " <x>y",
]
PROSE = [
    "Call me Ishmael. Some years ago - never mind how long precisely - having little or no money in my purse,",
    "def f(xs):\n    return sum(x ** 2 for x in xs if x != 0)  # squares\n\n\tprint(f([1, 22, 333]))\r\n",
    "À l’été 1789, 12 345,67 € ; «ça coûte combien ?» — naïveté, cœur, Ægir's",
    "我们在2024年12月去了北京，天气很好。東京タワーは333mです。안녕하세요 세계 123",
]


def text():
    if rng.random() < 0.15:
        return rng.choice(PROSE)
    return "".join(rng.choice(PARTS) * rng.choice([1, 1, 1, 2, 3]) for _ in range(rng.choice([1, 2, 4, 8, 16])))


def write_cases(out, source, tokenizer, texts, ids_lists=()):
    out.write(json.dumps({"tokenizer": source}, ensure_ascii=False) + "\n")
    for t in texts:
        ids = tokenizer.encode(t, add_special_tokens=False).ids
        case = {"text": t, "ids": ids, "ids_with_special": tokenizer.encode(t).ids}
        if tokenizer.pre_tokenizer and t:
            case["pieces"] = [p for p, _ in tokenizer.pre_tokenizer.pre_tokenize_str(t)]
        case["decoded"] = tokenizer.decode(ids, skip_special_tokens=False)
        out.write(json.dumps(case, ensure_ascii=False) + "\n")
    for ids in ids_lists:
        for skip in (False, True):
            decoded = tokenizer.decode(ids, skip_special_tokens=skip)
            out.write(json.dumps({"ids": ids, "skip": skip, "decoded": decoded}, ensure_ascii=False) + "\n")


def state(component):
    return None if component is None else json.loads(component.__getstate__())


def small(normalizer=None, pre_tokenizer=None, decoder=None, added=(), vocab=None, merges=(), **model):
    """A tokenizer.json with the 256 byte letters, or `vocab`, and hand-picked merges."""
    tokens = vocab or sorted(pre.ByteLevel.alphabet())
    tokens = list(tokens) + [a + b for a, b in merges]
    size = len(tokens)
    fields = dict(dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=False,
                  byte_fallback=False, ignore_merges=False)
    fields.update(model)
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": size + i, **flags, **token} for i, token in enumerate(added)],
        "normalizer": state(normalizer), "pre_tokenizer": state(pre_tokenizer), "post_processor": None,
        "decoder": state(decoder),
        "model": {"type": "BPE", **fields, "vocab": {t: i for i, t in enumerate(tokens)}, "merges": [list(m) for m in merges]},
    }


BYTE_LEVEL = pre.ByteLevel(add_prefix_space=False, use_regex=False)
PATTERNS = [
    r"\w+|[^\w\s]+", r"\s+", r"\d", r"[^\p{L}]", r"\p{Han}+|[\p{Hiragana}\p{Katakana}]+", r"(?=\d)", r"(?<=\s)\S+", r"\b\w",
    r"x*", r"[[:punct:]]+", r"[[:alpha:]]+|[[:^upper:]]", r"[\w&&[^\d]]+", r"^.|.$", r"(?m).", r"\s+$", r"(?i)[a-k]+|\p{Lu}",
    r"\p{^L}+", r"[\P{L}&&\S]+", r"\R", r"\h+", r"a(?i)h|i", r"[^]a]+", r"\p{Cf}|\p{Co}|\p{Cn}", r"\p{N}{,2}", r"\B.",
    r"(?>\s*)[\r\n]+|\s++", r"\p{Mn}+|\p{Mc}", r"(?:a|b|c)+?d?", r"[\x{4e00}-\x{9fa5}]+", r"", r"\p{Lu}\p{Ll}*|\p{Lm}|\p{Lo}",
]
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
SP_VOCAB = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)] + list("▁abcdefghilnorstuw.,é中")
SP_MERGES = [("t", "h"), ("th", "e"), ("▁", "the"), ("▁", "▁"), ("a", "n"), ("an", "d"), ("▁", "a"), ("i", "n"), ("in", "g"), ("e", "r")]
SP_DECODER = dec.Sequence([dec.Replace("▁", " "), dec.ByteFallback(), dec.Fuse(), dec.Strip(" ", 1, 0)])
SPECIALS = [{"content": "<x>", "special": True}, {"content": "HTTP", "single_word": True}, {"content": "<x>y", "lstrip": True},
            {"content": "É!", "normalized": True}, {"content": "IN", "normalized": True, "rstrip": True}]


def configurations():
    for i, pattern in enumerate(PATTERNS):
        for j in range(2):
            behavior, invert = BEHAVIORS[(i + 2 * j) % 5], (i + j) % 3 == 0
            yield small(pre_tokenizer=pre.Sequence([pre.Split(Regex(pattern), behavior, invert), BYTE_LEVEL]), decoder=dec.ByteLevel())
    for behavior in BEHAVIORS:
        for invert in (False, True):
            yield small(pre_tokenizer=pre.Sequence([pre.Split(" ", behavior, invert), BYTE_LEVEL]), decoder=dec.ByteLevel())
    for step in [pre.Digits(True), pre.Digits(False), pre.Punctuation("isolated"), pre.Punctuation("contiguous"), pre.Whitespace(),
                 pre.WhitespaceSplit(), pre.Metaspace(prepend_scheme="first"), pre.ByteLevel(add_prefix_space=True, use_regex=True)]:
        yield small(pre_tokenizer=pre.Sequence([step, BYTE_LEVEL]), decoder=dec.ByteLevel())
    for form in [norm.NFC(), norm.NFD(), norm.NFKC(), norm.NFKD(), norm.Lowercase(), norm.StripAccents(), norm.Strip(),
                 norm.Replace(Regex(r"\s+"), " "), norm.Sequence([norm.NFD(), norm.StripAccents(), norm.Lowercase()])]:
        yield small(normalizer=form, pre_tokenizer=BYTE_LEVEL, decoder=dec.ByteLevel(), added=SPECIALS)
    sp = dict(vocab=SP_VOCAB, merges=SP_MERGES, byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    yield small(norm.Sequence([norm.Prepend("▁"), norm.Replace(" ", "▁")]), None, SP_DECODER, SPECIALS, **sp)
    for scheme in ["first", "always", "never"]:
        for split in (False, True):
            yield small(None, pre.Metaspace(prepend_scheme=scheme, split=split), dec.Metaspace(prepend_scheme=scheme), SPECIALS, **sp)
    sp["vocab"] = [t for t in SP_VOCAB if t not in ("<0xE4>", "<0xF0>")]
    yield small(None, pre.Metaspace(split=False), SP_DECODER, SPECIALS, **sp)
    for fuse in (False, True):
        yield small(None, None, dec.Fuse(), vocab=["<unk>"] + list("abtheing "), merges=SP_MERGES[:2], unk_token="<unk>", fuse_unk=fuse)
    yield small(None, pre.WhitespaceSplit(), None, vocab=list("abthe") + ["##" + c for c in "abthe"] + ["e</w>", "##e</w>"],
                continuing_subword_prefix="##", end_of_word_suffix="</w>")


with open("reference_cases.jsonl", "w") as out:
    for family in FAMILIES:
        path = f"goldens/{family}/tokenizer.json"
        tokenizer = Tokenizer.from_file("../" + path)
        size = tokenizer.get_vocab_size()
        lists = [[rng.randrange(size) for _ in range(rng.randrange(20))] for _ in range(10)]
        write_cases(out, path, tokenizer, PROSE + [text() for _ in range(36)], lists)
    for config in configurations():
        tokenizer = Tokenizer.from_str(json.dumps(config))
        size = tokenizer.get_vocab_size()
        lists = [[rng.randrange(size) for _ in range(12)] for _ in range(3)]
        write_cases(out, config, tokenizer, [rng.choice(PROSE)] + [text() for _ in range(7)], lists)
