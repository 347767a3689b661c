"""Tiny checkpoints with random weights, and what the reference implementation makes of them.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.23.0 safetensors numpy
    venv/bin/python Tests/Reference/make_goldens.py Tests/Fixtures/goldens [FAMILY ...]

writes one folder a family as `Tests/Fixtures/README.md` describes them; the older ones there were made likewise. The
configuration is spelt as published. Weights are drawn again, under the next seed, until no choice of a token or of an
expert is close. Tokenizer, chat renders and tokenizer cases are those of `glm4_moe`. Not part of the test suite, which
must run without torch.
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
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

BASE = dict(
    hidden_act="silu", num_hidden_layers=3, vocab_size=512, initializer_range=0.02, tie_word_embeddings=False,
    torch_dtype="float32", eos_token_id=[506, 510], use_cache=True)
FAMILY = {
    # A multi-token prediction module is stored with it, and not run.
    "glm4_moe_lite": dict(
        architectures=["Glm4MoeLiteForCausalLM"], hidden_size=48, intermediate_size=64, moe_intermediate_size=24,
        num_attention_heads=3, num_key_value_heads=3, q_lora_rank=24, kv_lora_rank=20, qk_nope_head_dim=12,
        qk_rope_head_dim=8, v_head_dim=16, n_routed_experts=12, n_shared_experts=1, num_experts_per_tok=4, n_group=1,
        topk_group=1, norm_topk_prob=True, routed_scaling_factor=1.8, first_k_dense_replace=1, topk_method="noaux_tc",
        rms_norm_eps=1e-05, rope_theta=1000000, max_position_embeddings=202752, attention_bias=False,
        partial_rotary_factor=1.0, rope_scaling=None, num_nextn_predict_layers=1),
    "kimi_k2": dict(
        architectures=["DeepseekV3ForCausalLM"], hidden_size=40, intermediate_size=72, moe_intermediate_size=24,
        num_attention_heads=5, num_key_value_heads=5, q_lora_rank=24, kv_lora_rank=16, qk_nope_head_dim=16,
        qk_rope_head_dim=8, v_head_dim=12, n_routed_experts=16, n_shared_experts=1, num_experts_per_tok=4, n_group=1,
        topk_group=1, norm_topk_prob=True, routed_scaling_factor=2.827, first_k_dense_replace=1, moe_layer_freq=1,
        scoring_func="sigmoid", topk_method="noaux_tc", rms_norm_eps=1e-06, rope_theta=50000.0, attention_bias=False,
        max_position_embeddings=131072, num_nextn_predict_layers=0, ep_size=1, seq_aux=True, aux_loss_alpha=0.001,
        rope_scaling=dict(
            type="yarn", factor=32.0, beta_fast=1.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0,
            original_max_position_embeddings=4096)),
    "minimax_m2": dict(
        architectures=["MiniMaxM2ForCausalLM"], hidden_size=48, intermediate_size=24, num_attention_heads=6,
        num_key_value_heads=2, head_dim=16, rotary_dim=8, num_local_experts=12, num_experts_per_tok=4, rms_norm_eps=1e-06,
        rope_theta=5000000, max_position_embeddings=196608, attn_type_list=[1, 1, 1], scoring_func="sigmoid",
        qk_norm_type="per_layer", use_qk_norm=True, use_routing_bias=True, num_mtp_modules=3, mtp_transformer_layers=1,
        use_mtp=True, mlp_intermediate_size=8192, shared_intermediate_size=0, shared_moe_mode="sigmoid",
        sliding_window=None, layernorm_full_attention_beta=1.0, layernorm_linear_attention_beta=1.0,
        layernorm_mlp_beta=1.0, router_aux_loss_coef=0.001, router_jitter_noise=0.0, output_router_logits=False),
}
# Families that are another's class under a name of their own.
CLASS = {"kimi_k2": "deepseek_v3"}
PROMPT_LENGTHS = (1, 5, 17, 33)
NEW_TOKENS = 32
TOKEN_MARGIN, ROUTER_MARGIN = 0.01, 5e-5


@contextlib.contextmanager
def quiet():
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def prediction_module(tensors, layers, hidden, generator):
    """A last layer once more, under the next number, with what joins it to the model."""
    last, extra = f"model.layers.{layers - 1}.", f"model.layers.{layers}."
    module = {extra + k.removeprefix(last): v.clone() for k, v in tensors.items() if k.startswith(last)}
    for name in ("enorm", "hnorm", "shared_head.norm"):
        module[f"{extra}{name}.weight"] = torch.ones(hidden)
    module[extra + "eh_proj.weight"] = torch.randn((hidden, 2 * hidden), generator=generator) * 0.15
    module[extra + "embed_tokens.weight"] = tensors["model.embed_tokens.weight"].clone()
    module[extra + "shared_head.head.weight"] = tensors["lm_head.weight"].clone()
    return module


def make_checkpoint(family, values, folder, seed):
    config = CONFIG_MAPPING[CLASS.get(family, family)].from_dict(values)
    model = AutoModelForCausalLM.from_config(config).float().eval()
    generator = torch.Generator().manual_seed(seed)
    buffers = [(name, value) for name, value in model.named_buffers() if "correction_bias" in name]
    with torch.no_grad():
        for name, value in list(model.named_parameters()) + buffers:
            noise = torch.randn(value.shape, generator=generator)
            if "norm" in name:
                value.copy_(1 + 0.1 * noise)
            elif value.dim() == 1:
                value.copy_(0.1 * noise)
            else:
                value.copy_(noise * (1 if "embed" in name else 1.3 / value.shape[-1] ** 0.5))
    with quiet():
        model.save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    if values.get("num_nextn_predict_layers"):
        tensors |= prediction_module(tensors, values["num_hidden_layers"], values["hidden_size"], generator)
    save_tensors({k: v.contiguous() for k, v in sorted(tensors.items())}, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model_type": family, **values}, indent=2) + "\n")


def load(family, folder):
    values = json.loads((folder / "config.json").read_text())
    values["model_type"] = CLASS.get(family, family)
    config = CONFIG_MAPPING[values["model_type"]].from_dict(values)
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(
            folder, config=config, dtype=torch.float32, attn_implementation="eager")
        model.set_experts_implementation("eager")
    return model.eval()


class Routing:
    """Records what goes into the experts of each layer, and by how much the choice was made."""

    def __init__(self, model):
        self.by_layer = {}
        for number, layer in enumerate(model.model.layers):
            if hasattr(layer.mlp, "experts"):
                layer.mlp.experts.register_forward_pre_hook(self.hook(number, layer.mlp))

    def hook(self, number, block):
        bias = getattr(block, "e_score_correction_bias", None)
        bias = block.gate.e_score_correction_bias if bias is None else bias

        def record(_, inputs):
            hidden, indices, weights = inputs
            order = indices.argsort(dim=-1)
            scores = torch.sigmoid(hidden.float() @ block.gate.weight.float().T) + bias
            ranked = scores.sort(dim=-1, descending=True).values
            count = indices.shape[-1]
            self.by_layer[number] = (
                indices.gather(-1, order).int().numpy(), weights.gather(-1, order).float().numpy(),
                (ranked[:, count - 1] - ranked[:, count]).min().item())

        return record


def outputs(model, prompts):
    """The goldens' tensors and readable form; None where a choice is close."""
    routing = Routing(model)
    tensors, readable = {}, []
    for number, prompt in enumerate(prompts):
        ids = list(prompt)
        with torch.no_grad():
            for _ in range(NEW_TOKENS):
                ids.append(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax().item())
            logits = model(torch.tensor([ids[:-1]]), use_cache=False).logits[0].numpy()
        best = np.sort(logits[len(prompt) - 1 :], axis=-1)
        margin = float((best[:, -1] - best[:, -2]).min())
        router_margin = min(m for _, _, m in routing.by_layer.values())
        if margin < TOKEN_MARGIN or router_margin < ROUTER_MARGIN:
            return None
        greedy = ids[len(prompt) :]
        tensors |= {
            f"p{number}.input_ids": np.array(prompt, np.int32), f"p{number}.greedy": np.array(greedy, np.int32),
            f"p{number}.logits": logits}
        for layer, (indices, weights, _) in routing.by_layer.items():
            tensors[f"p{number}.router.{layer}.indices"] = indices
            tensors[f"p{number}.router.{layer}.weights"] = weights
        readable.append(dict(
            prompt=number, length=len(prompt), input_ids=list(prompt), greedy=greedy, min_top1_margin=margin,
            min_router_margin=router_margin))
    return tensors, readable


def main():
    goldens = pathlib.Path(sys.argv[1])
    for family in sys.argv[2:] or FAMILY:
        values = {**BASE, **FAMILY[family]}
        folder = goldens / family
        for seed in range(1, 200):
            shutil.rmtree(folder, ignore_errors=True)
            make_checkpoint(family, values, folder, seed)
            generator = torch.Generator().manual_seed(1000 + seed)
            prompts = [torch.randint(0, 500, (n,), generator=generator).tolist() for n in PROMPT_LENGTHS]
            made = outputs(load(family, folder), prompts)
            if made:
                break
        tensors, readable = made
        save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, folder / "goldens.safetensors")
        for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
            shutil.copyfile(goldens / "glm4_moe" / name, folder / name)
        others = json.loads((goldens / "glm4_moe" / "goldens.json").read_text())
        document = dict(
            name=family, model_type=family, weight_storage="float32", seed=seed, transformers="5.23.0",
            torch=torch.__version__, prompts=readable, chat=others["chat"], tokenizer_cases=others["tokenizer_cases"])
        (folder / "goldens.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        print(family, "seed", seed, [round(r["min_top1_margin"], 4) for r in readable])


if __name__ == "__main__":
    main()
