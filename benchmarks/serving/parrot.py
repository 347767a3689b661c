"""A checkpoint that says what its chat template tells it to, for tests of clients. Needs numpy and safetensors.

One attention layer looks exactly `SPAN` tokens back and repeats what stands there. The tokenizer has a token for each
byte, and a few more; the template lays out the conversation, then the reply, and fills up to `SPAN` tokens, so that the
reply is what comes next.
"""
import json
import os

import numpy as np
from safetensors.numpy import save_file

SPAN = 256
END = "<|im_end|>"

# A reply is what a tool returned, or what follows "say: " or, as a call of a tool, "call: " in the last user's message,
# or a call of the first tool.
TEMPLATE = (
    "{%- for tool in tools or [] %}{{ tool | tojson }}\n{% endfor -%}"
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n{{ m.reasoning_content or '' }}{{ m.content or '' }}"
    "{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}\n{% endfor -%}"
    "{# <think> </think> <tool_call> #}"
    "{%- set last = messages[-1] -%}"
    "{%- if last.role == 'tool' %}{% set reply = 'It is ' ~ last.content ~ '.' -%}"
    "{%- elif 'call: ' in last.content %}{% set reply = '<tool_call>\\n' ~ last.content.split('call: ')[-1]"
    " ~ '\\n</tool_call>' -%}"
    "{%- elif 'say: ' in last.content %}{% set reply = last.content.split('say: ')[-1] -%}"
    "{%- elif tools %}{% set reply = '<tool_call>\\n{\"name\": \"' ~ tools[0].function.name"
    " ~ '\", \"arguments\": {\"town\": \"Bonn\"}}\\n</tool_call>' -%}"
    "{%- else %}{% set reply = 'Hello there.' %}{% endif -%}"
    "{{- reply }}<|im_end|>{{ '.' * (SPAN - reply | length - 2) }}<|im_start|>").replace("SPAN", str(SPAN))


def byte_letters():
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


def make(folder, context=16384):
    """Writes the checkpoint."""
    os.makedirs(folder, exist_ok=True)
    letters = byte_letters()
    special = ["<|endoftext|>", "<|im_start|>", END]
    added = [
        dict(id=256 + i, content=text, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
        for i, text in enumerate(special)]
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)
    tokenizer = dict(
        version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=None, pre_tokenizer=level,
        post_processor=None, decoder=level,
        model=dict(
            type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None,
            fuse_unk=False, byte_fallback=False, ignore_merges=False, vocab={letters[b]: b for b in range(256)}, merges=[]))
    size, width, heads = 256 + len(special), 256, 2
    end = 256 + special.index(END)
    config = dict(
        architectures=["Qwen2ForCausalLM"], model_type="qwen2", hidden_act="silu", hidden_size=width, intermediate_size=32,
        max_position_embeddings=context, num_attention_heads=heads, num_hidden_layers=1, num_key_value_heads=heads,
        rms_norm_eps=1e-6, rope_theta=10000.0, tie_word_embeddings=False, torch_dtype="float32", use_sliding_window=False,
        vocab_size=size, eos_token_id=end)
    for name, document in [
        ("config.json", config), ("tokenizer.json", tokenizer),
        ("generation_config.json", dict(eos_token_id=[end], do_sample=False)),
        ("tokenizer_config.json", dict(
            eos_token=END, clean_up_tokenization_spaces=False, tokenizer_class="PreTrainedTokenizerFast",
            model_max_length=context, chat_template=TEMPLATE)),
    ]:
        with open(os.path.join(folder, name), "w") as file:
            json.dump(document, file, ensure_ascii=False)
    half = width // heads // 2
    angles = (SPAN - 1) * 10000.0 ** (-np.arange(half) / half)
    query = np.concatenate([10 * np.cos(angles), -10 * np.sin(angles)])
    key = np.concatenate([np.full(half, 10.0), np.zeros(half)])
    embedding = np.random.default_rng(1).choice([-1.0, 1.0], size=(size, width)).astype(np.float32)
    zeros, ones = (lambda *shape: np.zeros(shape, np.float32)), np.ones(width, np.float32)
    both, one = (lambda v: np.tile(v, heads).astype(np.float32)), np.eye(width, dtype=np.float32)
    layer = "model.layers.0."
    save_file({
        "model.embed_tokens.weight": embedding, "lm_head.weight": 0.5 * embedding, "model.norm.weight": ones,
        layer + "input_layernorm.weight": ones, layer + "post_attention_layernorm.weight": ones,
        layer + "self_attn.q_proj.weight": zeros(width, width), layer + "self_attn.q_proj.bias": both(query),
        layer + "self_attn.k_proj.weight": zeros(width, width), layer + "self_attn.k_proj.bias": both(key),
        layer + "self_attn.v_proj.weight": one, layer + "self_attn.v_proj.bias": zeros(width),
        layer + "self_attn.o_proj.weight": 10 * one, layer + "mlp.gate_proj.weight": zeros(32, width),
        layer + "mlp.up_proj.weight": zeros(32, width), layer + "mlp.down_proj.weight": zeros(width, 32),
    }, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
