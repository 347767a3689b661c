"""Prediction modules for the tiny checkpoints of families with gated DeltaNet, and what they guess of a text.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.24.0 safetensors numpy
    venv/bin/python Tests/Reference/make_hybrid_prediction_goldens.py Tests/Fixtures/delta Tests/Fixtures/prediction

writes one file a family: the module's tensors under their published names, `mtp.fc.weight` and so on; `ids`, a text;
and `hidden` `[tokens - 1, hidden]` and `logits` `[tokens - 1, vocabulary]`: what the module makes of what the model
made of token i and of token i + 1, after its norm, and what that says of token i + 2.

The reference implementation leaves such modules out (`_keys_to_ignore_on_load_unexpected`). But their layer is one of
its layers, with gated attention; what is around it is written here, as vLLM and SGLang have it: the next token's
embedding and what the model's last norm made of a token each go through a norm of their own, in this order into one
matrix, and what comes of it through the layer, a norm and the model's head. All norms multiply by one and their weight.
A module's layer counts as the first where layers differ.

Published modules are stored in three ways, of which each family has one here: FP8 in blocks of 128 with experts apart
but for `fc` and what chooses experts (`qwen3_next`), bf16 with fused experts (`qwen3_5_moe`), bf16 without experts
(`qwen3_5`). Weights are drawn again, under the next seed, until no choice is close. Not part of the test suite, which
must run without torch.
"""

import json
import pathlib
import sys

import torch
import transformers
from make_delta_goldens import FAMILY, ROUTER_MARGIN, TOKEN_MARGIN, load
from safetensors.torch import save_file

LENGTH = 40
BLOCK = 128
# What is not converted.
PLAIN = ("mtp.fc", "mlp.gate", "mlp.shared_expert_gate")


def zero_centred(x, weight, epsilon):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * (1 + weight)


