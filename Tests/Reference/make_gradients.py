#!/usr/bin/env python3
"""Gradients of the goldens' models by PyTorch, in fp32: what GradientTests holds ours against.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.23.0 safetensors numpy
    venv/bin/python Tests/Reference/make_gradients.py

Writes Tests/Fixtures/training/gradients.json: for each golden the mean cross-entropy of two sequences of made-up tokens, and of
each parameter's gradient its length and its product with a made-up direction, by the name of the parameter apart from others.
Token j of sequence s is (7 s + 11 j + j j) mod vocabulary. A direction's element i is ((i * 2654435761) mod 2^32) / 2^32 - 0.5.
"""

import json
import os
import pathlib
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "Fixtures"
NAMES = "deepseek_v2_group deepseek_v2_lite deepseek_v3 deepseek_v3_noqlora glm4_moe glm4_moe_lite gpt_oss llama minimax_m2 mixtral olmoe qwen2 qwen2_moe qwen3 qwen3_moe".split()
SEQUENCES, LENGTH = 2, 20


def direction(count):
    return ((np.arange(count, dtype=np.uint64) * np.uint64(2654435761)) % np.uint64(1 << 32)).astype(np.float64) / 2**32 - 0.5


def facts(gradient):
    flat = gradient.detach().double().numpy().reshape(-1)
    return [float(np.sqrt(np.sum(flat * flat))), float(np.dot(flat, direction(flat.size)))]


def separate(name, gradient, config):
    """A parameter of transformers as those of the published layout with experts apart."""
    if name.endswith("experts.gate_up_proj") or name.endswith("experts.gate_up_proj_bias"):
        bias = name.endswith("_bias")
        base = name.removesuffix("_bias").removesuffix("gate_up_proj")
        for expert in range(gradient.shape[0]):
            one = gradient[expert]
            if config.model_type == "gpt_oss":
                gate, up = one[..., ::2], one[..., 1::2]
                if not bias:
                    gate, up = gate.T, up.T
            else:
                gate, up = one.chunk(2, dim=0)
            end = "bias" if bias else "weight"
            yield f"{base}{expert}.gate_proj.{end}", gate
            yield f"{base}{expert}.up_proj.{end}", up
    elif name.endswith("experts.down_proj") or name.endswith("experts.down_proj_bias"):
        bias = name.endswith("_bias")
        base = name.removesuffix("_bias").removesuffix("down_proj")
        for expert in range(gradient.shape[0]):
            one = gradient[expert]
            if config.model_type == "gpt_oss" and not bias:
                one = one.T
            yield f"{base}{expert}.down_proj.{'bias' if bias else 'weight'}", one
    else:
        yield name, gradient


def measure(name):
    folder = FIXTURES / "goldens" / name
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    model.train(False)
    vocabulary = config.vocab_size
    tokens = torch.tensor([[(7 * s + 11 * j + j * j) % vocabulary for j in range(LENGTH + 1)] for s in range(SEQUENCES)])
    logits = model(tokens[:, :-1]).logits.float()
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, vocabulary), tokens[:, 1:].reshape(-1))
    loss.backward()
    gradients = {}
    for parameter, value in model.named_parameters():
        if value.grad is None:
            continue
        for own, gradient in separate(parameter, value.grad, config):
            gradients[own] = facts(gradient)
    return {"loss": float(loss), "gradients": gradients}


if __name__ == "__main__":
    found = {name: measure(name) for name in (sys.argv[1:] or NAMES)}
    path = FIXTURES / "training" / "gradients.json"
    # Seven digits: more than the tolerance asks for.
    text = json.dumps(found, indent=None, separators=(",", ":"), default=float)
    text = json.dumps(json.loads(text, parse_float=lambda t: float(f"{float(t):.7g}")), separators=(",", ":"))
    path.write_text(text.replace('},"', '},\n"') + "\n")
    print({name: (round(one["loss"], 4), len(one["gradients"])) for name, one in found.items()})
