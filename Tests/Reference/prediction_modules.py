"""What the goldens of prediction modules beside the tiny checkpoint of DeepSeek-V4 have in common.

A model with a layer of its own more for each module, weights of these and of what is around them, drawn under one seed
after another, and where all that is kept.
"""

import json

import torch
import transformers
from make_compressed_goldens import FP4, Choices, draw, fp8, published
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM


def values_of(tensors, name):
    """What is stored under a published name, in float64."""
    stored = tensors[name]
    if stored.dtype == torch.int64:
        return stored
    scales = tensors.get(name.removesuffix(".weight") + ".scale")
    if scales is None:
        return stored.double()
    scales = scales.double()
    if stored.dtype == torch.int8:
        codes = stored.view(torch.uint8).int()
        codes = torch.stack([codes & 15, codes >> 4], -1).flatten(-2)
        values = FP4.double()[codes & 7] * (1 - 2 * (codes >> 3))
        return values * scales.repeat_interleave(32, 1)
    rows, columns = stored.shape
    return stored.double() * scales.repeat_interleave(128, 0)[:rows].repeat_interleave(128, 1)[:, :columns]


def fill(model, tensors, layers):
    """Puts a checkpoint's weights into the first so many layers of a model, and around them."""
    with torch.no_grad():
        for name, value in list(model.named_parameters()) + list(model.named_buffers()):
            parts = name.split(".")
            if "inv_freq" in name or parts[1] == "layers" and int(parts[2]) >= layers:
                continue
            if name.endswith("experts.gate_up_proj") or name.endswith("experts.down_proj"):
                start = published(name.rsplit(".", 1)[0])
                for expert in range(value.shape[0]):
                    own = [values_of(tensors, f"{start}.{expert}.{part}.weight") for part in ("w1", "w3", "w2")]
                    value[expert] = own[2] if name.endswith("down_proj") else torch.cat(own[:2])
            else:
                value.copy_(values_of(tensors, published(name)))


def with_modules(folder, count):
    """The checkpoint's settings, and its model with `count` layers more, in float64, with what watches its choices."""
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    values = json.loads((folder / "config.json").read_text())
    layers = values["num_hidden_layers"]
    own = {k: v for k, v in values.items() if k != "quantization_config"}
    own["num_hidden_layers"] = layers + count
    own["compress_ratios"] = values["compress_ratios"][:layers] + [0] * count
    config = CONFIG_MAPPING["deepseek_v4"].from_dict(own)
    assert config.layer_types[layers:] == ["sliding_attention"] * count
    assert config.mlp_layer_types[layers:] == ["moe"] * count
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").double().eval()
    model.set_experts_implementation("eager")
    fill(model, load_file(folder / "model.safetensors"), layers)
    return values, config, model, Choices(model)


def draw_around(module, generator, target, special=lambda name, noise: None):
    """Draws what is around the layers, and returns it as it is stored: under `target` of each name, the projections in
    FP8. `special` makes of noise what is neither a norm nor a part of the streams' mixing."""
    stored = {}
    with torch.no_grad():
        for name, value in module.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            if name.endswith("proj.weight"):
                codes, scales, exact = fp8(noise * 1.3 / value.shape[-1] ** 0.5)
                value.copy_(exact)
                stored |= {target(name): codes, target(name).removesuffix("weight") + "scale": scales}
                continue
            made = special(name, noise)
            if made is not None:
                noise = made
            elif "norm" in name:
                noise = 1 + 0.1 * noise
            elif name.endswith("fn"):
                noise = noise * 1.3 / value.shape[-1] ** 0.5
            else:
                noise = 1 + 0.2 * noise if name.endswith("scale") else 0.5 * noise
            value.copy_(noise)
            stored[target(name)] = noise
    return stored


def drawings(limit, stages, around, values, choices, length):
    """For one seed after another below `limit`: the seed, weights as they are stored, and a text of `length` tokens.
    `stages`: the modules' layers; `around`: what draws the rest."""
    for seed in range(1, limit):
        generator = torch.Generator().manual_seed(seed)
        stored = {}
        for i, stage in enumerate(stages):
            part = draw(torch.nn.ModuleDict({"module": stage}), values, generator)
            # What is kept in fp32 was drawn in it.
            stored |= {
                k.replace("module.", f"mtp.{i}.", 1): v.float() if v.dtype == torch.float64 else v
                for k, v in part.items()}
        stored |= around.draw(generator)
        ids = torch.randint(0, 62, (length,), generator=generator)
        choices.index_margin, choices.rows = float("inf"), 0
        yield seed, stored, ids


def save(tensors, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in sorted(tensors.items())}, target)
