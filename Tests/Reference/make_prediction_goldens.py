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

import pathlib
import sys

import torch
from prediction_modules import draw_around, drawings, save, with_modules

LENGTH = 70
# Guesses that are as clear as the choices of the model's own goldens.
TOKEN_MARGIN = 0.01


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
        return draw_around(self, generator, lambda name: "mtp.0." + name.replace("hc_head.hc_", "hc_head_"))


def main():
    folder, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    values, config, model, choices = with_modules(folder, 1)
    layer = model.model.layers[values["num_hidden_layers"]]
    module = Module(config, type(model.model.hc_head)(config).double())
    seen = {}

    def joined(_, arguments, keywords):
        """In the place of what the last layer left comes the layer's input."""
        embeddings = module.e_proj(module.enorm(model.model.embed_tokens(seen["next"])))
        states = module.h_proj(module.hnorm(arguments[0]))
        return (embeddings.unsqueeze(2) + states,) + arguments[1:], keywords

    layer.register_forward_pre_hook(joined, with_kwargs=True)
    layer.register_forward_hook(lambda _, __, output: seen.update(output=output))
    for seed, stored, ids in drawings(1000, [layer], module, values, choices, LENGTH):
        seen["next"] = torch.cat([ids[1:], ids[:1]])[None]
        with torch.no_grad():
            model(input_ids=ids[None], use_cache=False)
            logits = model.lm_head(module.norm(module.hc_head(seen["output"])))[0, :-1]
        best = logits.sort(descending=True).values
        if choices.are_clear and (best[:, 0] - best[:, 1]).min().item() >= TOKEN_MARGIN:
            break
    save(stored | {"ids": ids.int(), "logits": logits.float()}, target)
    print("seed", seed, target.stat().st_size, "bytes;", len(set(logits.argmax(-1).tolist())), "tokens guessed")


if __name__ == "__main__":
    main()
