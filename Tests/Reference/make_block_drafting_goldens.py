"""Modules that draft blocks (DSpark) for the tiny checkpoint of DeepSeek-V4, and what they draft in a text.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.24.0 safetensors numpy
    venv/bin/python Tests/Reference/make_block_drafting_goldens.py Tests/Fixtures/compressed/deepseek_v4 \
        Tests/Fixtures/prediction/deepseek_v4_blocks.safetensors

writes the tensors of two modules under their published names, `mtp.0.` and `mtp.1.`, in FP8 and FP4 as the checkpoint
is; `ids`, a text; and for each token but the last the block that begins at the next one: `logits` of the head alone
`[blocks, places, vocabulary]`, `guesses` `[blocks, places]`, and `chances` `[blocks, places]` that all guesses up to a
place are right.

The reference implementation leaves such modules out. But their layers are layers of its own, with a window only; how a
block attends and what is around it is written here, after what is public of the makers' `inference/model.py`: the mean
of the residual's streams as layers `SOURCES` leave them goes through `main_proj` and a norm, and through each module's
own key projection into its window; a block is the next token and noise, each of which sees that window and all of the
block; from the first place to the last the row of `markov_w1` of the token before, times `markov_w2`, is added to the
logits, and the greatest is the guess; `confidence_head` reads the streams' sum before the norm beside that row. All of
it is computed in float64. Weights are drawn again, under the next seed, until no choice is close. Not part of the test
suite, which must run without torch.
"""

import pathlib
import sys

import torch
from make_compressed_goldens import INDEX_MARGIN, ROUTER_MARGIN
from prediction_modules import draw_around, drawings, save, with_modules
from transformers.models.deepseek_v4.modeling_deepseek_v4 import apply_rotary_pos_emb

LENGTH, BLOCK, NOISE, RANK, SOURCES, MODULES = 30, 5, 63, 6, (1, 3), 2
TOKEN_MARGIN, CHANCE_MARGIN = 2e-3, 1e-3


def attended(attention, hidden, seen, cosines, sines):
    """What a block makes of itself and of the keys before it, all of which each of its tokens sees."""
    width = attention.head_dim
    shape = (1, hidden.shape[1], -1, width)
    query = attention.q_b_proj(attention.q_a_norm(attention.q_a_proj(hidden))).view(*shape).transpose(1, 2)
    query = apply_rotary_pos_emb(attention.q_b_norm(query), cosines, sines)
    key = attention.kv_norm(attention.kv_proj(hidden)).view(*shape).transpose(1, 2)
    keys = torch.cat([seen, apply_rotary_pos_emb(key, cosines, sines)], 2)
    scores = query @ keys.transpose(2, 3) * width**-0.5
    sinks = attention.sinks.double().view(1, -1, 1, 1).expand(-1, -1, scores.shape[2], 1)
    values = torch.cat([scores, sinks], -1).softmax(-1)[..., :-1] @ keys
    values = apply_rotary_pos_emb(values, cosines, -sines).transpose(1, 2)
    groups = values.reshape(1, hidden.shape[1], attention.config.o_groups, -1)
    return attention.o_b_proj(attention.o_a_proj(groups).flatten(2))


class Around(torch.nn.Module):
    """What is around the layers."""

    def __init__(self, config, head):
        super().__init__()
        size, vocabulary = config.hidden_size, config.vocab_size
        self.main_proj = torch.nn.Linear(len(SOURCES) * size, size, bias=False, dtype=torch.float64)
        self.main_norm, self.norm = (
            torch.nn.RMSNorm(size, eps=config.rms_norm_eps, dtype=torch.float64) for _ in range(2))
        self.markov_w1 = torch.nn.Parameter(torch.empty(vocabulary, RANK, dtype=torch.float64))
        self.markov_w2 = torch.nn.Parameter(torch.empty(vocabulary, RANK, dtype=torch.float64))
        self.confidence = torch.nn.Parameter(torch.empty(1, size + RANK, dtype=torch.float64))
        self.hc_head = head

    def draw(self, generator):
        places = {
            "main_proj.weight": (0, "main_proj.weight"), "main_norm.weight": (0, "main_norm.weight"),
            "markov_w1": (MODULES - 1, "markov_head.markov_w1.weight"),
            "markov_w2": (MODULES - 1, "markov_head.markov_w2.weight"),
            "confidence": (MODULES - 1, "confidence_head.proj.weight")}

        def target(name):
            module, published = places.get(name, (MODULES - 1, name.replace("hc_head.hc_", "hc_head_")))
            return f"mtp.{module}.{published}"

        def special(name, noise):
            if name not in ("markov_w1", "markov_w2", "confidence"):
                return None
            scale = 1 if name == "markov_w1" else noise.shape[-1] ** -0.5
            return (noise * scale * (3 if name == "confidence" else 1)).bfloat16()

        return draw_around(self, generator, target, special)


