#!/usr/bin/env python3
"""Gradients of the goldens' models by PyTorch, in fp32: what GradientTests holds ours against.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.23.0 safetensors numpy
    venv/bin/python Tests/Reference/make_gradients.py [families | delta | compressed]

Writes Tests/Fixtures/training/gradients.json, family_gradients.json of the families without a golden,
delta_gradients.json of those with gated DeltaNet (`[delta]` alone; transformers' rule in PyTorch, without kernels), and
compressed_gradients.json of DeepSeek-V4's (`[compressed]` alone; by published names, of longer sequences, lest entries
of 128 tokens be missing; with a prediction module it is that of Tests/Fixtures/prediction): for each the mean cross-entropy of two sequences of made-up tokens, and of each parameter's gradient its length and its
product with a made-up direction, by the name of the parameter apart from others. A name that ends in "+prediction" is
the golden's model with a multi-token prediction module (DeepSeek-V3, section 2.2) whose loss counts 0.3 times: its
layer is a copy of the model's last one, element i of its norms is 1 + ((5 i) mod 7 - 3) / 100, and row i, column j of
its projection is ((7 i + 3 j) mod 11 - 5) / 100, and a half more where j mod hidden is i. Where an indexer chooses
positions, it chooses as many as a sequence has.

Token j of sequence s is (7 s + 11 j + j j) mod vocabulary. A direction's element i is ((i * 2654435761) mod 2^32) /
2^32 - 0.5.
"""

import copy
import json
import os
import pathlib
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from make_family_checkpoints import FAMILY, load

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "Fixtures"
NAMES = "deepseek_v2_group deepseek_v2_lite deepseek_v3 deepseek_v3_noqlora glm4_moe glm4_moe_lite gpt_oss llama minimax_m2 mixtral olmoe qwen2 qwen2_moe qwen3 qwen3_moe deepseek_v32 glm_moe_dsa deepseek_v3+prediction glm4_moe+prediction".split()
DELTA = {"qwen3_next": "Qwen3NextForCausalLM", "qwen3_5_moe": "Qwen3_5MoeForConditionalGeneration",
         "qwen3_5": "Qwen3_5ForConditionalGeneration"}
COMPRESSED = ["deepseek_v4", "deepseek_v4_saved", "deepseek_v4+prediction"]
SEQUENCES, LENGTH, LONG = 2, 20, 140


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


class Prediction(torch.nn.Module):
    """A multi-token prediction module around a copy of the model's last layer."""

    def __init__(self, model):
        super().__init__()
        size = model.config.hidden_size
        self.epsilon = model.config.rms_norm_eps
        self.layer = copy.deepcopy(model.model.layers[-1])
        index = torch.arange(size)
        norm = 1 + ((5 * index) % 7 - 3).float() / 100
        self.enorm, self.hnorm, self.norm = (torch.nn.Parameter(norm.clone()) for _ in range(3))
        column = torch.arange(2 * size)
        projection = ((7 * index[:, None] + 3 * column[None, :]) % 11 - 5).float() / 100
        projection += 0.5 * (column[None, :] % size == index[:, None])
        self.projection = torch.nn.Parameter(projection)

    def rms(self, x, weight):
        return weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon)

    def forward(self, model, states, tokens):
        """The mean loss of the tokens after the next ones; `tokens` are those whose states are given, the next, and the last."""
        length = states.shape[1]
        embedded = model.model.embed_tokens(tokens[:, 1:])
        x = torch.cat([self.rms(embedded, self.enorm), self.rms(states, self.hnorm)], -1) @ self.projection.T
        places = torch.arange(length)[None, :]
        mask = torch.full((length, length), torch.finfo(torch.float32).min).triu(1)[None, None]
        x = self.layer(
            x, attention_mask=mask, position_ids=places, position_embeddings=model.model.rotary_emb(x, places))
        x = x[0] if isinstance(x, tuple) else x
        logits = model.lm_head(self.rms(x, self.norm))[:, :-1]
        return torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), tokens[:, 2:].reshape(-1))

    def names(self, layer):
        """Parameters by the published layout's names."""
        base = f"model.layers.{layer}."
        for name, value in self.layer.named_parameters():
            yield base + name, value
        yield base + "enorm.weight", self.enorm
        yield base + "hnorm.weight", self.hnorm
        yield base + "shared_head.norm.weight", self.norm
        yield base + "eh_proj.weight", self.projection


