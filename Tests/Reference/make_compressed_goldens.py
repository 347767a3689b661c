"""Tiny checkpoints of DeepSeek-V4, and what the reference implementation makes of them.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.24.0 safetensors numpy
    venv/bin/python Tests/Reference/make_compressed_goldens.py Tests/Fixtures/compressed [NAME ...]

writes one folder a checkpoint, as `make_delta_goldens.py`: `deepseek_v4` as published, with FP8 in blocks of 128 and
FP4 experts, both with E8M0 scales, and tensors of a module for prediction; `deepseek_v4_saved` as transformers saves
models, in bf16, with other rates, sizes and layers. Prompts are long enough that entries of every kind are attended,
and the indexer chooses few of them. Weights are drawn again, under the next seed, until no choice of a token, of an
expert or of an entry is close. Not part of the test suite, which must run without torch.
"""

import contextlib
import io
import json
import os
import pathlib
import re
import shutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_tensors
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

BASE = dict(
    architectures=["DeepseekV4ForCausalLM"], model_type="deepseek_v4", hidden_act="silu", vocab_size=64,
    num_key_value_heads=1, n_shared_experts=1, scoring_func="sqrtsoftplus", norm_topk_prob=True, topk_method="noaux_tc",
    max_position_embeddings=1048576, rms_norm_eps=1e-06, rope_theta=10000, compress_rope_theta=160000,
    attention_bias=False, attention_dropout=0.0, tie_word_embeddings=False, use_cache=True, torch_dtype="bfloat16",
    bos_token_id=0, eos_token_id=1, initializer_range=0.02, hc_eps=1e-06, rope_scaling=dict(
        type="yarn", factor=16, beta_fast=32, beta_slow=1, original_max_position_embeddings=65536))
MODEL = {
    "deepseek_v4": dict(
        BASE, hidden_size=64, moe_intermediate_size=32, num_hidden_layers=4, num_attention_heads=4, head_dim=40,
        qk_rope_head_dim=8, q_lora_rank=20, n_routed_experts=5, num_experts_per_tok=2, routed_scaling_factor=1.5,
        compress_ratios=[0, 4, 128, 4, 0], num_hash_layers=2, hc_mult=2, hc_sinkhorn_iters=20, swiglu_limit=0.6,
        sliding_window=9, o_groups=2, o_lora_rank=70, index_n_heads=12, index_head_dim=16, index_topk=5,
        num_nextn_predict_layers=1, expert_dtype="fp4", quantization_config=dict(
            quant_method="fp8", activation_scheme="dynamic", fmt="e4m3", scale_fmt="ue8m0",
            weight_block_size=[128, 128])),
    "deepseek_v4_saved": dict(
        BASE, hidden_size=36, moe_intermediate_size=20, num_hidden_layers=4, num_attention_heads=3, head_dim=24,
        qk_rope_head_dim=12, q_lora_rank=14, n_routed_experts=7, num_experts_per_tok=3, routed_scaling_factor=2.5,
        layer_types=[
            "compressed_sparse_attention", "heavily_compressed_attention", "sliding_attention",
            "compressed_sparse_attention"],
        compress_rates=dict(compressed_sparse_attention=8, heavily_compressed_attention=32), num_hash_layers=1, hc_mult=3,
        hc_sinkhorn_iters=5, swiglu_limit=0.8, sliding_window=40, o_groups=3, o_lora_rank=10, index_n_heads=10,
        index_head_dim=16, index_topk=3, num_nextn_predict_layers=0),
}
PROMPT_LENGTHS = (1, 7, 38, 261)
NEW_TOKENS = 12
TOKEN_MARGIN, ROUTER_MARGIN, INDEX_MARGIN = 0.01, 5e-5, 1e-5
FP4 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
# Kept in fp32, as published checkpoints have them.
FULL = re.compile(r"(norm\.weight|position_bias|sinks|_hc\.|hc_head\.|correction_bias)")
# Stored in bf16 beside FP8.
WIDE = re.compile(r"(embed_tokens|lm_head|mlp\.gate\.weight|compressor\.(indexer\.)?(kv|gate)_proj|weights_proj)")


@contextlib.contextmanager
def quiet():
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def power_of_two(greatest, largest):
    return torch.exp2(torch.ceil(torch.log2(greatest.clamp_min(1e-9) / largest)))


