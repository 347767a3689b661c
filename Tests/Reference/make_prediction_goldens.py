"""A prediction module for the tiny checkpoint of DeepSeek-V4, and what it guesses of a text.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.24.0 safetensors numpy
    venv/bin/python Tests/Reference/make_prediction_goldens.py Tests/Fixtures/compressed/deepseek_v4 \
        Tests/Fixtures/prediction/deepseek_v4.safetensors

writes the module's tensors under their published names, `mtp.0.` and so on, in FP8 and FP4 as the checkpoint is; `ids`,
a text; and `logits`, `[tokens - 1, vocabulary]`: of token i + 2, from what the model made of token i and from token i +
1.

The reference implementation leaves such modules out. But their layer is one of its layers, with a window only; what is
around it is written here, as the makers' own `inference/model.py` has it: each stream, as the last layer leaves it,
goes through a norm and `h_proj`, the next token's embedding through a norm and `e_proj`, and their sum through the
layer, streams' weights of its own, a norm and the model's head. All of it is computed in float64. Weights are drawn
again, under the next seed, until no choice is close. Not part of the test suite, which must run without torch.
"""

import json
import pathlib
import sys

import torch
import transformers
from make_compressed_goldens import FP4, Choices, draw, fp8, published
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

LENGTH = 70
# Guesses that are as clear as the choices of the model's own goldens.
TOKEN_MARGIN = 0.01


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


class Module(torch.nn.Module):
    """What is around the layer."""

    def __init__(self, config, head):
        super().__init__()
        size = config.hidden_size
        self.e_proj, self.h_proj = (torch.nn.Linear(size, size, bias=False, dtype=torch.float64) for _ in range(2))
        self.enorm, self.hnorm, self.norm = (
            torch.nn.RMSNorm(size, eps=config.rms_norm_eps, dtype=torch.float64) for _ in range(3))
        self.hc_head = head

    def draw(self, generator):
        stored = {}
        with torch.no_grad():
            for name, value in self.named_parameters():
                noise = torch.randn(value.shape, generator=generator)
                if name.endswith("proj.weight"):
                    codes, scales, exact = fp8(noise * 1.3 / value.shape[-1] ** 0.5)
                    value.copy_(exact)
                    stored |= {f"mtp.0.{name}": codes, f"mtp.0.{name.removesuffix('.weight')}.scale": scales}
                    continue
                if "norm" in name:
                    noise = 1 + 0.1 * noise
                elif name.endswith("fn"):
                    noise = noise * 1.3 / value.shape[-1] ** 0.5
                else:
                    noise = 1 + 0.2 * noise if name.endswith("scale") else 0.5 * noise
                value.copy_(noise)
                stored["mtp.0." + name.replace("hc_head.hc_", "hc_head_")] = noise
        return stored


def main():
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    folder, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    values = json.loads((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    layers = values["num_hidden_layers"]
    own = {k: v for k, v in values.items() if k != "quantization_config"} | {"num_hidden_layers": layers + 1}
    config = CONFIG_MAPPING["deepseek_v4"].from_dict(own)
    assert config.layer_types[layers] == "sliding_attention" and config.mlp_layer_types[layers] == "moe"
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").double().eval()
    model.set_experts_implementation("eager")
    fill(model, tensors, layers)
    choices = Choices(model)
    layer = model.model.layers[layers]
    module = Module(config, type(model.model.hc_head)(config).double())
    seen = {}

    def joined(_, arguments, keywords):
        """In the place of what the last layer left comes the layer's input."""
        embeddings = module.e_proj(module.enorm(model.model.embed_tokens(seen["next"])))
        states = module.h_proj(module.hnorm(arguments[0]))
        return (embeddings.unsqueeze(2) + states,) + arguments[1:], keywords

    layer.register_forward_pre_hook(joined, with_kwargs=True)
    layer.register_forward_hook(lambda _, __, output: seen.update(output=output))
    for seed in range(1, 1000):
        generator = torch.Generator().manual_seed(seed)
        stored = draw(torch.nn.ModuleDict({"module": layer}), values, generator)
        # What is kept in fp32 was drawn in it.
        stored = {
            k.replace("module.", "mtp.0.", 1): v.float() if v.dtype == torch.float64 else v for k, v in stored.items()}
        stored |= module.draw(generator)
        ids = torch.randint(0, 62, (LENGTH,), generator=generator)
        choices.index_margin, choices.rows = float("inf"), 0
        seen["next"] = torch.cat([ids[1:], ids[:1]])[None]
        with torch.no_grad():
            model(input_ids=ids[None], use_cache=False)
            logits = model.lm_head(module.norm(module.hc_head(seen["output"])))[0, :-1]
        best = logits.sort(descending=True).values
        if choices.are_clear and (best[:, 0] - best[:, 1]).min().item() >= TOKEN_MARGIN:
            break
    target.parent.mkdir(parents=True, exist_ok=True)
    stored |= {"ids": ids.int(), "logits": logits.float()}
    save_file({k: v.contiguous() for k, v in sorted(stored.items())}, target)
    print("seed", seed, target.stat().st_size, "bytes;", len(set(logits.argmax(-1).tolist())), "tokens guessed")


if __name__ == "__main__":
    main()