class Streams:
    """DeepSeek-V4 with its prediction module, the layer of which is one more layer of the model's class."""

    def __init__(self, folder, config):
        import make_prediction_goldens as around

        tensors = around.load_file(folder / "model.safetensors")
        module = around.load_file(FIXTURES / "prediction" / f"{folder.name}.safetensors")
        self.layers = config.num_hidden_layers
        values = json.loads((folder / "config.json").read_text())
        values = {k: v for k, v in values.items() if k != "quantization_config"}
        whole = type(config).from_dict(
            values | {"num_hidden_layers": self.layers + 1, "index_topk": config.index_topk})
        self.model = AutoModelForCausalLM.from_config(whole, attn_implementation="eager").float()
        self.model.set_experts_implementation("eager")
        around.fill(self.model, tensors | {
            name.replace("mtp.0.", f"layers.{self.layers}.", 1): value for name, value in module.items()}, self.layers + 1)
        self.around = around.Module(whole, type(self.model.model.hc_head)(whole)).float()
        with torch.no_grad():
            for name, value in self.around.named_parameters():
                value.copy_(around.values_of(module, "mtp.0." + name.replace("hc_head.hc_", "hc_head_")))

    def logits(self, tokens):
        """Of the next tokens, and of those after these."""
        seen = {}

        def join(_, arguments, keywords):
            seen["streams"] = arguments[0]
            embeddings = self.around.e_proj(self.around.enorm(self.model.model.embed_tokens(tokens[:, 1:])))
            return (embeddings.unsqueeze(2) + self.around.h_proj(self.around.hnorm(arguments[0])),) + arguments[1:], keywords

        layer, body = self.model.model.layers[self.layers], self.model.model
        layer.register_forward_pre_hook(join, with_kwargs=True)
        layer.register_forward_hook(lambda _, __, output: seen.update(output=output))
        body(tokens[:, :-1], use_cache=False)
        ahead = self.model.lm_head(self.around.norm(self.around.hc_head(seen["output"])))
        return self.model.lm_head(body.norm(body.hc_head(seen["streams"]))), ahead

    def named_parameters(self):
        for name, value in self.model.named_parameters():
            yield name, value
        for name, value in self.around.named_parameters():
            yield f"model.layers.{self.layers}." + name.replace("hc_head.hc_", "hc_head_"), value


def published(name, layers):
    """DeepSeek-V4's name of a parameter of transformers."""
    from make_compressed_goldens import published

    for own, other in (("gate_proj", "w1"), ("up_proj", "w3"), ("down_proj", "w2")):
        if ".mlp.experts." in name:
            name = name.replace(own, other)
    return published(name).replace(f"layers.{layers}.", "mtp.0.", 1)


def measure_compressed(name):
    name, _, predicts = name.partition("+")
    folder = FIXTURES / "compressed" / name
    config = AutoConfig.from_pretrained(folder)
    # Attention sees all entries.
    config.index_topk = LONG
    vocabulary = config.vocab_size
    tokens = torch.tensor([[(7 * s + 11 * j + j * j) % vocabulary for j in range(LONG + 1)] for s in range(SEQUENCES)])

    def loss_of(logits, targets):
        return torch.nn.functional.cross_entropy(logits.float().reshape(-1, vocabulary), targets.reshape(-1))

    found = {}
    if predicts:
        model = Streams(folder, config)
        logits, ahead = model.logits(tokens)
        found["prediction_loss"] = float(loss_of(ahead[:, :-1], tokens[:, 2:]))
        loss = loss_of(logits, tokens[:, 1:])
        whole = loss + 0.3 * loss_of(ahead[:, :-1], tokens[:, 2:])
    else:
        if name == "deepseek_v4":
            import make_prediction_goldens as around

            values = json.loads((folder / "config.json").read_text())
            values = {k: v for k, v in values.items() if k != "quantization_config"} | {"index_topk": LONG}
            model = AutoModelForCausalLM.from_config(type(config).from_dict(values), attn_implementation="eager").float()
            around.fill(model, around.load_file(folder / "model.safetensors"), config.num_hidden_layers)
        else:
            model = AutoModelForCausalLM.from_pretrained(
                folder, config=config, dtype=torch.float32, attn_implementation="eager")
        model.set_experts_implementation("eager")
        whole = loss = loss_of(model(tokens[:, :-1], use_cache=False).logits, tokens[:, 1:])
    found["loss"] = float(loss)
    whole.backward()
    found["gradients"] = {
        published(own, config.num_hidden_layers): facts(gradient)
        for parameter, value in model.named_parameters() if value.grad is not None
        for own, gradient in separate(parameter, value.grad, config)}
    return found


