"""Random small checkpoints of every supported family, through transformers and through martinet, logits compared.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.24.0 safetensors numpy
    venv/bin/python Tests/Reference/compare_random_checkpoints.py --seeds 0:10

Not part of the test suite, which must run without torch: the goldens under Tests/Fixtures stand in for it. Each seed
draws sizes, head, expert and group counts, rotary scaling, biases, sliding windows and tied embeddings, and then how
the folder is stored: rotary settings in one of their spellings, keys left out where they say what the family's class
takes anyway, experts apart or fused, a head of its own in a tied model, matrices in FP8 with scales of some type and
block. The reference reads the folder too, with FP8 weights expanded. A checkpoint that disagrees is kept for study.
"""

import argparse
import contextlib
import io
import json
import os
import pathlib
import random
import shutil
import subprocess

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, Mistral4ForCausalLM

FAMILIES = (
    "deepseek_v3 deepseek_v32 glm4_moe_lite glm_moe_dsa sarvam_mla mistral4 deepseek_v2 qwen3_moe qwen2_moe mixtral minimax_m2 olmoe glm4_moe "
    "solar_open sarvam_moe dots1 hy_v3 exaone_moe ernie4_5_moe gpt_oss llama qwen2 qwen3".split()
)
# Known to the reference as a part of larger models only.
MODELS = {"mistral4": Mistral4ForCausalLM}


def rotary(r):
    parameters = {"rope_theta": r.choice([10000.0, 500000.0]), "rope_type": "default"}
    kind = r.choice(["default", "default", "yarn", "linear", "llama3"])
    if kind == "yarn":
        parameters.update(
            rope_type="yarn", factor=r.choice([4.0, 40.0]), beta_fast=32, beta_slow=1,
            original_max_position_embeddings=r.choice([16, 64]))
    elif kind == "linear":
        parameters.update(rope_type="linear", factor=2.0)
    elif kind == "llama3":
        parameters.update(
            rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_position_embeddings=32)
    return parameters


