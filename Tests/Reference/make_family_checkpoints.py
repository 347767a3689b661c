"""A tiny checkpoint with random weights of each family without a golden, and what the reference implementation makes of
it.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.24.0 safetensors numpy
    venv/bin/python Tests/Reference/make_family_checkpoints.py Tests/Fixtures/families [FAMILY ...]

writes one folder a family, of some 50 KB: `config.json`, spelt as published, `model.safetensors` in bf16 with the
published names, and `expected.safetensors`: `input_ids`, `logits` of all of them, `greedy` (those at their end, which
were chosen), and for each layer with experts `router.{layer}.indices` and `.weights`, by expert. Weights are drawn
again, under the next seed, until no choice of a token or of an expert is close. Not part of the test suite, which must
run without torch.
"""

import contextlib
import io
import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_tensors
import transformers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, Mistral4ForCausalLM

transformers.logging.set_verbosity_error()

BASE = dict(
    hidden_act="silu", hidden_size=16, num_hidden_layers=3, vocab_size=48, initializer_range=0.02,
    tie_word_embeddings=False, torch_dtype="bfloat16", bos_token_id=0, eos_token_id=1, use_cache=True,
    moe_intermediate_size=12, intermediate_size=24, rms_norm_eps=1e-5, max_position_embeddings=4096)
GROUPED = dict(num_attention_heads=4, num_key_value_heads=2, head_dim=8)
LATENT = dict(
    num_attention_heads=3, num_key_value_heads=3, kv_lora_rank=12, qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=8)
BAILING = dict(
    GROUPED, num_experts=8, num_shared_experts=1, num_experts_per_tok=3, n_group=4, topk_group=2, norm_topk_prob=True,
    routed_scaling_factor=2.5, first_k_dense_replace=1, use_qk_norm=True, use_bias=False, score_function="sigmoid",
    moe_router_enable_expert_bias=True, moe_shared_expert_intermediate_size=12, rms_norm_eps=1e-6, embedding_dropout=0.0,
    output_dropout=0.0, norm_head=False, norm_softmax=False, router_dtype="fp32", use_rmsnorm=True, rope_scaling=None)