def main():
    folder, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    values, config, model, choices = with_modules(folder, MODULES)
    layers, window = values["num_hidden_layers"], values["sliding_window"]
    stages = [model.model.layers[layers + i] for i in range(MODULES)]
    around = Around(config, type(model.model.hc_head)(config).double())
    given = {}
    for layer in SOURCES:
        model.model.layers[layer].register_forward_hook(
            lambda _, __, output, layer=layer: given.update({layer: output.mean(2)}))

    def angles(first, count):
        positions = torch.arange(first, first + count)[None]
        return model.model.rotary_emb(torch.zeros(1, dtype=torch.float64), position_ids=positions, layer_type="main")

    def draft(windows, ids, place):
        """The block that follows the token at `place`."""
        block = torch.tensor([[ids[place + 1]] + [NOISE] * (BLOCK - 1)])
        streams = model.model.embed_tokens(block).unsqueeze(2).repeat(1, 1, config.hc_mult, 1)
        cosines, sines = angles(place + 1, BLOCK)
        for stage, keys in zip(stages, windows):
            seen = keys[:, :, max(0, place + 1 - window) : place + 1]
            whole = stage.self_attn.forward
            stage.self_attn.forward = lambda hidden, **_: (
                attended(stage.self_attn, hidden, seen, cosines, sines), None)
            streams = stage(streams, input_ids=block)
            stage.self_attn.forward = whole
        hidden = around.hc_head(streams)[0]
        logits = model.lm_head(around.norm(hidden))
        previous, chance, guesses, chances, margin = ids[place + 1], 1.0, [], [], float("inf")
        for i in range(BLOCK):
            row = around.markov_w1[previous]
            shifted = logits[i] + around.markov_w2 @ row
            best = shifted.sort(descending=True).values
            margin = min(margin, (best[0] - best[1]).item())
            previous = shifted.argmax().item()
            chance *= torch.sigmoid(around.confidence[0] @ torch.cat([hidden[i], row])).item()
            guesses.append(previous)
            chances.append(chance)
        return logits, guesses, chances, margin

    for seed, stored, ids in drawings(2000, stages, around, values, choices, LENGTH):
        ids = ids.tolist()
        with torch.no_grad():
            model(input_ids=torch.tensor([ids]), use_cache=False)
            margins = [choices.by_layer[layer][2] for layer in range(layers)]
            if min(margins) < ROUTER_MARGIN or choices.index_margin < INDEX_MARGIN:
                continue
            fused = around.main_norm(around.main_proj(torch.cat([given[layer] for layer in SOURCES], -1)))
            cosines, sines = angles(0, LENGTH)
            windows = [
                apply_rotary_pos_emb(
                    stage.self_attn.kv_norm(stage.self_attn.kv_proj(fused))[:, None], cosines, sines)
                for stage in stages]
            found = []
            for place in range(LENGTH - 1):
                block = draft(windows, ids, place)
                margins = [choices.by_layer[layers + i][2] for i in range(MODULES)]
                near = min(abs(chance - 0.5) for chance in block[2])
                if min(margins) < ROUTER_MARGIN or block[3] < TOKEN_MARGIN or near < CHANCE_MARGIN:
                    break
                found.append(block)
        if len(found) == LENGTH - 1:
            break
    results = {
        "ids": torch.tensor(ids, dtype=torch.int32),
        "logits": torch.stack([logits for logits, _, _, _ in found]).float(),
        "guesses": torch.tensor([guesses for _, guesses, _, _ in found], dtype=torch.int32),
        "chances": torch.tensor([chances for _, _, chances, _ in found], dtype=torch.float32)}
    save(stored | results, target)
    lengths = [sum(chance >= 0.5 for chance in chances) for _, _, chances, _ in found]
    print("seed", seed, target.stat().st_size, "bytes; blocks by length", [lengths.count(i) for i in range(BLOCK + 1)])


if __name__ == "__main__":
    main()