def grouped_experts(r):
    """Expert count, top-k, groups and groups kept that fit together."""
    groups = r.choice([1, 2, 4])
    experts = groups * r.choice([2, 3, 4])
    kept = r.randint(1, groups)
    return dict(
        n_routed_experts=experts, n_group=groups, topk_group=kept,
        num_experts_per_tok=min(r.choice([1, 2, 3, 4]), kept * (experts // groups)),
        norm_topk_prob=r.random() < 0.7, routed_scaling_factor=r.choice([1.0, 2.5]),
        first_k_dense_replace=r.choice([0, 1]), moe_intermediate_size=r.choice([16, 24, 33]))


def configuration(family, r):
    heads = r.choice([2, 3, 4, 6])
    c = dict(
        hidden_size=r.choice([32, 48, 64, 72, 96]), vocab_size=r.choice([100, 257, 300]),
        num_hidden_layers=r.choice([2, 3]), num_attention_heads=heads, num_key_value_heads=heads,
        max_position_embeddings=r.choice([256, 4096]), intermediate_size=r.choice([40, 72, 100]),
        rms_norm_eps=r.choice([1e-6, 1e-5]), tie_word_embeddings=r.random() < 0.3,
        bos_token_id=0, eos_token_id=1, pad_token_id=2, rope_parameters=rotary(r))
    rope = c["rope_parameters"]
    if family == "mistral4":
        rope = c["rope_parameters"] = dict(
            rope_theta=10000.0, rope_type="yarn", factor=r.choice([4.0, 40.0]), beta_fast=32, beta_slow=1,
            original_max_position_embeddings=r.choice([8, 64]), llama_4_scaling_beta=r.choice([0.1, 0.5]))
    if family in ("deepseek_v2", "deepseek_v3", "glm4_moe_lite", "sarvam_mla", "mistral4", "deepseek_v32", "glm_moe_dsa"):
        if rope["rope_type"] == "yarn" and r.random() < 0.7:
            rope.update(mscale=r.choice([0.707, 1.0]), mscale_all_dim=r.choice([0.707, 1.0]))
        c.update(
            grouped_experts(r), hidden_size=heads * 16, kv_lora_rank=r.choice([8, 16, 33]),
            q_lora_rank=r.choice([None, 12, 24]), qk_nope_head_dim=r.choice([8, 16, 20]),
            qk_rope_head_dim=r.choice([4, 8, 16]), v_head_dim=r.choice([8, 12, 17]), n_shared_experts=r.choice([1, 2]),
            attention_bias=r.random() < 0.3)
        if family == "deepseek_v2":
            c.update(topk_method=r.choice(["greedy", "group_limited_greedy"]), norm_topk_prob=False)
        elif family in ("deepseek_v32", "glm_moe_dsa"):
            c.update(
                q_lora_rank=r.choice([12, 24]), index_topk=r.choice([2, 5, 9]), index_n_heads=r.choice([3, 5, 8]),
                index_head_dim=c["qk_rope_head_dim"] + r.choice([0, 4, 16]))
            if family == "glm_moe_dsa":
                c.update(indexer_types=["full"] + [r.choice(["full", "shared"]) for _ in range(c["num_hidden_layers"] - 1)])
        else:
            c.update(rope_interleave=r.random() < 0.8)
        if family == "mistral4":
            # A share that rounding does not take from.
            c.update(qk_nope_head_dim=r.choice([1, 3]) * c["qk_rope_head_dim"])
        if family == "glm4_moe_lite":
            del c["first_k_dense_replace"]
            c.update(mlp_layer_types=[r.choice(["dense", "sparse"]) for _ in range(c["num_hidden_layers"])])
        return c
    c.update(num_key_value_heads=r.choice([d for d in (1, 2, 3, 6) if heads % d == 0]), head_dim=r.choice([8, 16, 24]))
    if family in ("qwen2", "qwen2_moe", "olmoe", "llama"):
        del c["head_dim"]
        c["hidden_size"] = heads * r.choice([8, 16, 24])
    experts = r.choice([4, 5, 8, 10, 12])
    chosen = dict(num_experts_per_tok=r.choice([1, 2, 3, 4]))
    if family == "olmoe":
        c.update(chosen, num_experts=experts, norm_topk_prob=r.random() < 0.5, clip_qkv=r.choice([None, 0.5]))
    elif family == "llama":
        c.update(attention_bias=r.random() < 0.3, mlp_bias=r.random() < 0.3)
    elif family == "mixtral":
        c.update(chosen, num_local_experts=experts, sliding_window=r.choice([None, 7]))
    elif family == "minimax_m2":
        c.update(chosen, num_local_experts=experts)
        rope["partial_rotary_factor"] = 0.5
    elif family in ("qwen3_moe", "qwen2_moe"):
        c.update(
            chosen, num_experts=experts, moe_intermediate_size=r.choice([16, 33]), norm_topk_prob=r.random() < 0.5,
            decoder_sparse_step=r.choice([1, 2]), mlp_only_layers=r.choice([[], [0]]))
        if family == "qwen2_moe":
            c.update(shared_expert_intermediate_size=r.choice([24, 40]), qkv_bias=True)
    elif family == "glm4_moe":
        rope["partial_rotary_factor"] = 0.5
        c.update(grouped_experts(r), n_shared_experts=1, use_qk_norm=r.random() < 0.5, attention_bias=r.random() < 0.5)
    elif family in ("solar_open", "sarvam_moe"):
        c.update(grouped_experts(r), n_shared_experts=r.choice([1, 2]), attention_bias=r.random() < 0.5)
        if family == "sarvam_moe":
            c.update(use_qk_norm=r.random() < 0.7)
    elif family == "dots1":
        c.update(
            grouped_experts(r), n_shared_experts=r.choice([1, 2]), attention_bias=r.random() < 0.5,
            sliding_window=r.choice([None, 6]), max_window_layers=1)
    elif family == "hy_v3":
        c.update(
            chosen, num_experts=experts, num_shared_experts=r.choice([1, 2]), moe_intermediate_size=r.choice([16, 33]),
            attention_bias=r.random() < 0.5, mlp_bias=r.random() < 0.5,
            mlp_layer_types=[r.choice(["dense", "sparse"]) for _ in range(c["num_hidden_layers"])])
    elif family == "exaone_moe":
        c.update(grouped_experts(r), num_shared_experts=r.choice([1, 2]), sliding_window=6, sliding_window_pattern=2)
        c["num_experts"] = c.pop("n_routed_experts")
    elif family == "ernie4_5_moe":
        c.update(
            moe_num_experts=experts, moe_k=chosen["num_experts_per_tok"], moe_num_shared_experts=r.choice([0, 1, 2]),
            moe_intermediate_size=r.choice([16, 33]), moe_layer_start_index=r.choice([0, 1]),
            moe_layer_interval=r.choice([1, 2]))
    elif family == "gpt_oss":
        c.update(chosen, num_local_experts=experts, sliding_window=r.choice([5, 12]), intermediate_size=r.choice([32, 48]))
    elif r.random() < 0.4:
        c.update(use_sliding_window=True, sliding_window=6, max_window_layers=1)
    return c


def randomise(model, generator):
    buffers = [(name, value) for name, value in model.named_buffers() if "bias" in name]
    with torch.no_grad():
        for name, value in list(model.named_parameters()) + buffers:
            noise = torch.randn(value.shape, generator=generator)
            value.copy_(1 + 0.1 * noise if "norm" in name else noise * (0.15 if value.dim() > 1 else 0.3))


def respell(family, config, r):
    """Writes rotary settings in another spelling, and leaves out what the family's class takes anyway."""
    rope = config.get("rope_parameters")
    if rope and r.random() < 0.6:
        del config["rope_parameters"]
        spelling = r.choice(["outside", "inside", "type"])
        theta = rope.pop("rope_theta")
        part = rope.pop("partial_rotary_factor", None)
        if part is not None:
            config["partial_rotary_factor"] = part
        if spelling == "inside" and rope["rope_type"] != "default":
            rope["rope_theta"] = theta
        else:
            config["rope_theta"] = theta
        if spelling == "type":
            rope["type"] = rope.pop("rope_type")
        if len(rope) > 1 or family == "gpt_oss":
            config["rope_scaling"] = rope
        if rope.get("original_max_position_embeddings") and r.random() < 0.3:
            config["original_max_position_embeddings"] = rope.pop("original_max_position_embeddings")
    elif rope and family != "mistral4" and r.random() < 0.3:
        # What a user adds to a folder that was saved anew.
        config["rope_scaling"] = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
    defaults = CONFIG_MAPPING[family]()
    for key in list(config):
        if key not in ("model_type", "rope_parameters") and getattr(defaults, key, ()) == config[key] and r.random() < 0.7:
            del config[key]


SCALES = [torch.float32, torch.bfloat16, torch.float16, torch.float8_e8m0fnu, torch.uint8]


def quantise(tensors, config, r):
    """The matrices of a checkpoint in FP8, and the same with the weights these stand for."""
    kind = r.choice(["block", "channel", "tensor"])
    block = [r.choice([1, 8, 32, 64, 128]), r.choice([8, 32, 64, 128, 256])]
    scale_type = r.choice(SCALES)
    suffix = r.choice(["_scale_inv", "_scale"])
    stored, plain = {}, {}
    quantised = (
        "_proj.weight", "proj_with_mqa.weight", ".w1.weight", ".w2.weight", ".w3.weight", "experts.gate_up_proj",
        "experts.down_proj", "query_key_value.weight", "attention.dense.weight")
    for name, value in tensors.items():
        if not name.endswith(quantised):
            stored[name] = plain[name] = value
            continue
        rows, columns = value.shape[-2:]
        size = {"block": block, "channel": [1, columns], "tensor": [rows, columns]}[kind]
        grid = [-(-rows // size[0]), -(-columns // size[1])]
        padded = torch.zeros(*value.shape[:-2], grid[0] * size[0], grid[1] * size[1])
        padded[..., :rows, :columns] = value.float()
        pieces = padded.unflatten(-1, (grid[1], size[1])).unflatten(-3, (grid[0], size[0]))
        scales = (pieces.abs().amax(dim=(-3, -1)) / 400).clamp(min=1e-8)
        if scale_type in (torch.float8_e8m0fnu, torch.uint8):
            scales = torch.exp2(torch.ceil(torch.log2(scales)))
        else:
            scales = scales.to(scale_type).float().clamp(min=1e-7)
        whole = scales.repeat_interleave(size[0], -2).repeat_interleave(size[1], -1)[..., :rows, :columns]
        stored[name] = (value.float() / whole).clamp(-448, 448).to(torch.float8_e4m3fn)
        plain[name] = stored[name].float() * whole
        if scale_type == torch.uint8:
            scales = (torch.log2(scales) + 127).round().to(torch.uint8)
        else:
            scales = scales.to(scale_type)
        if value.dim() == 2 and kind == "channel" and r.random() < 0.5:
            scales = scales[:, 0]
        elif value.dim() == 2 and kind == "tensor":
            scales = scales.reshape(r.choice([(1, 1), (1,), ()]))
        stored[name + suffix] = scales.contiguous()
    config["quantization_config"] = {"quant_method": "fp8", "fmt": r.choice(["e4m3", "float8_e4m3fn"])}
    if kind == "block":
        config["quantization_config"]["weight_block_size"] = block
    return stored, plain


def store(model, family, folder, r):
    """Writes the folder in one of the forms in which models are published; returns what the reference is to read."""
    fused = {} if r.random() < 0.7 else {"save_original_format": False}
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        model.save_pretrained(folder, **fused)
    config = json.loads((folder / "config.json").read_text())
    tensors = load_tensors(folder / "model.safetensors")
    respell(family, config, r)
    if model.config.tie_word_embeddings and r.random() < 0.5:
        tensors["lm_head.weight"] = torch.randn(
            tensors["model.embed_tokens.weight"].shape, generator=torch.Generator().manual_seed(1)) * 0.15
    plain = tensors
    read = folder
    if family != "gpt_oss" and r.random() < 0.4:
        read = folder / "expanded"
        read.mkdir()
        (read / "config.json").write_text(json.dumps(config))
        tensors, plain = quantise(tensors, config, r)
        save_file({k: v.contiguous() for k, v in plain.items()}, read / "model.safetensors", {"format": "pt"})
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    return read


def reference(family, values, folder, seed, length, r):
    config = CONFIG_MAPPING[family](**values)
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    config.architectures = [CONFIG_MAPPING[family].__name__.replace("Config", "ForCausalLM")]
    known = MODELS.get(family)
    model = known._from_config(config) if known else AutoModelForCausalLM.from_config(config)
    model = model.float().eval()
    generator = torch.Generator().manual_seed(seed)
    randomise(model, generator)
    read = store(model, family, folder, r)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        model = (known or AutoModelForCausalLM).from_pretrained(read, dtype=torch.float32, attn_implementation="eager")
        model.set_experts_implementation("eager")
    model.eval()
    ids = torch.randint(0, values["vocab_size"], (1, length), generator=generator)
    with torch.no_grad():
        return ids[0].tolist(), model(ids, use_cache=False).logits[0].numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0:5", help="first:end")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--martinet", default=".build/release/martinet")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/tmp/martinet-random-checkpoints"))
    options = parser.parse_args()
    first, end = map(int, options.seeds.split(":"))
    agreed = failed = skipped = 0
    for seed in range(first, end):
        for family in options.families.split(","):
            r = random.Random(f"{family}{seed}")
            values = configuration(family, r)
            folder = options.folder / f"{family}-{seed}"
            shutil.rmtree(folder, ignore_errors=True)
            try:
                ids, expected = reference(family, values, folder, seed, r.choice([1, 9, 40]), r)
            except (RuntimeError, KeyError) as error:
                # Its complex rotary arithmetic wants even strides.
                print(f"{family} {seed}: the reference cannot run it: {error}")
                skipped += 1
                continue
            ranks = r.choice([1, 2, 3, 5])
            launch = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]
            run = subprocess.run(
                (launch if ranks > 1 else []) + [
                    options.martinet, "score", "--json", "--model", folder, "--token-ids", ",".join(map(str, ids)),
                    "--logits", folder / "logits.safetensors"], capture_output=True, text=True)
            worst = float("inf")
            if run.returncode == 0:
                worst = np.abs(load_file(folder / "logits.safetensors")["logits"] - expected).max()
            if worst <= 1e-3:
                agreed += 1
                shutil.rmtree(folder)
            else:
                failed += 1
                print(f"{family} {seed}, {ranks} ranks: differs by {worst}\n{values}\n{run.stderr[-500:]}", flush=True)
    print(f"{agreed} agree within 1e-3, {failed} do not, {skipped} the reference cannot run")
    raise SystemExit(failed > 0)


main()
