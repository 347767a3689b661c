#!/usr/bin/env python3
"""GGUF files as llama.cpp writes them, run by llama.cpp and by martinet: ids, tokens chosen and perplexity compared.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.24.0 safetensors numpy llama-cpp-py-sync==0.11739
    pip download --no-binary :all: --no-deps llama-cpp-python==0.3.36 && tar xzf llama_cpp_python-*.tar.gz
    venv/bin/python Tests/Reference/compare_llama_cpp.py --source llama_cpp_python-0.3.36/vendor/llama.cpp

Converter and quantiser are llama.cpp's own, the first out of its source, the second, and its engine, out of a package
of its library. Models are `demo`, the demonstration model behind layers that add nothing, on held-out text;
`demo-wide`, the same with each channel of the residual stream twice and each of a feed-forward block four times, which
computes the same and has rows that the types of 256 columns divide; every family of `WIDE`, random, of such sizes; and
any folder named, such as a golden of the tests.

Both engines read the same ids; llama.cpp keeps its cache in f32 here. Two things are compared:

* `weights`: the file in F32, as llama.cpp expands it itself, in llama.cpp, and the file as it is in martinet with
  `--weights f32`. Nothing is rounded in either, so that logits must agree to `--exact` of their standard deviation
  (1e-4), and perplexities to `--tolerance` (0.1 %).
* `native`: the file in llama.cpp, which in products with blocks rounds activations to 8 bits, and with F16 and BF16 to these;
  and in martinet with `--weights auto`, which rounds them to 8 bits in its own way. Each is some distance from the
  unrounded result: the root mean square of its logits' difference from it, in shares of their standard deviation, and
  the change of perplexity. A row fails where martinet is more than half as far again as llama.cpp from it, and more
  than 0.02.

Models that choose positions are given more than the texts have: of scores that are nearly the same, each engine's
rounding decides, and everything after differs.

A newer llama.cpp than the package has, such as DeepSeek-V4 needs, runs as a program built against it:
`--peer llama_logits` (`llama_logits.c`) and `--quantiser llama-quantize`.

`other` counts the tokens that martinet chooses otherwise than llama.cpp, and `lead` is the largest lead that one of
these had, in standard deviations of the logits: small where all were near ties. Everything is kept in `--work` for
study. Not part of the test suite.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "Sources/Model/DemoModel/demo-model"
HELD_OUT = ROOT / "Tests/Fixtures/demo-model/heldout.jsonl"
TYPES = dict(
    F32=0, F16=1, Q4_0=2, Q4_1=3, Q8_0=7, Q5_0=8, Q5_1=9, Q2_K=10, Q3_K_M=12, Q4_K_M=15, Q5_K_M=17, Q6_K=18, IQ2_XXS=19,
    IQ2_XS=20, IQ3_XXS=23, IQ1_S=24, IQ4_NL=25, IQ3_S=26, IQ2_S=28, IQ4_XS=30, IQ1_M=31, BF16=32, TQ1_0=36, TQ2_0=37,
    MXFP4=38)
# Types whose quantiser asks for the importance of columns: all alike here.
NEED_IMPORTANCE = {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"}
GROUPED = dict(num_attention_heads=4, num_key_value_heads=2, head_dim=64)
LATENT = dict(
    num_attention_heads=4, num_key_value_heads=4, kv_lora_rank=256, q_lora_rank=256, qk_nope_head_dim=32,
    qk_rope_head_dim=32, v_head_dim=64)
SIGMOID = dict(
    n_routed_experts=8, n_shared_experts=1, num_experts_per_tok=3, n_group=1, topk_group=1, norm_topk_prob=True,
    routed_scaling_factor=1.5, first_k_dense_replace=1)
# llama.cpp takes keys and values of one width. Blocks of 256 columns run across the four heads.
HYBRID = dict(
    num_attention_heads=4, num_key_value_heads=2, head_dim=64, linear_num_key_heads=2, linear_num_value_heads=4,
    linear_key_head_dim=64, linear_value_head_dim=64, linear_conv_kernel_dim=4, num_hidden_layers=4,
    layer_types=["linear_attention"] * 3 + ["full_attention"])
GATED = dict(num_experts=8, num_experts_per_tok=3, shared_expert_intermediate_size=256)
WIDE = {
    "deepseek_v3": dict(LATENT | SIGMOID, n_group=4, topk_group=2, scoring_func="sigmoid", topk_method="noaux_tc"),
    "deepseek_v2": dict(
        LATENT | SIGMOID, q_lora_rank=None, norm_topk_prob=False, topk_method="greedy", scoring_func="softmax",
        routed_scaling_factor=1.0, num_hidden_layers=27, first_k_dense_replace=24),
    # Without the name of its scores llama.cpp knows them by the published model's size only.
    "glm4_moe_lite": dict(LATENT | SIGMOID, scoring_func="sigmoid"),
    "deepseek_v32": dict(
        LATENT | SIGMOID, qk_rope_head_dim=64, index_n_heads=4, index_head_dim=128, index_topk=256, scoring_func="sigmoid",
        topk_method="noaux_tc"),
    "glm_moe_dsa": dict(
        LATENT | SIGMOID, qk_rope_head_dim=64, index_n_heads=4, index_head_dim=128, index_topk=256,
        indexer_types=["full", "shared", "full"]),
    "qwen3_moe": dict(GROUPED, num_experts=8, num_experts_per_tok=3, norm_topk_prob=True, decoder_sparse_step=1),
    "qwen2_moe": dict(
        GROUPED, num_experts=8, num_experts_per_tok=3, norm_topk_prob=False, decoder_sparse_step=1,
        shared_expert_intermediate_size=256, qkv_bias=True),
    "mixtral": dict(GROUPED, num_local_experts=8, num_experts_per_tok=2),
    "olmoe": dict(GROUPED, num_key_value_heads=4, num_experts=8, num_experts_per_tok=3, norm_topk_prob=False),
    "glm4_moe": dict(GROUPED | SIGMOID, use_qk_norm=True, attention_bias=True, partial_rotary_factor=0.5),
    "minimax_m2": dict(GROUPED, num_local_experts=8, num_experts_per_tok=3, rotary_dim=32, scoring_func="sigmoid"),
    # llama.cpp rounds YaRN's bounds, which the reference implementation does not for this family.
    "gpt_oss": dict(
        GROUPED, num_local_experts=8, num_experts_per_tok=3, sliding_window=32,
        rope_parameters=dict(rope_type="default", rope_theta=10000.0)),
    "llama": dict(GROUPED), "qwen2": dict(GROUPED), "qwen3": dict(GROUPED),
    "solar_open": dict(GROUPED | SIGMOID, first_k_dense_replace=0, partial_rotary_factor=1.0),
    "dots1": dict(GROUPED | SIGMOID, num_key_value_heads=4, scoring_func="sigmoid", sliding_window=None),
    "exaone_moe": dict(
        GROUPED, num_experts=8, num_shared_experts=1, num_experts_per_tok=3, n_group=1, topk_group=1, norm_topk_prob=True,
        routed_scaling_factor=1.5, first_k_dense_replace=1, sliding_window=32, sliding_window_pattern=4,
        num_hidden_layers=4),
    "ernie4_5_moe": dict(
        GROUPED, moe_num_experts=8, moe_k=3, moe_num_shared_experts=1, moe_layer_start_index=1, moe_layer_end_index=2,
        moe_layer_interval=1, moe_use_aux_free=True, use_bias=False),
    "qwen3_next": dict(HYBRID | GATED, norm_topk_prob=True, decoder_sparse_step=1, partial_rotary_factor=0.25),
    "qwen3_5_text": dict(HYBRID), "qwen3_5_moe_text": dict(HYBRID | GATED),
}
# As published, in FP8 and FP4, of what llama.cpp's graph takes: four streams, entries of 4 and 128 tokens, an indexer
# whose keys have a multiple of 64 dimensions, and another number than the attention's.
PUBLISHED = {
    "deepseek_v4": dict(
        hidden_size=256, moe_intermediate_size=256, num_hidden_layers=4, num_attention_heads=4, head_dim=256,
        qk_rope_head_dim=64, q_lora_rank=256, n_routed_experts=8, num_experts_per_tok=3, routed_scaling_factor=1.5,
        compress_ratios=[0, 4, 128, 4], num_hash_layers=2, hc_mult=4, hc_sinkhorn_iters=20, swiglu_limit=10.0,
        sliding_window=16, o_groups=2, o_lora_rank=128, index_n_heads=4, index_head_dim=128, index_topk=512,
        vocab_size=1024, num_nextn_predict_layers=0, expert_dtype="fp4", quantization_config=dict(
            quant_method="fp8", activation_scheme="dynamic", fmt="e4m3", scale_fmt="ue8m0",
            weight_block_size=[128, 128])),
}
# Whose prediction module the converter would else ask for.
NO_MODULE = ["qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"]


# MARK: Checkpoints


def random_checkpoint(family, folder):
    """A model of the family with random weights, under the published names, and the demonstration's tokenizer."""
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    values = dict(
        hidden_size=256, intermediate_size=256, moe_intermediate_size=256, num_hidden_layers=3, vocab_size=1024,
        max_position_embeddings=4096, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False, bos_token_id=0,
        eos_token_id=1, pad_token_id=2, hidden_act="silu")
    config = CONFIG_MAPPING[family].from_dict({**values, **WIDE[family]})
    model = AutoModelForCausalLM.from_config(config).float().eval()
    generator = torch.Generator().manual_seed(1)
    buffers = [(name, value) for name, value in model.named_buffers() if "correction_bias" in name]
    with torch.no_grad():
        for name, value in list(model.named_parameters()) + buffers:
            noise = torch.randn(value.shape, generator=generator)
            if "norm" in name:
                value.copy_(1 + 0.1 * noise)
            elif value.dim() == 1 or "correction_bias" in name:
                value.copy_(0.1 * noise)
            else:
                value.copy_((noise * (1 if "embed" in name else 1 / value.shape[-1] ** 0.5)).bfloat16())
    model.save_pretrained(folder)
    path = folder / "config.json"
    stored = json.loads(path.read_text())
    # Spelt as published: what the converter looks for.
    rope = stored.get("rope_parameters") or {}
    for key in ("rope_theta", "partial_rotary_factor"):
        if key in rope:
            stored.setdefault(key, rope[key])
    if rope.get("rope_type") not in (None, "default"):
        stored["rope_scaling"] = {k: v for k, v in rope.items() if k != "rope_theta"}
    stored |= {k: v for k, v in WIDE[family].items() if k not in stored}
    path.write_text(json.dumps(stored, indent=1))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(DEMO / name, folder / name)