FAMILY = {
    "solar_open": dict(
        GROUPED, architectures=["SolarOpenForCausalLM"], num_hidden_layers=2, n_routed_experts=8, n_shared_experts=1,
        num_experts_per_tok=3, norm_topk_prob=True, routed_scaling_factor=1.0, first_k_dense_replace=0, use_qk_norm=False,
        attention_bias=True, partial_rotary_factor=1.0, rope_theta=1000000,
        rope_scaling=dict(type="yarn", factor=2.0, original_max_position_embeddings=16)),
    "sarvam_moe": dict(
        BAILING, architectures=["SarvamMoEForCausalLM"], n_group=1, topk_group=1, use_qkv_bias=True, rope_theta=8000000),
    "bailing_moe_v2": dict(
        BAILING, architectures=["BailingMoeV2ForCausalLM"], use_qkv_bias=False, partial_rotary_factor=0.5, rotary_dim=4,
        rope_theta=600000),
    "sarvam_mla": dict(
        LATENT, architectures=["SarvamMLAForCausalLM"], num_experts=8, num_shared_experts=1, num_experts_per_tok=3,
        n_group=1, topk_group=1, norm_topk_prob=True, routed_scaling_factor=2.5, first_k_dense_replace=1, head_dim=16,
        q_head_dim=12, q_lora_rank=None, rope_theta=10000.0, attention_bias=False,
        rope_scaling=dict(
            type="deepseek_yarn", factor=40, beta_fast=32, beta_slow=1, mscale=1.0, mscale_all_dim=1.0,
            original_max_position_embeddings=16)),
    "mistral4": dict(
        LATENT, architectures=["Mistral4ForCausalLM"], num_hidden_layers=2, n_routed_experts=8, n_shared_experts=1,
        num_experts_per_tok=3, n_group=1, topk_group=1, norm_topk_prob=True, routed_scaling_factor=1.0,
        first_k_dense_replace=0, q_lora_rank=16, head_dim=12, rope_interleave=True, attention_bias=False, rms_norm_eps=1e-6,
        rope_parameters=dict(
            type="yarn", rope_type="yarn", rope_theta=10000.0, factor=16.0, original_max_position_embeddings=8,
            beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.4,
            partial_rotary_factor=1 / 3)),
    "dots1": dict(
        GROUPED, architectures=["Dots1ForCausalLM"], n_routed_experts=8, n_shared_experts=2, num_experts_per_tok=3,
        n_group=1, topk_group=1, norm_topk_prob=True, routed_scaling_factor=2.5, first_k_dense_replace=1, attention_bias=False,
        sliding_window=5, max_window_layers=2, scoring_func="noaux_tc", moe_layer_freq=1, rope_theta=10000000,
        rope_scaling=None),
    "hy_v3": dict(
        GROUPED, architectures=["HYV3ForCausalLM"], num_experts=8, num_shared_experts=1, num_experts_per_tok=3,
        router_scaling_factor=2.826, first_k_dense_replace=1, expert_hidden_dim=12, qk_norm=True, route_norm=True,
        moe_router_use_sigmoid=True, moe_router_enable_expert_bias=True, enable_moe_fp32_combine=True,
        enable_attention_fp32_softmax=True, enable_lm_head_fp32=True, use_grouped_mm=True, mlp_bias=True,
        attention_bias=True, rope_parameters=dict(rope_theta=11158840.0, rope_type="default")),
    "exaone_moe": dict(
        GROUPED, architectures=["ExaoneMoEForCausalLM"], num_experts=8, num_shared_experts=1, num_experts_per_tok=3, n_group=1,
        topk_group=1, norm_topk_prob=True, routed_scaling_factor=2.5, first_last_k_dense_replace=1,
        is_moe_layer=[False, True, True], layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        sliding_window=5, sliding_window_pattern="LG", scoring_func="sigmoid", topk_method="noaux_tc", rope_scaling=None,
        rope_theta=1000000),
    "ernie4_5_moe": dict(
        architectures=["Ernie4_5_MoeForCausalLM"], num_attention_heads=2, num_key_value_heads=1, moe_num_experts=8, moe_k=3,
        moe_num_shared_experts=2, moe_layer_start_index=1, moe_layer_end_index=-1, moe_layer_interval=1,
        moe_capacity=[64, 64, 64], moe_gate="topk", moe_use_aux_free=True, use_bias=False, tie_word_embeddings=True,
        rope_theta=500000.0),
}
# Families that are another's class under a name of their own.
CLASS = {"bailing_moe_v2": "sarvam_moe"}
LENGTH, NEW_TOKENS = 26, 6
TOKEN_MARGIN, ROUTER_MARGIN = 0.01, 5e-5


@contextlib.contextmanager
def quiet():
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def configuration(family, values):
    name = CLASS.get(family, family)
    config = CONFIG_MAPPING[name].from_dict({**values, "model_type": name})
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    return config


