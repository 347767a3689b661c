#!/usr/bin/env python3
"""Scores held-out text with the demonstration model by transformers, in fp32: what `martinet score` is held to.

    make_demo_goldens.py [--corpus HELD-OUT.jsonl]

Needs torch and transformers. Writes Tests/Fixtures/demo-model/goldens.json; with --corpus, the file of that name that
deploy/recipe/corpus.py made, chooses the text anew, too (heldout.jsonl): short documents of each source, and two long
ones.
"""

import argparse
import collections
import json
import pathlib

import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "Sources/Model/DemoModel/demo-model"
FIXTURES = ROOT / "Tests/Fixtures/demo-model"
#: Most tokens of a document that is scored; longer ones are cut into windows by what reads them.
LONGEST = 500


def chosen(corpus, tokenizer):
    """Of each source twelve paragraphs' worth of short documents; of two, one document of 40,000 characters."""
    found, longs = [], []
    counts = collections.Counter()
    for line in corpus.read_text("utf-8").splitlines():
        document = json.loads(line)
        source = document["source"]
        if source in ("austen", "web") and not any(d["source"] == source for d in longs):
            longs.append(document | dict(text=document["text"][:40_000]))
            continue
        for number, text in enumerate(document["text"].split("\n\n")):
            if counts[source] < 12 and len(text) > 30 and len(tokenizer(text)["input_ids"]) <= LONGEST and number % 7 == 0:
                counts[source] += 1
                found.append(dict(source=source, name=f"{document['name']}, paragraph {number}", text=text))
    return found + longs


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--corpus", type=pathlib.Path)
    options = parser.parse_args()
    torch.set_num_threads(2)
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    path = FIXTURES / "heldout.jsonl"
    if options.corpus:
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(
                json.dumps(document, ensure_ascii=False) + "\n" for document in chosen(options.corpus, tokenizer))
    scored = []
    for line in path.read_text("utf-8").splitlines():
        document = json.loads(line)
        ids = tokenizer(document["text"], return_tensors="pt")["input_ids"]
        entry = dict(
            source=document["source"], name=document["name"], bytes=len(document["text"].encode()), tokens=ids.shape[1] - 1)
        if ids.shape[1] <= model.config.max_position_embeddings:
            with torch.no_grad():
                logprobs = model(ids).logits[0, :-1].double().log_softmax(-1)
            entry["nats"] = -logprobs.gather(1, ids[0, 1:, None]).sum().item()
        scored.append(entry)
    whole = [entry for entry in scored if "nats" in entry]
    nats, size = sum(entry["nats"] for entry in whole), sum(entry["bytes"] for entry in whole)
    (FIXTURES / "goldens.json").write_text(json.dumps(
        dict(transformers=transformers.__version__, bits_per_byte=nats / size / 0.6931471805599453, heldout_documents=scored),
        ensure_ascii=False, indent=1) + "\n", "utf-8")
    print(f"{len(whole)} of {len(scored)} documents scored: {nats / size / 0.6931471805599453:.4f} bits per byte")


if __name__ == "__main__":
    main()
