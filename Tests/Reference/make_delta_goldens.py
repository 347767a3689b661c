"""Tiny checkpoints of families with gated DeltaNet, and what the reference implementation makes of them.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.24.0 safetensors numpy
    venv/bin/python Tests/Reference/make_delta_goldens.py Tests/Fixtures/delta [FAMILY ...]

writes one folder a family: `config.json` as published, `model.safetensors` under the published names (weights of bf16,
but for decays), `goldens.safetensors` with, for prompt i, `p{i}.input_ids`, `p{i}.greedy`, `p{i}.logits`, and in models
with experts `p{i}.router.{layer}.indices` and `.weights`. Weights are drawn again, under the next seed, until no choice
of a token or of an expert is close. Sizes are odd on purpose. Not part of the test suite, which must run without torch.
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
import transformers
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_tensors
from transformers import CONFIG_MAPPING

DELTA = dict(
    hidden_act="silu", num_hidden_layers=4, vocab_size=64, hidden_size=24, num_attention_heads=4, num_key_value_heads=2,
    head_dim=16, attention_bias=False, linear_conv_kernel_dim=4, linear_key_head_dim=6, linear_value_head_dim=5,
    linear_num_key_heads=2, linear_num_value_heads=4, rms_norm_eps=1e-06, max_position_embeddings=4096,
    tie_word_embeddings=False, initializer_range=0.02, use_cache=True, eos_token_id=[62, 63])
EXPERTS = dict(
    num_experts=6, num_experts_per_tok=2, moe_intermediate_size=8, shared_expert_intermediate_size=12)
ROPE = dict(rope_theta=10000000, rope_type="default", partial_rotary_factor=0.25)
MROPE = dict(**ROPE, mrope_section=[1, 1, 0], mrope_interleaved=True)
VISION = dict(
    depth=1, hidden_size=8, intermediate_size=8, num_heads=2, out_hidden_size=24, num_position_embeddings=4, patch_size=2,
    in_channels=1, spatial_merge_size=1, temporal_patch_size=1)


def whole(name, text):
    return dict(
        model_type=name, tie_word_embeddings=text["tie_word_embeddings"], image_token_id=60, video_token_id=61,
        text_config={"model_type": f"{name}_text", **text}, vision_config=dict(model_type=f"{name}_vision", **VISION))


FAMILY = {
    "qwen3_next": ("Qwen3NextForCausalLM", dict(
        model_type="qwen3_next", **DELTA, **EXPERTS, intermediate_size=20, decoder_sparse_step=1, mlp_only_layers=[1],
        norm_topk_prob=True, full_attention_interval=4, rope_theta=10000000, rope_scaling=None,
        partial_rotary_factor=0.25)),
    "qwen3_5_moe": ("Qwen3_5MoeForConditionalGeneration", whole("qwen3_5_moe", dict(
        **DELTA, **EXPERTS, attn_output_gate=True, mtp_num_hidden_layers=1, mamba_ssm_dtype="float32",
        layer_types=["linear_attention", "full_attention", "linear_attention", "linear_attention"],
        rope_parameters=MROPE))),
    "qwen3_5": ("Qwen3_5ForConditionalGeneration", whole("qwen3_5", dict(
        **{**DELTA, "tie_word_embeddings": True}, intermediate_size=40, full_attention_interval=2,
        rope_parameters=MROPE))),
}
PROMPT_LENGTHS = (1, 5, 38)
NEW_TOKENS = 12
TOKEN_MARGIN, ROUTER_MARGIN = 0.01, 5e-5
# Kept in fp32, as published checkpoints have them.
FULL = ("A_log", "dt_bias")


@contextlib.contextmanager
def quiet():
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def config_of(values):
    return CONFIG_MAPPING[values["model_type"]].from_dict(json.loads(json.dumps(values)))


def make_checkpoint(architecture, values, folder, seed):
    model = getattr(transformers, architecture)(config_of(values)).float().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            if name.endswith("A_log"):
                value.copy_(0.5 * noise - 1)
            elif name.endswith("linear_attn.norm.weight"):
                value.copy_(1 + 0.1 * noise)
            elif value.dim() == 1:
                value.copy_(0.1 * noise)
            elif "conv1d" in name:
                value.copy_(0.5 * noise)
            else:
                value.copy_(noise * (1 if "embed" in name else 1.3 / value.shape[-1] ** 0.5))
    with quiet():
        model.save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    # Multi-token prediction is published beside the layers, and left out here.
    tensors |= {"mtp.fc.weight": torch.ones(2, 4), "mtp.layers.0.self_attn.q_proj.weight": torch.ones(2, 2)}
    tensors = {
        k: v.contiguous() if k.endswith(FULL) else v.to(torch.bfloat16).contiguous() for k, v in sorted(tensors.items())}
    save_tensors(tensors, folder / "model.safetensors", {"format": "pt"})
    document = {"architectures": [architecture], "torch_dtype": "bfloat16", **values}
    (folder / "config.json").write_text(json.dumps(document, indent=2) + "\n")
    (folder / "generation_config.json").unlink(missing_ok=True)


def load(architecture, values, folder):
    with quiet():
        model = getattr(transformers, architecture).from_pretrained(
            folder, config=config_of(values), dtype=torch.float32, attn_implementation="eager")
        model.set_experts_implementation("eager")
    return model.eval()


class Routing:
    """Records what goes into the experts of each layer, and by how much the choice was made."""

    def __init__(self, model):
        self.by_layer = {}
        body = getattr(model.model, "language_model", model.model)
        for number, layer in enumerate(body.layers):
            if hasattr(layer.mlp, "experts"):
                layer.mlp.experts.register_forward_pre_hook(self.hook(number, layer.mlp))

    def hook(self, number, block):
        def record(_, inputs):
            hidden, indices, weights = inputs
            order = indices.argsort(dim=-1)
            scores = torch.softmax(hidden.float() @ block.gate.weight.float().T, dim=-1)
            ranked = scores.sort(dim=-1, descending=True).values
            count = indices.shape[-1]
            self.by_layer[number] = (
                indices.gather(-1, order).int().numpy(), weights.gather(-1, order).float().numpy(),
                (ranked[:, count - 1] - ranked[:, count]).min().item())

        return record


def outputs(model, prompts):
    """The goldens' tensors; None where a choice is close."""
    routing = Routing(model)
    tensors = {}
    for number, prompt in enumerate(prompts):
        ids = list(prompt)
        with torch.no_grad():
            for _ in range(NEW_TOKENS):
                ids.append(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax().item())
            logits = model(input_ids=torch.tensor([ids[:-1]]), use_cache=False).logits[0].numpy()
        best = np.sort(logits[len(prompt) - 1 :], axis=-1)
        margin = float((best[:, -1] - best[:, -2]).min())
        router_margin = min((m for _, _, m in routing.by_layer.values()), default=1)
        if margin < TOKEN_MARGIN or router_margin < ROUTER_MARGIN:
            return None
        tensors |= {
            f"p{number}.input_ids": np.array(prompt, np.int32),
            f"p{number}.greedy": np.array(ids[len(prompt) :], np.int32), f"p{number}.logits": logits}
        for layer, (indices, weights, _) in routing.by_layer.items():
            tensors[f"p{number}.router.{layer}.indices"] = indices
            tensors[f"p{number}.router.{layer}.weights"] = weights
    return tensors


def main():
    goldens = pathlib.Path(sys.argv[1])
    for family in sys.argv[2:] or FAMILY:
        architecture, values = FAMILY[family]
        folder = goldens / family
        for seed in range(1, 200):
            shutil.rmtree(folder, ignore_errors=True)
            make_checkpoint(architecture, values, folder, seed)
            generator = torch.Generator().manual_seed(1000 + seed)
            prompts = [torch.randint(0, 58, (n,), generator=generator).tolist() for n in PROMPT_LENGTHS]
            made = outputs(load(architecture, values, folder), prompts)
            if made:
                break
        save_file({k: np.ascontiguousarray(v) for k, v in made.items()}, folder / "goldens.safetensors")
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        print(family, "seed", seed, sizes, [len(set(made[f"p{i}.greedy"])) for i in range(len(prompts))])


if __name__ == "__main__":
    main()
