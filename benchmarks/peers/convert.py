"""Runs llama.cpp's own convert_hf_to_gguf.py with the name of the pre-tokenizer given.

The converter recognises a pre-tokenizer by a hash of the ids that a test text gets. A synthetic vocabulary gives ids
that no published model has, though its pre-tokenizer is GPT-2's. Nothing else of the converter is changed.

usage: convert.py LLAMA_SOURCE PRE_TOKENIZER [arguments of convert_hf_to_gguf.py]
"""

import os
import runpy
import sys

source, name = os.path.abspath(sys.argv[1]), sys.argv[2]
sys.argv = [os.path.join(source, "convert_hf_to_gguf.py")] + sys.argv[3:]
sys.path.insert(0, source)


def named(self, tokenizer):
    return name


try:
    from conversion.base import TextModel  # since the converter was split into a package
    TextModel.get_vocab_base_pre = named
    runpy.run_path(sys.argv[0], run_name="__main__")
except ModuleNotFoundError as error:
    if error.name not in ("conversion", "conversion.base"):
        raise
    converter = runpy.run_path(sys.argv[0], run_name="convert_hf_to_gguf")
    model = converter.get("TextModel") or converter["Model"]
    model.get_vocab_base_pre = named
    converter["main"]()