def make_checkpoint(family, values, folder, seed):
    config = configuration(family, values)
    # Known to the reference as a part of larger models only.
    known = Mistral4ForCausalLM._from_config if family == "mistral4" else AutoModelForCausalLM.from_config
    model = known(config).float().eval()
    generator = torch.Generator().manual_seed(seed)
    buffers = [(name, value) for name, value in model.named_buffers() if "correction_bias" in name]
    with torch.no_grad():
        for name, value in list(model.named_parameters()) + buffers:
            noise = torch.randn(value.shape, generator=generator)
            if "norm" in name:
                value.copy_(1 + 0.1 * noise)
            elif value.dim() == 1 or "correction_bias" in name:
                value.copy_(0.1 * noise)
            else:
                value.copy_(noise * (1 if "embed" in name else 1.3 / value.shape[-1] ** 0.5))
    with quiet():
        model.save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    for name in ("config.json", "generation_config.json"):
        (folder / name).unlink(missing_ok=True)
    # Selection biases are published in fp32.
    kept = ("correction_bias", "expert_bias")
    rounded = {k: v if k.endswith(kept) else v.bfloat16() for k, v in tensors.items()}
    save_tensors({k: v.contiguous() for k, v in sorted(rounded.items())}, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model_type": family, **values}, indent=1) + "\n")


def load(family, values, folder):
    config = configuration(family, values)
    known = Mistral4ForCausalLM if family == "mistral4" else AutoModelForCausalLM
    with quiet():
        model, report = known.from_pretrained(
            folder, config=config, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
        model.set_experts_implementation("eager")
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"], report
    return model.eval()


class Routing:
    """Records what goes into the experts of each layer, and by how much the choice was made."""

    def __init__(self, model, family):
        self.by_layer = {}
        self.is_softmax = family in ("ernie4_5_moe", "mistral4")
        for number, layer in enumerate(model.model.layers):
            if hasattr(layer.mlp, "experts"):
                layer.mlp.experts.register_forward_pre_hook(self.hook(number, layer.mlp))

    def hook(self, number, block):
        places = [block, block.gate, getattr(block.gate, "moe_statics", None)]
        bias = next((p.e_score_correction_bias for p in places if hasattr(p, "e_score_correction_bias")), None)

        def record(_, inputs):
            hidden, indices, weights = inputs
            order = indices.argsort(dim=-1)
            logits = hidden.float() @ block.gate.weight.float().T
            scores = logits.softmax(-1) if self.is_softmax else logits.sigmoid()
            choice = scores if bias is None else scores + bias.reshape(-1)
            groups, kept = getattr(block.gate, "num_group", 1), getattr(block.gate, "topk_group", 1)
            margin = float("inf")
            if kept < groups:
                best = choice.view(-1, groups, choice.shape[-1] // groups).topk(2, dim=-1).values.sum(-1)
                ranked = best.sort(dim=-1, descending=True)
                margin = (ranked.values[:, kept - 1] - ranked.values[:, kept]).min().item()
                allowed = torch.zeros_like(best).scatter(1, ranked.indices[:, :kept], 1).bool()
                choice = choice.masked_fill(~allowed.repeat_interleave(choice.shape[-1] // groups, -1), -9)
            ranked = choice.sort(dim=-1, descending=True).values
            count = indices.shape[-1]
            self.by_layer[number] = (
                indices.gather(-1, order).int().numpy(), weights.gather(-1, order).float().numpy(),
                min(margin, (ranked[:, count - 1] - ranked[:, count]).min().item()))

        return record


def outputs(model, family, prompt):
    """The tensors to be compared with; None where a choice is close."""
    routing = Routing(model, family)
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(NEW_TOKENS):
            ids.append(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax().item())
        logits = model(torch.tensor([ids[:-1]]), use_cache=False).logits[0].numpy()
    best = np.sort(logits[len(prompt) - 1 :], axis=-1)
    margins = float((best[:, -1] - best[:, -2]).min()), min(m for _, _, m in routing.by_layer.values())
    if margins[0] < TOKEN_MARGIN or margins[1] < ROUTER_MARGIN or 1 in ids:
        return None
    tensors = dict(
        input_ids=np.array(ids[:-1], np.int32), greedy=np.array(ids[len(prompt) :], np.int32), logits=logits)
    for layer, (indices, weights, _) in routing.by_layer.items():
        tensors[f"router.{layer}.indices"], tensors[f"router.{layer}.weights"] = indices, weights
    return tensors, margins


def main():
    families = pathlib.Path(sys.argv[1])
    for family in sys.argv[2:] or FAMILY:
        values = {**BASE, **FAMILY[family]}
        folder = families / family
        for seed in range(1, 200):
            shutil.rmtree(folder, ignore_errors=True)
            make_checkpoint(family, values, folder, seed)
            generator = torch.Generator().manual_seed(1000 + seed)
            prompt = torch.randint(2, 48, (LENGTH,), generator=generator).tolist()
            made = outputs(load(family, values, folder), family, prompt)
            if made:
                break
        tensors, margins = made
        save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, folder / "expected.safetensors")
        size = sum(p.stat().st_size for p in folder.iterdir())
        print(family, "seed", seed, [round(m, 5) for m in margins], size, "bytes")


if __name__ == "__main__":
    main()