def published_checkpoint(family, folder):
    """The same in the forms that the family is published in."""
    from make_compressed_goldens import BASE, draw
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    values = dict(BASE, **PUBLISHED[family])
    own = {k: v for k, v in values.items() if k != "quantization_config"}
    config = CONFIG_MAPPING[family].from_dict(json.loads(json.dumps(own)))
    model = AutoModelForCausalLM.from_config(config).float().eval()
    stored = draw(model, values, torch.Generator().manual_seed(1))
    folder.mkdir(parents=True)
    # In BF16, in which the quantiser leaves routers, llama.cpp would round what meets them.
    stored = {k: v.float() if k.endswith("ffn.gate.weight") else v.contiguous() for k, v in sorted(stored.items())}
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(values, indent=1))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(DEMO / name, folder / name)


def demonstration(folder, streams=1, parts=1):
    """The demonstration model in 27 layers, of which the first 23 add nothing: llama.cpp expects a rank of queries of
    models of other depths. Channels may be repeated, which changes no result either: columns share their weight."""
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copyfile(DEMO / name, folder / name)
    config = json.loads((DEMO / "config.json").read_text())
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    idle = 27 - layers
    config["num_hidden_layers"] += idle
    config["first_k_dense_replace"] += idle
    config["hidden_size"] *= streams
    config["moe_intermediate_size"] *= parts
    config["intermediate_size"] *= parts
    config["num_nextn_predict_layers"] = 0
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    rows = ("o_proj.weight", "down_proj.weight", "layernorm.weight", "model.norm.weight")
    tensors = {}
    for name, value in load_file(DEMO / "model.safetensors").items():
        layer = re.match(r"model\.layers\.(\d+)\.(.*)", name)
        if layer and int(layer[1]) >= layers:
            continue
        value = value.float()
        if name.endswith(rows) and value.shape[0] == hidden:
            value = value.repeat(streams, *[1] * (value.dim() - 1))
        if name.endswith(("gate_proj.weight", "up_proj.weight")):
            value = value.repeat(parts, 1)
        if name.endswith("down_proj.weight"):
            value = value.repeat(1, parts) / parts
        elif value.dim() == 2 and value.shape[1] == hidden and "o_proj" not in name:
            value = value.repeat(1, streams) / (1 if "embed_tokens" in name else streams)
        if layer is None:
            tensors[name] = value.contiguous()
            continue
        tensors[f"model.layers.{int(layer[1]) + idle}.{layer[2]}"] = value.contiguous()
        if layer[1] == "0":
            adds = name.endswith(("o_proj.weight", "down_proj.weight"))
            for number in range(idle):
                tensors[f"model.layers.{number}.{layer[2]}"] = torch.zeros_like(value) if adds else value.clone()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


