#!/usr/bin/env python3
"""Writes a checkpoint's folder (such as a golden) as a GGUF file, with the names and transformations of llama.cpp.

    make_gguf.py FOLDER OUT.gguf [--type F32] [--latent split|whole|both] [--fused] [--parts N] [--layers N]

Needs `gguf`, `torch` and `safetensors`. Names of tensors come from gguf's own table. Rows that no block of the type
divides stay F32, as norms, routers and biases do. `--latent`: the up-projection of keys and values cut up by heads, as
files have it since April 2025, whole as before, or both. `--fused`: gate and up of experts in one tensor. `--parts`:
files of N tensors.

    make_gguf.py Tests/Fixtures/goldens/deepseek_v3 Tests/Fixtures/gguf/deepseek_v3.gguf --type Q4_0 --layers 1

makes the fixture.
"""

import argparse
import json
import pathlib
import re

import gguf
import numpy as np
import torch
from safetensors import safe_open

ARCHITECTURES = {
    "deepseek_v2": "deepseek2", "deepseek_v3": "deepseek2", "kimi_k2": "deepseek2", "glm4_moe_lite": "deepseek2",
    "qwen3_moe": "qwen3moe", "qwen2_moe": "qwen2moe", "llama": "llama", "mixtral": "llama", "qwen2": "qwen2",
    "qwen3": "qwen3", "gpt_oss": "gpt-oss", "glm4_moe": "glm4moe", "minimax_m2": "minimax-m2", "olmoe": "olmoe",
}


def read(folder):
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        if path.name == "goldens.safetensors":
            continue
        with safe_open(path, "pt") as file:
            for name in file.keys():
                tensors[name] = file.get_tensor(name)
    for name in [n for n in tensors if n.endswith("_scale_inv")]:
        scales = tensors.pop(name)
        weights = tensors[name.removesuffix("_scale_inv")].float()
        grid = scales.repeat_interleave(128, 0).repeat_interleave(128, 1)
        tensors[name.removesuffix("_scale_inv")] = weights * grid[: weights.shape[0], : weights.shape[1]]
    return tensors


def turned(weights, heads):
    """Rotary pairs side by side: (0, d/2), (1, d/2 + 1), … of each head."""
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def transformed(tensors, config, arguments):
    """Tensors by the names that gguf's table knows, as llama.cpp's converter has them."""
    out = {}
    experts = {}
    heads = config["num_attention_heads"]
    layers = config["num_hidden_layers"]
    family = config["model_type"]
    keeps_prediction = family == "glm4_moe"
    for name, tensor in tensors.items():
        layer = re.match(r"model\.layers\.(\d+)\.", name)
        if layer and int(layer[1]) >= layers and not keeps_prediction:
            continue
        if "rotary_emb" in name or (name == "lm_head.weight" and config.get("tie_word_embeddings")):
            continue
        if found := re.match(r"(.*\.experts)\.(\d+)\.(\w+)\.weight", name):
            experts.setdefault((found[1], found[3]), {})[int(found[2])] = tensor
        elif name.endswith("experts.gate_up_proj"):
            base = name.removesuffix("gate_up_proj")
            rows = tensor.transpose(1, 2)
            out[base + "gate_proj.weight"], out[base + "up_proj.weight"] = rows[:, ::2], rows[:, 1::2]
        elif name.endswith("experts.gate_up_proj_bias"):
            base = name.removesuffix("gate_up_proj_bias")
            out[base + "gate_proj.bias"], out[base + "up_proj.bias"] = tensor[:, ::2], tensor[:, 1::2]
        elif name.endswith("experts.down_proj"):
            out[name + ".weight"] = tensor.transpose(1, 2)
        elif name.endswith("experts.down_proj_bias"):
            out[name.removesuffix("_bias") + ".bias"] = tensor
        elif name.endswith("kv_b_proj.weight"):
            if arguments.latent != "split":
                out[name] = tensor
            if arguments.latent != "whole":
                nope = config["qk_nope_head_dim"]
                both = tensor.view(heads, nope + config["v_head_dim"], -1)
                out[name.replace("kv_b", "k_b")] = both[:, :nope].transpose(1, 2)
                out[name.replace("kv_b", "v_b")] = both[:, nope:]
        elif family in ("llama", "mixtral") and re.search(r"\.[qk]_proj\.", name):
            out[name] = turned(tensor, heads if ".q_proj." in name else config["num_key_value_heads"])
        elif name.endswith("sinks"):
            out[name + ".weight"] = tensor
        elif name.endswith("shared_expert_gate.weight"):
            out[name] = tensor.squeeze(0)
        else:
            out[name] = tensor
    for (base, projection), parts in experts.items():
        stacked = torch.stack([parts[i] for i in range(len(parts))])
        out[f"{base}.{projection}.weight"] = stacked
    return out