class Module(torch.nn.Module):
    """What is around the layer, and the layer."""

    def __init__(self, config, layer):
        super().__init__()
        size = config.hidden_size
        self.epsilon = config.rms_norm_eps
        self.fc = torch.nn.Linear(2 * size, size, bias=False)
        for name in ("pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm"):
            setattr(self, name, torch.nn.Linear(size, 1, bias=False))
        self.layers = torch.nn.ModuleList([layer])

    def scale(self, name):
        return getattr(self, name).weight[0]

    def forward(self, embeddings, states, positions, mask):
        joined = torch.cat([
            zero_centred(embeddings, self.scale("pre_fc_norm_embedding"), self.epsilon),
            zero_centred(states, self.scale("pre_fc_norm_hidden"), self.epsilon)], -1)
        output = self.layers[0](self.fc(joined), position_embeddings=positions, attention_mask=mask)
        return zero_centred(output, self.scale("norm"), self.epsilon)

    def draw(self, generator, is_float8):
        """New weights; returns them as they are stored."""
        stored = {}
        with torch.no_grad():
            for name, value in self.named_parameters():
                noise = torch.randn(value.shape, generator=generator)
                # Small ones throughout: a wrong order of halves or a norm without its one must show.
                noise = 0.3 * noise if "norm" in name else noise * 1.3 / value.shape[-1] ** 0.5
                exact = noise.to(torch.bfloat16)
                name = "mtp." + name
                if "norm" in name:
                    exact = exact.flatten()
                if not name.endswith(("gate_up_proj", "down_proj")) or ".experts." not in name:
                    stored |= self.stored(name, exact, is_float8)
                elif not is_float8:
                    stored[name] = exact
                else:
                    for expert, matrix in enumerate(exact):
                        names = ["gate_proj", "up_proj"] if name.endswith("gate_up_proj") else ["down_proj"]
                        for part, half in zip(names, matrix.chunk(len(names))):
                            stored |= self.stored(
                                f"{name.rsplit('.', 1)[0]}.{expert}.{part}.weight", half.contiguous(), True)
                value.copy_(self.values(name, stored, value.shape))
        return stored

    @staticmethod
    def stored(name, exact, is_float8):
        if not is_float8 or exact.dim() == 1 or name.removesuffix(".weight").endswith(PLAIN):
            return {name: exact}
        rows, columns = exact.shape
        counts = [-(-rows // BLOCK), -(-columns // BLOCK)]
        scales = torch.zeros(counts)
        codes = torch.zeros(exact.shape, dtype=torch.float8_e4m3fn)
        for r in range(counts[0]):
            for c in range(counts[1]):
                place = (slice(r * BLOCK, (r + 1) * BLOCK), slice(c * BLOCK, (c + 1) * BLOCK))
                scales[r, c] = exact[place].float().abs().max() / 448
                codes[place] = (exact[place].float() / scales[r, c]).to(torch.float8_e4m3fn)
        return {name: codes, f"{name}_scale_inv": scales}

    @staticmethod
    def values(name, stored, shape):
        def one(name):
            value, scales = stored[name].double(), stored.get(f"{name}_scale_inv")
            if scales is None:
                return value
            scales = scales.double().repeat_interleave(BLOCK, 0).repeat_interleave(BLOCK, 1)
            return value * scales[: value.shape[0], : value.shape[1]]

        if name in stored:
            return one(name).reshape(shape)
        start, parts = name.rsplit(".", 1)[0], ["down_proj"]
        if name.endswith("gate_up_proj"):
            parts = ["gate_proj", "up_proj"]
        return torch.stack([
            torch.cat([one(f"{start}.{expert}.{part}.weight") for part in parts]) for expert in range(shape[0])])


def main():
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    goldens, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for family in FAMILY:
        architecture, _ = FAMILY[family]
        values = json.loads((goldens / family / "config.json").read_text())
        model = load(architecture, values, goldens / family).double()
        body = getattr(model.model, "language_model", model.model)
        config = body.config
        kind = type(body.layers[0])
        place = config.layer_types.index("full_attention")
        is_dense = getattr(config, "mlp_only_layers", None) or []
        assert (place in is_dense) == (0 in is_dense)
        module = Module(config, kind(config, place)).double().eval()
        if hasattr(module.layers[0].mlp, "experts"):
            module.layers[0].mlp.experts.config._experts_implementation = "eager"
        margins = []

        def record(block, inputs):
            scores = torch.softmax(inputs[0].double() @ block.gate.weight.double().T, -1).sort(descending=True).values
            margins.append((scores[..., block.gate.top_k - 1] - scores[..., block.gate.top_k]).min().item())

        for layer in list(body.layers) + list(module.layers):
            if hasattr(layer.mlp, "experts"):
                layer.mlp.register_forward_pre_hook(record)
        mask = torch.full((LENGTH - 1, LENGTH - 1), float("-inf"), dtype=torch.float64).triu(1)[None, None]
        for seed in range(1, 1000):
            generator = torch.Generator().manual_seed(seed)
            stored = module.draw(generator, family == "qwen3_next")
            ids = torch.randint(0, 58, (LENGTH,), generator=generator)
            margins.clear()
            with torch.no_grad():
                states = body(input_ids=ids[None, :-1], use_cache=False).last_hidden_state
                positions = body.rotary_emb(states, torch.arange(LENGTH - 1)[None])
                hidden = module(body.embed_tokens(ids[None, 1:]), states, positions, mask)[0]
                logits = model.lm_head(hidden)
            best = logits.sort(descending=True).values
            if (best[:, 0] - best[:, 1]).min().item() >= TOKEN_MARGIN and min(margins, default=1) >= ROUTER_MARGIN:
                break
        stored |= {"ids": ids.int(), "hidden": hidden.float(), "logits": logits.float()}
        path = target / f"{family}.safetensors"
        save_file({k: v.contiguous() for k, v in sorted(stored.items())}, path)
        print(family, "seed", seed, path.stat().st_size, "bytes;", len(set(logits.argmax(-1).tolist())), "tokens guessed")


main()