# MARK: llama.cpp


def convert(folder, out, kind, arguments, options=()):
    """llama.cpp's converter, told the name of the pre-tokenizer, which it knows by a hash of published vocabularies."""
    script = (
        "import os, runpy, sys\n"
        "source, name = sys.argv[1:3]\n"
        "sys.path.insert(0, source)\n"
        "import conversion\n"
        "from conversion.base import TextModel\n"
        "TextModel.get_vocab_base_pre = lambda self, tokenizer: name\n"
        "conversion.load_all_models()\n"
        "def kinds(kind):\n"
        "    yield kind\n"
        "    for sub in kind.__subclasses__(): yield from kinds(sub)\n"
        "for kind in kinds(TextModel):\n"
        "    if 'set_vocab' in kind.__dict__: kind.set_vocab = lambda self: self._set_vocab_gpt2()\n"
        "sys.argv = [os.path.join(source, 'convert_hf_to_gguf.py')] + sys.argv[3:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n")
    command = [
        sys.executable, "-c", script, str(arguments.source), arguments.pre, str(folder), "--outfile", str(out), "--outtype",
        kind.lower(), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError("converter: " + " | ".join(done.stderr.strip().splitlines()[-3:]))


class Peer:
    """llama.cpp's library."""

    def __init__(self, threads):
        from llama_cpp_py_sync import _cffi_bindings

        self.ffi, self.lib, self.threads = _cffi_bindings.get_ffi(), _cffi_bindings.get_lib(), threads
        self.said = []
        self.log = self.ffi.callback(
            "void(enum ggml_log_level, const char *, void *)", lambda level, text, _: self.note(level, text))
        self.lib.llama_log_set(self.log, self.ffi.NULL)
        self.lib.llama_backend_init()

    def note(self, level, text):
        if level >= 3:
            self.said.append(self.ffi.string(text).decode(errors="replace").strip())

    def quantise(self, source, out, kind):
        ffi = self.ffi
        parameters = ffi.new("llama_model_quantize_params *", self.lib.llama_model_quantize_default_params())
        parameters.nthread, parameters.ftype, parameters.allow_requantize = self.threads, TYPES[kind], True
        keep = []
        if kind in NEED_IMPORTANCE:
            import gguf

            tensors = [t for t in gguf.GGUFReader(source).tensors if len(t.shape) > 1]
            data = ffi.new("struct llama_model_imatrix_data[]", len(tensors) + 1)
            for place, tensor in zip(data, tensors):
                count = int(tensor.shape[0]) * (int(tensor.shape[2]) if len(tensor.shape) > 2 else 1)
                keep += [ffi.new("char[]", tensor.name.encode()), ffi.new("float[]", [1.0] * count)]
                place.name, place.data, place.size = keep[-2], keep[-1], count
            parameters.imatrix = data
            keep.append(data)
        self.said.clear()
        if self.lib.llama_model_quantize(str(source).encode(), str(out).encode(), parameters):
            raise RuntimeError("quantiser: " + " | ".join(self.said[-3:]))

    def open(self, path, tokens):
        self.said.clear()
        parameters = self.lib.llama_model_default_params()
        self.model = self.lib.llama_model_load_from_file(str(path).encode(), parameters)
        if self.model == self.ffi.NULL:
            raise RuntimeError("llama.cpp: " + " | ".join(self.said[-3:]))
        context = self.lib.llama_context_default_params()
        context.n_ctx = context.n_batch = context.n_ubatch = max(tokens, 64)
        context.n_threads = context.n_threads_batch = self.threads
        context.type_k = context.type_v = 0
        context.flash_attn_type = 0
        context.swa_full = True
        self.context = self.lib.llama_init_from_model(self.model, context)
        if self.context == self.ffi.NULL:
            raise RuntimeError("llama.cpp: " + " | ".join(self.said[-3:]))

    def close(self):
        self.lib.llama_free(self.context)
        self.lib.llama_model_free(self.model)

    def read(self, path, ids):
        """The logits of every place."""
        self.open(path, max(map(len, ids)))
        try:
            return [self.logits(part) for part in ids]
        finally:
            self.close()

    def logits(self, ids):
        ffi, count = self.ffi, len(ids)
        batch = self.lib.llama_batch_init(count, 0, 1)
        batch.n_tokens = count
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
            batch.seq_id[i][0] = 0
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)
        if self.lib.llama_decode(self.context, batch):
            raise RuntimeError("llama.cpp: " + " | ".join(self.said[-3:]))
        width = self.lib.llama_vocab_n_tokens(self.lib.llama_model_get_vocab(self.model))
        out = np.frombuffer(ffi.buffer(self.lib.llama_get_logits(self.context), count * width * 4), np.float32)
        out = out.reshape(count, width).copy()
        self.lib.llama_batch_free(batch)
        return out