def measure(name):
    name, _, predicts = name.partition("+")
    if name in FAMILY:
        folder = FIXTURES / "families" / name
        model = load(name, json.loads((folder / "config.json").read_text()), folder)
        # Some classes leave one token's row alone, which stands for padding; there is none here.
        model.get_input_embeddings().padding_idx = None
        config = model.config
    elif name in DELTA:
        model = getattr(transformers, DELTA[name]).from_pretrained(
            FIXTURES / "delta" / name, dtype=torch.float32, attn_implementation="eager")
        model.set_experts_implementation("eager")
        config = getattr(model.config, "text_config", model.config)
        model.get_input_embeddings().padding_idx = None
    else:
        folder = FIXTURES / "goldens" / name
        config = AutoConfig.from_pretrained(folder)
        if hasattr(config, "index_topk"):
            # Attention sees all positions.
            config.index_topk = LENGTH
        model = AutoModelForCausalLM.from_pretrained(
            folder, config=config, dtype=torch.float32, attn_implementation="eager")
    model.train(False)
    vocabulary = config.vocab_size
    tokens = torch.tensor([[(7 * s + 11 * j + j * j) % vocabulary for j in range(LENGTH + 1)] for s in range(SEQUENCES)])
    body = getattr(model.model, "language_model", model.model)
    states = body(tokens[:, :-1]).last_hidden_state
    logits = model.lm_head(states).float()
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, vocabulary), tokens[:, 1:].reshape(-1))
    found = {"loss": float(loss)}
    parameters = list(model.named_parameters())
    if predicts:
        module = Prediction(model)
        ahead = module(model, states, tokens)
        found["prediction_loss"] = float(ahead)
        parameters += module.names(config.num_hidden_layers)
        loss = loss + 0.3 * ahead
    loss.backward()
    gradients = {}
    for parameter, value in parameters:
        if value.grad is None:
            continue
        for own, gradient in separate(parameter, value.grad, config):
            gradients[own] = facts(gradient)
    found["gradients"] = gradients
    return found


def write(names, file, measure=measure):
    found = {name: measure(name) for name in names}
    path = FIXTURES / "training" / file
    # Seven digits: more than the tolerance asks for.
    text = json.dumps(found, indent=None, separators=(",", ":"), default=float)
    text = json.dumps(json.loads(text, parse_float=lambda t: float(f"{float(t):.7g}")), separators=(",", ":"))
    path.write_text(text.replace('},"', '},\n"') + "\n")
    print({name: (round(one["loss"], 4), len(one["gradients"])) for name, one in found.items()})


if __name__ == "__main__":
    if sys.argv[1:] not in (["families"], ["delta"], ["compressed"]):
        write(sys.argv[1:] or NAMES, "gradients.json")
    if sys.argv[1:] in ([], ["delta"]):
        write(DELTA, "delta_gradients.json")
    if sys.argv[1:] in ([], ["families"]):
        write(FAMILY, "family_gradients.json")
    if sys.argv[1:] in ([], ["compressed"]):
        write(COMPRESSED, "compressed_gradients.json", measure_compressed)
