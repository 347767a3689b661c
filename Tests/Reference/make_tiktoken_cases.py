"""A small `tiktoken.model` in the manner of Kimi K2's, and what the `tiktoken` library makes of texts with it.

    python3 -m venv venv && venv/bin/pip install tiktoken regex
    venv/bin/python Tests/Reference/make_tiktoken_cases.py Tests/Fixtures/tokenizers/tiktoken

writes `tiktoken.model` (all bytes, and tokens learnt here by counting pairs), `tokenizer_config.json` with some of the
256 special tokens named, and `cases.jsonl`: texts, their ids, and the texts of random ids. `TikTokenTests` compares.
"""

import base64
import collections
import json
import pathlib
import random
import sys

import regex
import tiktoken

PATTERN = "|".join([
    r"""[\p{Han}]+""",
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
    r"""\p{N}{1,3}""", r""" ?[^\s\p{L}\p{N}]+[\r\n]*""", r"""\s*[\r\n]+""", r"""\s+(?!\S)""", r"""\s+"""])
SAMPLES = """The experts of a model are many, and a token's way leads to few of them; it's what they're for. We'll see: 1234567 tokens!
混合专家模型有许多专家，每个词元只访问其中几个。我们会看到的。模型很大，专家很多。
トークンは少数のエキスパートを訪れます。モデルは大きいです。これはテストです。
전문가 모델은 여러 전문가로 이루어져 있습니다. 토큰은 몇몇 전문가만 방문합니다.
Модель состоит из множества экспертов. É à la façon d'un modèle où l'on choisit; Straße, naïve, coöperate.
def f(x):\n    return x + 1\n\n\n# what DON'T and I'LL mean\nfor i in range(10):\n\tprint(i)
""" * 3
PIECES = [
    "专家", "模型", "的", "混合", "，", "。", "漢字", "々", "〇", "ト", "エキ", "ー", "々カ", "전문가", "은", "Model", "model", "MODELS", "x", "É", "e\u0301", "a\u0300\u0301",
    "ß", "ǅ", "ʰ", "ª", "'s", "'S", "'ſ", "'LL", "'ll", "'d", "'", "’s", "1", "12", "4567", "٣", "Ⅷ", "½", "²", " ", "  ", "\t", "\n", "\r\n", "\n\n ", "\u3000", "\u00a0",
    "!", "?!", "...", "(", ")", "_", "-", "/", "\\", "🙂", "👩‍🚀", "\u200d", "\u0000", "﷽", "𠀀", "𠮷野", "㐀", "ａ", "한", "가나", "ไทย", "हिन्दी", "عربي", "\U00016d40",
    "<|im_end|>", "[BOS]", "<|reserved_token_650|>", "<|im_", "the experts", " way", "it's", "They're", "\ufeff",
]


def learn(count):
    """Byte-pair encoding of the samples' words, most frequent pair first, ties by bytes."""
    ranks = {bytes([b]): i for i, b in enumerate(sorted(range(256), key=lambda b: (b * 37) % 256))}
    words = collections.Counter(m.group().encode() for m in regex.compile(PATTERN, regex.V1).finditer(SAMPLES))
    words = {tuple(bytes([b]) for b in word): n for word, n in words.items()}
    while len(ranks) < count:
        pairs = collections.Counter()
        for word, n in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        joined = best[0] + best[1]
        ranks.setdefault(joined, len(ranks))
        merged = {}
        for word, n in words.items():
            parts, i = [], 0
            while i < len(word):
                if word[i:i + 2] == best:
                    parts.append(joined)
                    i += 2
                else:
                    parts.append(word[i])
                    i += 1
            merged[tuple(parts)] = merged.get(tuple(parts), 0) + n
        words = merged
    return ranks


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    ranks = learn(640)
    (folder / "tiktoken.model").write_bytes(
        b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items()))
    count = len(ranks)
    names = {count: "[BOS]", count + 1: "[EOS]", count + 2: "<|im_end|>", count + 3: "<|im_user|>", count + 17: "<think>", count + 255: "[PAD]"}
    entry = dict(lstrip=False, rstrip=False, single_word=False, normalized=False)
    config = {
        "tokenizer_class": "TikTokenTokenizer", "auto_map": {"AutoTokenizer": ["tokenization_kimi.TikTokenTokenizer", None]},
        "bos_token": "[BOS]", "eos_token": "[EOS]",
        "added_tokens_decoder": {str(i): {"content": name, **entry, "special": name != "<think>"} for i, name in names.items()}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    special = {names.get(i, f"<|reserved_token_{i}|>"): i for i in range(count, count + 256)}
    encoding = tiktoken.Encoding("small", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=special)
    draw = random.Random(7)
    texts = [""] + PIECES + SAMPLES.splitlines()[:9] + ["ab" * 300, "专" * 200, "あ" * 120, " " * 90, "e\u0301" * 60]
    texts += ["".join(draw.choices(PIECES, k=draw.randint(2, 24))) for _ in range(400)]
    texts += ["".join(chr(draw.choice([draw.randint(32, 126), draw.randint(0xA0, 0x24F), draw.randint(0x300, 0x36F), draw.randint(0x3040, 0x30FF), draw.randint(0x4E00, 0x4E40), draw.randint(0xAC00, 0xAC40)])) for _ in range(draw.randint(1, 30))) for _ in range(200)]
    with open(folder / "cases.jsonl", "w", encoding="utf-8") as out:
        for text in texts:
            ids = encoding.encode(text, allowed_special="all")
            out.write(json.dumps({"text": text, "ids": ids}, ensure_ascii=False) + "\n")
        for _ in range(100):
            ids = [draw.randrange(count + 256) for _ in range(draw.randint(1, 12))]
            out.write(json.dumps({"ids": ids, "decoded": encoding.decode(ids)}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
