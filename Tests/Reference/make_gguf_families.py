#!/usr/bin/env python3
"""The checkpoints of `Tests/Fixtures/families` as GGUF files, by llama.cpp's own converter.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.24.0 safetensors numpy sentencepiece
    pip download --no-binary :all: --no-deps llama-cpp-python==0.3.36 && tar xzf llama_cpp_python-*.tar.gz
    venv/bin/python Tests/Reference/make_gguf_families.py llama_cpp_python-0.3.36/vendor/llama.cpp Tests/Fixtures [FAMILY ...]

writes `Tests/Fixtures/gguf/FAMILY.gguf`, weights in BF16 as they are there. What the converter does not take is spelt
as it does: dots.llm1's router by its scores, without a window, which files cannot tell; Mistral Small 4 as the part of
a model with eyes that it is published as; and Sarvam's under a `model_type` that the reference implementation has no
class for, which else renames its settings before the converter reads them. Those with gated DeltaNet come without their
module, and Qwen3-Next without a dense layer; Qwen3.5 with experts once more, with the module of
`Tests/Fixtures/prediction`, where that file then lies beside it; of DeepSeek-V4 the header is kept alone, for the
fuzzers. The vocabulary is 47 letters of the demonstration model's, and a pair of them. Not part of the test suite.
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile

from safetensors.torch import load_file, save_file

from compare_llama_cpp import DEMO, convert

CHANGES = {
    "dots1": dict(scoring_func="sigmoid", sliding_window=None),
    "sarvam_moe": dict(model_type="sarvam_moe_as_published"),
    "mistral4": {}, "bailing_moe_v2": {}, "ernie4_5_moe": {}, "exaone_moe": {}, "hy_v3": {}, "solar_open": {},
    "qwen3_next": dict(mlp_only_layers=[]), "qwen3_5": {}, "qwen3_5_moe": {}, "deepseek_v4": {},
}
# Where folders lie that are not among `families`; and what the converter is told.
PLACES = {"qwen3_next": "delta", "qwen3_5": "delta", "qwen3_5_moe": "delta", "deepseek_v4": "compressed"}
NO_MODULE = ["qwen3_next", "qwen3_5", "qwen3_5_moe"]
WITH_MODULE = ["qwen3_5_moe"]


def prepared(source, family, folder):
    shutil.copytree(source, folder)
    path = folder / "config.json"
    config = json.loads(path.read_text()) | CHANGES[family]
    if family == "mistral4":
        config = dict(
            architectures=["Mistral3ForConditionalGeneration"], model_type="mistral3", text_config=config,
            vision_config=dict(model_type="pixtral"))
        del config["text_config"]["architectures"]
    path.write_text(json.dumps(config))
    if family == "qwen3_next":
        sparse_everywhere(folder / "model.safetensors")
    tokenizer = json.loads((DEMO / "tokenizer.json").read_text())
    tokens = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].get)[:47]
    # One that is made of others: files without merges are of no such tokenizer.
    pair = tokens[-2:]
    tokens.append("".join(pair))
    tokenizer["model"] |= dict(vocab={token: i for i, token in enumerate(tokens)}, merges=[" ".join(pair)])
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["id"] < 48]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    shutil.copyfile(DEMO / "tokenizer_config.json", folder / "tokenizer_config.json")


def sparse_everywhere(path):
    """The second layer's dense block, which files of Qwen3-Next cannot have, gives way to the first layer's experts."""
    tensors = {n: t for n, t in load_file(path).items() if not n.startswith("model.layers.1.mlp.")}
    first = "model.layers.0.mlp."
    tensors |= {f"model.layers.1.mlp.{n[len(first):]}": t.clone() for n, t in tensors.items() if n.startswith(first)}
    save_file(tensors, path, {"format": "pt"})


def add_module(path, module):
    """A module that is whole in the place of what the checkpoint has of one."""
    tensors = {n: t for n, t in load_file(path).items() if not n.startswith("mtp.")}
    tensors |= {n: t for n, t in load_file(module).items() if n.startswith("mtp.")}
    save_file(tensors, path, {"format": "pt"})


def header_of(path, source):
    """What stands before the data, in a file of its own, which takes the other's place."""
    sys.path.insert(0, str(source / "gguf-py"))
    import gguf

    short = path.with_suffix(".header")
    short.write_bytes(path.read_bytes()[: gguf.GGUFReader(path).data_offset])
    path.unlink()
    return short


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("fixtures", type=pathlib.Path)
    parser.add_argument("families", nargs="*", default=list(CHANGES))
    arguments = parser.parse_args()
    arguments.pre = "deepseek-v3"
    for family in arguments.families:
        with tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place) / family
            prepared(arguments.fixtures / PLACES.get(family, "families") / family, family, folder)
            out = arguments.fixtures / "gguf" / f"{family}.gguf"
            convert(folder, out, "BF16", arguments, ["--no-mtp"] if family in NO_MODULE else [])
            if family == "deepseek_v4":
                out = header_of(out, arguments.source)
            print(family, out.stat().st_size)
            if family in WITH_MODULE:
                add_module(folder / "model.safetensors", arguments.fixtures / "prediction" / f"{family}.safetensors")
                out = arguments.fixtures / "prediction" / f"{family}.gguf"
                convert(folder, out, "BF16", arguments)
                print(family, "with its module", out.stat().st_size)


if __name__ == "__main__":
    main()
