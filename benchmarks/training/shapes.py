"""The shapes of race.py."""

import json
import pathlib

DEMONSTRATION = pathlib.Path(__file__).resolve().parent / "shapes" / "deepseek-v3-12m.json"


def written(config, folder, name):
    path = folder / name
    path.write_text(json.dumps(config))
    return path


def demonstration(folder):
    """The DeepSeek-V3 shape of 11.85 M parameters, of which a token meets 3.3 M."""
    return written(json.loads(DEMONSTRATION.read_text()), folder, "demonstration.json")


def dense_twin(shape, folder):
    """The dense shape with as many active parameters: feed-forward layers as wide as a token's experts, on average over the layers."""
    config = json.loads(shape.read_text())
    layers, dense = config["num_hidden_layers"], config["first_k_dense_replace"]
    active = (config["num_experts_per_tok"] + config["n_shared_experts"]) * config["moe_intermediate_size"]
    config["intermediate_size"] = (dense * config["intermediate_size"] + (layers - dense) * active) // layers
    config["first_k_dense_replace"] = layers
    return written(config, folder, "dense.json")


def large_sparse(folder):
    """400 M parameters: 8 layers of 64 experts, of which a token meets 6 and a shared one."""
    config = json.loads(DEMONSTRATION.read_text())
    config.update(
        hidden_size=640, intermediate_size=1792, moe_intermediate_size=384, num_hidden_layers=9, n_routed_experts=64,
        num_experts_per_tok=6, n_group=1, topk_group=1, num_attention_heads=10, num_key_value_heads=10, kv_lora_rank=128,
        qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64, vocab_size=4096)
    return written(config, folder, "large.json")