def key_values(writer, config, tensors):
    family = config["model_type"]
    experts = next((config[k] for k in ("n_routed_experts", "num_experts", "num_local_experts") if k in config), 0)
    modules = config.get("num_nextn_predict_layers", 0) if family == "glm4_moe" else 0
    writer.add_block_count(config["num_hidden_layers"] + modules)
    if modules:
        writer.add_nextn_predict_layers(modules)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    heads = config["num_attention_heads"]
    writer.add_head_count(heads)
    latent = "kv_lora_rank" in config
    writer.add_head_count_kv(1 if latent else config.get("num_key_value_heads", heads))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    writer.add_rope_freq_base(float(rope.get("rope_theta", config.get("rope_theta", 10000.0))))
    kind = rope.get("rope_type", rope.get("type"))
    width = config.get("head_dim", config["hidden_size"] // heads)
    if kind in ("yarn", "linear"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
        writer.add_rope_scaling_factor(rope["factor"])
    if kind == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        writer.add_rope_scaling_yarn_beta_fast(rope.get("beta_fast", 32))
        writer.add_rope_scaling_yarn_beta_slow(rope.get("beta_slow", 1))
    if kind == "llama3":
        pairs = torch.arange(0, width, 2, dtype=torch.float32) / width
        waves = 2 * np.pi * torch.pow(torch.tensor(float(rope["rope_theta"])), pairs)
        low, high, length = rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"]
        smooth = ((length / waves - low) / (high - low)).clamp(0, 1)
        tensors["rope_freqs.weight"] = 1 / ((1 - smooth) / rope["factor"] + smooth)
    if latent:
        rotary, nope, rank = config["qk_rope_head_dim"], config["qk_nope_head_dim"], config["kv_lora_rank"]
        writer.add_rope_dimension_count(rotary)
        writer.add_kv_lora_rank(rank)
        writer.add_key_length(rank + rotary)
        writer.add_value_length(rank)
        writer.add_key_length_mla(nope + rotary)
        writer.add_value_length_mla(config["v_head_dim"])
        if config.get("q_lora_rank"):
            writer.add_q_lora_rank(config["q_lora_rank"])
        if "mscale_all_dim" in rope:
            writer.add_rope_scaling_yarn_log_mul(0.1 * rope["mscale_all_dim"])
    else:
        if "head_dim" in config:
            writer.add_key_length(width)
            writer.add_value_length(width)
        share = config.get("partial_rotary_factor", 0.5) if family == "glm4_moe" else 1
        writer.add_rope_dimension_count(config.get("rotary_dim", int(width * share)))
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(config["num_experts_per_tok"])
        own = config.get("moe_intermediate_size")
        if own or family in ("gpt_oss", "minimax_m2"):
            writer.add_expert_feed_forward_length(own or config["intermediate_size"])
        sigmoid = config.get("scoring_func") == "sigmoid" or family in ("glm4_moe", "glm4_moe_lite")
        if family != "gpt_oss":
            writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID if sigmoid else gguf.ExpertGatingFuncType.SOFTMAX)
        if "n_shared_experts" in config:
            writer.add_expert_shared_count(config["n_shared_experts"])
            writer.add_leading_dense_block_count(config["first_k_dense_replace"])
            writer.add_expert_weights_scale(config["routed_scaling_factor"])
            if config.get("n_group", 1) > 1:
                writer.add_expert_group_count(config["n_group"])
                writer.add_expert_group_used_count(config["topk_group"])
        if "shared_expert_intermediate_size" in config:
            writer.add_expert_shared_feed_forward_length(config["shared_expert_intermediate_size"])
        if config.get("norm_topk_prob"):
            writer.add_expert_weights_norm(True)
    if family == "gpt_oss":
        writer.add_sliding_window(config["sliding_window"])
        writer.add_array("gpt-oss.swiglu_clamp_exp", [float(config.get("swiglu_limit", 7.0))] * config["num_hidden_layers"])


def vocabulary(writer, folder):
    document = json.loads((folder / "tokenizer.json").read_text())
    config = json.loads((folder / "tokenizer_config.json").read_text())
    model = document["model"]
    tokens = {i: t for t, i in model["vocab"].items()} | {t["id"]: t["content"] for t in document["added_tokens"]}
    special = {t["id"]: t["special"] for t in document["added_tokens"]}
    count = max(tokens) + 1
    kinds = [gguf.TokenType.NORMAL] * count
    pieces = model.get("byte_fallback", False)
    for i in range(count):
        if i not in tokens:
            tokens[i], kinds[i] = f"[PAD{i}]", gguf.TokenType.UNUSED
        elif i in special:
            kinds[i] = gguf.TokenType.CONTROL if special[i] else gguf.TokenType.USER_DEFINED
        elif pieces and re.fullmatch(r"<0x[0-9A-F]{2}>", tokens[i]):
            kinds[i] = gguf.TokenType.BYTE
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    writer.add_tokenizer_model("llama" if pieces else "gpt2")
    if pieces:
        kinds[model["vocab"][model["unk_token"]]] = gguf.TokenType.UNKNOWN
        ranks = {}
        for rank, merge in enumerate(merges):
            ranks.setdefault(merge.replace(" ", ""), rank)
        writer.add_token_scores([-float(ranks.get(tokens[i], len(merges) + i)) for i in range(count)])
        writer.add_tokenizer_pre("default")
    else:
        steps = (document["pre_tokenizer"] or {}).get("pretokenizers", [])
        patterns = [s["pattern"]["Regex"] for s in steps if s["type"] == "Split"]
        if not patterns:
            split = "olmo"
        elif patterns[0] == r"\p{N}{1,3}":
            split = "deepseek-v3"
        elif len(patterns) > 1:
            split = "deepseek-llm"
        elif r"\p{Lu}" in patterns[0]:
            split = "gpt-4o"
        elif r"\p{N}{1,3}" in patterns[0]:
            split = "llama-bpe" if model["ignore_merges"] else "glm4"
        else:
            split = "qwen2"
        writer.add_tokenizer_pre(split)
        writer.add_token_merges(merges)
    writer.add_token_list([tokens[i] for i in range(count)])
    writer.add_token_types(kinds)
    ids = {t: i for i, t in tokens.items()}
    if config.get("bos_token"):
        writer.add_bos_token_id(ids[config["bos_token"]])
    writer.add_eos_token_id(ids[config["eos_token"]])
    writer.add_add_bos_token(config.get("add_bos_token", False))
    if config.get("chat_template"):
        writer.add_chat_template(config["chat_template"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("out")
    parser.add_argument("--type", default="F32")
    parser.add_argument("--latent", choices=["split", "whole", "both"], default="split")
    parser.add_argument("--fused", action="store_true")
    parser.add_argument("--parts", type=int, default=0)
    parser.add_argument("--layers", type=int, help="the first so many only")
    arguments = parser.parse_args()
    config = json.loads((arguments.folder / "config.json").read_text())
    if arguments.layers:
        config["num_hidden_layers"], config["num_nextn_predict_layers"] = arguments.layers, 0
    name = ARCHITECTURES[config["model_type"]]
    arch = next(a for a, n in gguf.MODEL_ARCH_NAMES.items() if n == name)
    writer = gguf.GGUFWriter(arguments.out, name, split_max_tensors=arguments.parts)
    writer.add_name(arguments.folder.name)
    tensors = transformed(read(arguments.folder), config, arguments)
    key_values(writer, config, tensors)
    vocabulary(writer, arguments.folder)
    table = gguf.get_tensor_name_map(arch, config["num_hidden_layers"] + 1)
    wanted = gguf.GGMLQuantizationType[arguments.type]
    fused = {}
    for published, tensor in tensors.items():
        stem, ending = published, ""
        for known in (".weight", ".bias"):
            if published.endswith(known):
                stem, ending = published.removesuffix(known), known
        if published.endswith("e_score_correction_bias"):
            stem, ending = published.removesuffix("_bias"), ".bias"
        found = table.get_name(stem) or (stem if stem == "rope_freqs" else None)
        if found is None and (parts := re.match(r"model\.layers\.(\d+)\.(.*)", stem)):
            # Dense layers among those with experts, which this table leaves out.
            if dense := re.fullmatch(r"mlp\.(gate|up|down)_proj", parts[2]):
                found = f"blk.{parts[1]}.ffn_{dense[1]}"
        assert found, f"no name for {published}"
        ending = ending or ".weight"
        data = tensor.float().contiguous().numpy()
        plain = data.ndim < 2 or "ffn_gate_inp" in found or "exp" in found and ending == ".bias"
        block, _ = gguf.GGML_QUANT_SIZES[wanted]
        kind = gguf.GGMLQuantizationType.F32 if plain or data.shape[-1] % block else wanted
        if arguments.fused and ("ffn_gate_exps" in found or "ffn_up_exps" in found):
            pair = fused.setdefault(re.sub("ffn_(gate|up)_exps", "ffn_gate_up_exps", found) + ending, {})
            pair["gate" if "gate_exps" in found else "up"] = data
            continue
        writer.add_tensor(found + ending, gguf.quants.quantize(data, kind), raw_dtype=kind)
    for found, pair in fused.items():
        data = np.concatenate([pair["gate"], pair["up"]], axis=1)
        kind = wanted if data.ndim == 3 and data.shape[-1] % gguf.GGML_QUANT_SIZES[wanted][0] == 0 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(found, gguf.quants.quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
