"""Tiny checkpoints of families whose attention chooses positions, and what the reference implementation makes of them.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.24.0 safetensors numpy
    venv/bin/python Tests/Reference/make_sparse_goldens.py Tests/Fixtures/goldens [FAMILY ...]

writes one folder a family, as `make_goldens.py`, whose parts it uses. The indexer chooses few positions, so that nearly
every token of a prompt attends a choice. Weights are drawn again, under the next seed, until no choice of a position is
close either. Matrices are stored in bf16. Not part of the test suite, which must run without torch.
"""

import json
import pathlib
import shutil
import sys

import numpy as np
import torch
import transformers
from make_goldens import (
    BASE, NEW_TOKENS, PROMPT_LENGTHS, ROUTER_MARGIN, TOKEN_MARGIN, Routing, load, outputs, prediction_module, quiet)
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_tensors
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

INDEX_MARGIN = 1e-5
SMALL = dict(
    hidden_size=32, intermediate_size=40, moe_intermediate_size=12, q_lora_rank=20, kv_lora_rank=16, qk_nope_head_dim=12,
    qk_rope_head_dim=8, v_head_dim=12, n_shared_experts=1, num_experts_per_tok=3, norm_topk_prob=True,
    routed_scaling_factor=2.5, first_k_dense_replace=1, moe_layer_freq=1, scoring_func="sigmoid", topk_method="noaux_tc",
    attention_bias=False, index_head_dim=16, index_n_heads=6, ep_size=1, torch_dtype="bfloat16")
FAMILY = {
    # A multi-token prediction module, with an indexer of its own, is stored with it, and not run.
    "deepseek_v32": dict(
        SMALL, architectures=["DeepseekV32ForCausalLM"], num_hidden_layers=3, num_attention_heads=3,
        num_key_value_heads=3, n_routed_experts=8, n_group=4, topk_group=2, index_topk=6, rms_norm_eps=1e-06,
        rope_theta=10000, max_position_embeddings=163840, num_nextn_predict_layers=1, rope_scaling=dict(
            type="yarn", factor=40, beta_fast=32, beta_slow=1, mscale=1.0, mscale_all_dim=1.0,
            original_max_position_embeddings=4096)),
    "glm_moe_dsa": dict(
        SMALL, architectures=["GlmMoeDsaForCausalLM"], num_hidden_layers=5, num_attention_heads=4,
        num_key_value_heads=4, n_routed_experts=6, n_group=1, topk_group=1, index_topk=8, rms_norm_eps=1e-05,
        rope_interleave=True, indexer_rope_interleave=True, qk_head_dim=20, max_position_embeddings=202752,
        indexer_types=["full", "shared", "full", "shared", "shared"], num_nextn_predict_layers=0,
        rope_parameters=dict(rope_type="default", rope_theta=1000000)),
}


class Choices:
    """By how much the indexers' choices were made: the least difference between what was taken and what was not."""

    def __init__(self, model):
        self.margin, self.active, self.rows = float("inf"), False, 0
        for layer in model.model.layers:
            indexer = layer.self_attn.indexer
            if indexer is not None:
                indexer.register_forward_pre_hook(lambda *_: setattr(self, "active", True))
                indexer.register_forward_hook(lambda *_: setattr(self, "active", False))

    def __enter__(self):
        plain = torch.Tensor.topk

        def topk(scores, k, *arguments, **named):
            if self.active and scores.shape[-1] > k:
                ranked = scores[0, k:].sort(dim=-1, descending=True).values
                self.margin = min(self.margin, (ranked[:, k - 1] - ranked[:, k]).min().item())
                self.rows += ranked.shape[0]
            return plain(scores, k, *arguments, **named)

        self.plain, torch.Tensor.topk = plain, topk
        return self

    def __exit__(self, *_):
        torch.Tensor.topk = self.plain


def draw(model, generator):
    """Weights that bf16 holds exactly; selection biases in fp32."""
    buffers = [(name, value) for name, value in model.named_buffers() if "correction_bias" in name]
    with torch.no_grad():
        for name, value in list(model.named_parameters()) + buffers:
            noise = torch.randn(value.shape, generator=generator)
            if name.endswith("k_norm.bias"):
                noise = 0.3 * noise
            elif "norm" in name:
                noise = 1 + 0.1 * noise
            elif value.dim() == 1:
                noise = 0.1 * noise
            else:
                noise = noise * (1 if "embed" in name else 1.3 / value.shape[-1] ** 0.5)
            value.copy_(noise if "correction_bias" in name else noise.to(torch.bfloat16).float())


def is_clear(model, prompts, routing, choices):
    """Whether no choice of a token, an expert or a position is close; ends with the first that is."""
    choices.margin = float("inf")
    with choices, torch.no_grad():
        for prompt in prompts:
            ids = list(prompt)
            for _ in range(NEW_TOKENS):
                best = model(torch.tensor([ids]), use_cache=False).logits[0, -1].sort(descending=True)
                margin = (best.values[0] - best.values[1]).item()
                router_margin = min(m for _, _, m in routing.by_layer.values())
                if margin < TOKEN_MARGIN or router_margin < ROUTER_MARGIN or choices.margin < INDEX_MARGIN:
                    return False
                ids.append(best.indices[0].item())
    return True


def save(model, values, folder, generator):
    """As published: matrices in bf16, and the prediction module past the last layer."""
    with quiet():
        model.save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    if values["num_nextn_predict_layers"]:
        tensors |= prediction_module(tensors, values["num_hidden_layers"], values["hidden_size"], generator)
    tensors = {k: v if "correction_bias" in k else v.to(torch.bfloat16) for k, v in sorted(tensors.items())}
    save_tensors({k: v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model_type": family_of(values), **values}, indent=2) + "\n")


def family_of(values):
    return next(name for name, own in FAMILY.items() if own["architectures"] == values["architectures"])


def main():
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    goldens = pathlib.Path(sys.argv[1])
    for family in sys.argv[2:] or FAMILY:
        values = {**BASE, **FAMILY[family]}
        folder = goldens / family
        shutil.rmtree(folder, ignore_errors=True)
        model = AutoModelForCausalLM.from_config(
            CONFIG_MAPPING[family].from_dict(values), attn_implementation="eager").float().eval()
        model.set_experts_implementation("eager")
        routing, choices = Routing(model), Choices(model)
        for seed in range(1, 2000):
            generator = torch.Generator().manual_seed(seed)
            draw(model, generator)
            order = torch.Generator().manual_seed(1000 + seed)
            prompts = [torch.randint(0, 500, (n,), generator=order).tolist() for n in PROMPT_LENGTHS]
            # The longest makes most choices.
            if is_clear(model, prompts[::-1], routing, choices):
                break
        save(model, values, folder, generator)
        model = load(family, folder)
        with Choices(model) as choices:
            tensors, readable = outputs(model, prompts)
        save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, folder / "goldens.safetensors")
        for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
            shutil.copyfile(goldens / "glm4_moe" / name, folder / name)
        others = json.loads((goldens / "glm4_moe" / "goldens.json").read_text())
        document = dict(
            name=family, model_type=family, weight_storage="bfloat16", seed=seed, transformers="5.24.0",
            torch=torch.__version__, min_index_margin=choices.margin, prompts=readable, chat=others["chat"],
            tokenizer_cases=others["tokenizer_cases"])
        (folder / "goldens.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        print(family, "seed", seed, "index margin", choices.margin, "of", choices.rows, "choices")


if __name__ == "__main__":
    main()