class BuiltPeer:
    """The same as programs."""

    def __init__(self, arguments):
        self.program, self.quantiser, self.threads = arguments.peer, arguments.quantiser, arguments.threads

    def call(self, *command, **options):
        done = subprocess.run(list(map(str, command)), capture_output=True, **options)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            told = [line for line in said if "ASSERT" in line or "error" in line] or said[-3:]
            raise RuntimeError(f"llama.cpp: status {done.returncode}: " + " | ".join(told[:3]))
        return done.stdout

    def quantise(self, source, out, kind):
        self.call(self.quantiser, "--allow-requantize", source, out, kind, self.threads)

    def read(self, path, ids):
        lines = "".join(" ".join(map(str, part)) + "\n" for part in ids)
        found = np.frombuffer(self.call(self.program, path, self.threads, input=lines.encode()), np.float32)
        found = found.reshape(sum(map(len, ids)), -1)
        return [part.copy() for part in np.split(found, np.cumsum([len(part) for part in ids])[:-1])]


# MARK: martinet


def call(arguments, *command):
    done = subprocess.run([str(arguments.martinet), *map(str, command)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError("martinet: " + " | ".join(done.stderr.strip().splitlines()[-3:]))
    return done.stdout


def own_logits(model, ids, weights, work, arguments):
    out = []
    for part in ids:
        file = work / "logits.safetensors"
        call(
            arguments, "score", "--model", model, "--token-ids", ",".join(map(str, part)), "--logits", file, "--weights",
            weights, "--threads", arguments.threads)
        (found,) = load_file(file).values()
        out.append(found.reshape(-1, found.shape[-1]).numpy())
    return out


# MARK: Comparison


def nats(logits, ids):
    """Of each token after the first, given those before it."""
    logits = logits[: len(ids) - 1].astype(np.float64)
    top = logits.max(-1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(-1)) + top[:, 0]
    return total - logits[np.arange(len(ids) - 1), ids[1:]]


def perplexity(logits, ids):
    return float(np.exp(np.concatenate([nats(x, i) for x, i in zip(logits, ids)]).mean()))


def distance(a, b):
    """The root mean square of what differs, in shares of the spread of the first."""
    x, y = (np.concatenate([t[: min(len(t), len(o))] for t, o in zip(p, q)]) for p, q in ((a, b), (b, a)))
    return float(np.sqrt(((x - y) ** 2).mean()) / x.std())


def choices(theirs, ours):
    """How many tokens are chosen otherwise, of how many, and the largest lead among these."""
    x, y = (np.concatenate([t[: min(len(t), len(o))] for t, o in zip(p, q)]) for p, q in ((theirs, ours), (ours, theirs)))
    best = np.sort(x, -1)
    other = x.argmax(-1) != y.argmax(-1)
    lead = float(((best[:, -1] - best[:, -2])[other] / x.std()).max()) if other.any() else 0.0
    return dict(other=int(other.sum()), of=len(x), lead=lead)


def texts(model, arguments):
    """Ids to read: held-out text for the demonstration, several passages behind one another; random ones otherwise."""
    if not model.startswith("demo"):
        generator = np.random.default_rng(1)
        return [generator.integers(3, arguments.vocabulary, arguments.tokens).tolist() for _ in range(2)]
    passages = [json.loads(line)["text"][:1200] for line in HELD_OUT.read_text().splitlines()]
    parts = [[]]
    for passage in passages:
        ids = [t["id"] for t in json.loads(call(arguments, "score", "--text", passage, "--json"))["tokens"]][1:]
        if len(parts[-1]) + len(ids) > 440:
            parts.append([])
        parts[-1] += ids
    return [[0, *part] for part in parts if part][: arguments.texts]


def run(name, arguments, peer, rows):
    work = arguments.work / pathlib.Path(name).name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    folder = work / "folder"
    if name.startswith("demo"):
        demonstration(folder, *((2, 4) if name == "demo-wide" else ()))
    elif name in WIDE:
        random_checkpoint(name, folder)
    elif name in PUBLISHED:
        published_checkpoint(name, folder)
    else:
        folder = pathlib.Path(name)
    config = json.loads((folder / "config.json").read_text())
    arguments.vocabulary = config.get("vocab_size") or config["text_config"]["vocab_size"]
    ids = texts(name, arguments)
    base = work / "F32.gguf"
    convert(folder, base, "F32", arguments, ["--no-mtp"] if name in NO_MODULE else [])
    for kind in arguments.types or (list(TYPES) if name == "demo-wide" else ["F32", "BF16", "F16", "Q8_0", "Q4_K_M"]):
        row = dict(model=pathlib.Path(name).name, type=kind)
        try:
            row |= measure(kind, base, ids, work, peer, arguments, name in PUBLISHED)
            print(
                "{model:16} {type:8} weights {weights:.1e}  native: llama.cpp {theirs:.4f} {their_change:+.3%} ({their_distance:.4f}), "
                "martinet {ours:.4f} {our_change:+.3%} ({our_distance:.4f}), other {other}/{of}, lead {lead:.3f}{0}".format(
                    "" if row["good"] else "  <-- DIFFERS", **row), flush=True)
        except RuntimeError as error:
            row |= dict(good=False, error=str(error))
            print(f"{row['model']:16} {kind:8} FAILED {error}", flush=True)
        rows.append(row)


def measure(kind, base, ids, work, peer, arguments, mixed=False):
    """`mixed`: the converter leaves what is published in blocks in blocks, also where it is asked for F32."""
    file, plain = work / f"{kind}.gguf", work / "expanded.gguf"
    whole = kind == "F32" and not mixed
    if kind != "F32":
        peer.quantise(base, file, kind)
    if not whole:
        peer.quantise(file, plain, "F32")
    unrounded = peer.read(base if whole else plain, ids)
    expanded = own_logits(file, ids, "f32", work, arguments)
    theirs = unrounded if whole else peer.read(file, ids)
    ours = expanded if whole else own_logits(file, ids, "auto", work, arguments)
    level = perplexity(unrounded, ids)
    row = dict(
        weights=distance(unrounded, expanded), unrounded=level, theirs=perplexity(theirs, ids), ours=perplexity(ours, ids),
        their_distance=distance(unrounded, theirs), our_distance=distance(unrounded, ours), **choices(theirs, ours))
    row["their_change"], row["our_change"] = row["theirs"] / level - 1, row["ours"] / level - 1
    near = row["our_distance"] <= max(1.5 * row["their_distance"], 0.02)
    row["plain"] = perplexity(expanded, ids)
    keeps = abs(row["plain"] / level - 1) <= arguments.tolerance
    row["good"] = row["weights"] <= arguments.exact and near and keeps
    if kind != "F32" and not arguments.keep:
        file.unlink()
        plain.unlink()
    return row


def alone(name, arguments):
    """The rows of one model, measured in a process of its own."""
    answer = arguments.work / "rows.json"
    arguments.work.mkdir(parents=True, exist_ok=True)
    answer.unlink(missing_ok=True)
    options = [sys.argv[0], "--source", arguments.source, "--martinet", arguments.martinet, "--work", arguments.work]
    options += ["--pre", arguments.pre, "--texts", arguments.texts, "--tokens", arguments.tokens, "--threads", arguments.threads]
    options += ["--tolerance", arguments.tolerance, "--exact", arguments.exact, "--json", answer, "--models", name]
    options += ["--keep"] * arguments.keep + (["--types", *arguments.types] if arguments.types else [])
    options += ["--peer", arguments.peer, "--quantiser", arguments.quantiser] if arguments.peer else []
    done = subprocess.run([sys.executable, *map(str, options)], stderr=subprocess.PIPE, text=True, errors="replace")
    if answer.exists():
        return json.loads(answer.read_text())
    fault = next((line for line in done.stderr.splitlines() if "ASSERT" in line), f"status {done.returncode}")
    print(f"{pathlib.Path(name).name:16} FAILED llama.cpp: {fault}", flush=True)
    return [dict(model=pathlib.Path(name).name, good=False, error=fault)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=pathlib.Path, required=True, help="llama.cpp's source, for its converter")
    parser.add_argument("--martinet", type=pathlib.Path, default=ROOT / ".build/release/martinet")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("compare-work"))
    parser.add_argument("--models", nargs="*", default=["demo", "demo-wide", *WIDE])
    parser.add_argument("--types", nargs="*", choices=list(TYPES))
    parser.add_argument("--pre", default="deepseek-v3", help="the pre-tokenizer's name")
    parser.add_argument("--texts", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--exact", type=float, default=1e-4)
    parser.add_argument("--peer", type=pathlib.Path, help="a program that computes logits, in the place of the package")
    parser.add_argument("--quantiser", type=pathlib.Path, help="llama-quantize, beside it")
    parser.add_argument("--keep", action="store_true", help="keep the quantised files")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.source / "gguf-py"))
    rows = []
    if len(arguments.models) == 1:
        try:
            peer = BuiltPeer(arguments) if arguments.peer else Peer(arguments.threads)
            run(arguments.models[0], arguments, peer, rows)
        except (RuntimeError, KeyError, OSError) as error:
            rows.append(dict(model=arguments.models[0], good=False, error=str(error)))
            print(f"{arguments.models[0]:16} FAILED {type(error).__name__} {error}", flush=True)
    else:
        # One process each: llama.cpp ends its own where a graph cannot be built.
        for name in arguments.models:
            rows += alone(name, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    bad = [r for r in rows if not r["good"]]
    if len(arguments.models) > 1:
        print(f"{len(rows)} comparisons, {len(bad)} differ")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