def fp4(matrix):
    """Nibbles, the even column's lowest, with a scale for 32 columns; and what they are."""
    rows, columns = matrix.shape
    blocks = matrix.view(rows, columns // 32, 32)
    scales = power_of_two(blocks.abs().amax(-1), 6.0)
    scaled = blocks / scales[..., None]
    index = (scaled.abs()[..., None] - FP4).abs().argmin(-1)
    values = (FP4[index] * scaled.sign() * scales[..., None]).view(rows, columns)
    codes = (index + 8 * (scaled < 0)).view(rows, columns).to(torch.uint8)
    packed = (codes[:, ::2] | codes[:, 1::2] << 4).view(torch.int8)
    return packed, scales.to(torch.float8_e8m0fnu), values


def fp8(matrix):
    """FP8 with a scale for each block of 128 by 128; and what they are."""
    rows, columns = matrix.shape
    grid = torch.zeros((rows + 127) // 128, (columns + 127) // 128)
    values, codes = torch.zeros_like(matrix), torch.zeros(matrix.shape, dtype=torch.float8_e4m3fn)
    for i in range(grid.shape[0]):
        for j in range(grid.shape[1]):
            place = np.s_[128 * i : 128 * (i + 1), 128 * j : 128 * (j + 1)]
            grid[i, j] = power_of_two(matrix[place].abs().max(), 448.0)
            codes[place] = (matrix[place] / grid[i, j]).to(torch.float8_e4m3fn)
            values[place] = codes[place].float() * grid[i, j]
    return codes, grid.to(torch.float8_e8m0fnu), values


def published(name):
    """A parameter's published name, of transformers' own."""
    name = name.removeprefix("model.").replace("lm_head.", "head.").replace("embed_tokens.", "embed.")
    for own, other in (
        (r"\.self_attn\.compressor\.indexer\.(kv_proj|gate_proj|position_bias|kv_norm)", r".attn.indexer.compressor.\1"),
        (r"\.self_attn\.compressor\.indexer\.scorer\.", ".attn.indexer."),
        (r"\.self_attn\.compressor\.indexer\.", ".attn.indexer."), (r"\.self_attn\.", ".attn."), (r"\.mlp\.", ".ffn."),
        (r"compressor\.kv_norm", "compressor.norm"), (r"position_bias", "ape"), (r"\.q_a_proj", ".wq_a"),
        (r"\.q_b_proj", ".wq_b"), (r"\.kv_proj", ".wkv"), (r"compressor\.gate_proj", "compressor.wgate"),
        (r"\.o_a_proj", ".wo_a"), (r"\.o_b_proj", ".wo_b"), (r"\.q_a_norm", ".q_norm"), (r"\.sinks", ".attn_sink"),
        (r"input_layernorm", "attn_norm"), (r"post_attention_layernorm", "ffn_norm"), (r"e_score_correction_bias", "bias"),
        (r"shared_experts\.gate_proj", "shared_experts.w1"), (r"shared_experts\.down_proj", "shared_experts.w2"),
        (r"shared_experts\.up_proj", "shared_experts.w3"), (r"\.attn_hc\.", ".hc_attn_"), (r"\.ffn_hc\.", ".hc_ffn_"),
        (r"hc_head\.hc_", "hc_head_")):
        name = re.sub(own, other, name)
    return name


def draw(model, values, generator):
    """Draws weights that the stored forms hold exactly; gives what is stored under published names."""
    quantised = "quantization_config" in values
    stored = {}

    def store(name, tensor, noise):
        """Stores a matrix, or one of an expert, as it is published, and puts what that is in the model."""
        base = name.removesuffix(".weight")
        if not quantised or WIDE.search(name):
            tensor.copy_(noise.to(torch.bfloat16).float())
            stored[published(name)] = tensor.to(torch.bfloat16)
            return
        codes, scales, exact = (fp4 if ".experts." in name else fp8)(noise)
        tensor.copy_(exact)
        stored[published(base) + ".weight"], stored[published(base) + ".scale"] = codes, scales

    with torch.no_grad():
        for name, value in list(model.named_parameters()) + list(model.named_buffers()):
            if "inv_freq" in name:
                continue
            if name.endswith("tid2eid"):
                for token in range(value.shape[0]):
                    value[token] = torch.randperm(values["n_routed_experts"], generator=generator)[: value.shape[1]]
                stored[published(name)] = value.clone()
                continue
            noise = torch.randn(value.shape, generator=generator)
            if FULL.search(name):
                if "norm" in name:
                    noise = 1 + 0.1 * noise
                elif name.endswith("scale"):
                    noise = 1 + 0.2 * noise
                elif name.endswith("fn"):
                    noise = noise * 1.3 / value.shape[-1] ** 0.5
                else:
                    noise = noise * (0.1 if "bias" in name and "position" not in name else 0.5)
                value.copy_(noise)
                stored[published(name)] = value.clone()
                continue
            noise = noise * (1 if "embed" in name else 1.3 / value.shape[-1] ** 0.5)
            if name.endswith("gate_up_proj"):
                half = value.shape[1] // 2
                for expert in range(value.shape[0]):
                    for part, place in (("w1", slice(0, half)), ("w3", slice(half, 2 * half))):
                        own = name.replace("gate_up_proj", f"{expert}.{part}.weight")
                        store(own, value[expert, place], noise[expert, place])
            elif name.endswith("experts.down_proj"):
                for expert in range(value.shape[0]):
                    store(name.replace("down_proj", f"{expert}.w2.weight"), value[expert], noise[expert])
            else:
                store(name, value, noise)
    return stored


class Choices:
    """What goes into the experts of each layer, and by how much experts and entries were chosen."""

    def __init__(self, model):
        self.by_layer, self.index_margin, self.rows = {}, float("inf"), 0
        for number, layer in enumerate(model.model.layers):
            layer.mlp.experts.register_forward_pre_hook(self.experts(number, layer.mlp))
            indexer = getattr(layer.self_attn.compressor, "indexer", None)
            if indexer is not None:
                indexer.scorer.register_forward_hook(self.entries(indexer))

    def experts(self, number, block):
        def record(_, inputs):
            hidden, indices, weights = inputs
            order = indices.argsort(dim=-1)
            margin = float("inf")
            if not block.is_hash:
                logits = hidden.float() @ block.gate.weight.float().T
                scores = torch.nn.functional.softplus(logits).sqrt() + block.gate.e_score_correction_bias
                ranked = scores.sort(dim=-1, descending=True).values
                count = indices.shape[-1]
                margin = (ranked[:, count - 1] - ranked[:, count]).min().item()
            self.by_layer[number] = (
                indices.gather(-1, order).int().numpy(), weights.gather(-1, order).float().numpy(), margin)

        return record

    def entries(self, indexer):
        def record(_, __, scores):
            for token in range(scores.shape[1]):
                seen = (token + 1) // indexer.compress_rate
                if seen > indexer.index_topk:
                    ranked = scores[0, token, :seen].sort(descending=True).values
                    margin = (ranked[indexer.index_topk - 1] - ranked[indexer.index_topk]).item()
                    self.index_margin = min(self.index_margin, margin)
                    self.rows += 1

        return record

    @property
    def are_clear(self):
        return self.index_margin >= INDEX_MARGIN and min(m for _, _, m in self.by_layer.values()) >= ROUTER_MARGIN


def outputs(model, choices, prompts):
    """The goldens' tensors; None where a choice is close."""
    tensors = {}
    choices.index_margin, choices.rows = float("inf"), 0
    for number, prompt in reversed(list(enumerate(prompts))):
        ids = list(prompt)
        with torch.no_grad():
            for _ in range(NEW_TOKENS):
                logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
                best = logits[-1].sort(descending=True).values
                if (best[0] - best[1]).item() < TOKEN_MARGIN or not choices.are_clear:
                    return None
                ids.append(logits[-1].argmax().item())
        tensors |= {
            f"p{number}.input_ids": np.array(prompt, np.int32),
            f"p{number}.greedy": np.array(ids[len(prompt) :], np.int32), f"p{number}.logits": logits.numpy()}
        for layer, (indices, weights, _) in choices.by_layer.items():
            tensors[f"p{number}.router.{layer}.indices"] = indices
            tensors[f"p{number}.router.{layer}.weights"] = weights
    return tensors


def save(name, values, model, stored, folder):
    if name == "deepseek_v4":
        # Of a module for prediction, which is left out, something.
        stored |= {"mtp.0.enorm.weight": torch.ones(4), "mtp.0.attn.wq_a.weight": torch.ones(2, 2)}
        (folder / "config.json").write_text(json.dumps(values, indent=2) + "\n")
    else:
        with quiet():
            model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        stored = {
            k: v if k.endswith("tid2eid") or v.dim() == 1 or re.search(r"(\.ape|hc_)", k) else v.to(torch.bfloat16)
            for k, v in load_file(folder / "model.safetensors").items()}
    save_tensors(
        {k: v.contiguous() for k, v in sorted(stored.items())}, folder / "model.safetensors", {"format": "pt"})


def main():
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    for name in sys.argv[2:] or MODEL:
        values = MODEL[name]
        folder = pathlib.Path(sys.argv[1]) / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        own = {k: v for k, v in values.items() if k != "quantization_config"}
        config = CONFIG_MAPPING["deepseek_v4"].from_dict(json.loads(json.dumps(own)))
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
        model.set_experts_implementation("eager")
        choices = Choices(model)
        for seed in range(1, 2000):
            generator = torch.Generator().manual_seed(seed)
            stored = draw(model, values, generator)
            order = torch.Generator().manual_seed(1000 + seed)
            prompts = [torch.randint(0, 62, (n,), generator=order).tolist() for n in PROMPT_LENGTHS]
            tensors = outputs(model, choices, prompts)
            if tensors is not None:
                break
        save(name, values, model, stored, folder)
        save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, folder / "goldens.safetensors")
        print(name, "seed", seed, "index margin", choices.index_margin, "of", choices.rows, "choices")


if __name__ == "__main__":
    main()
