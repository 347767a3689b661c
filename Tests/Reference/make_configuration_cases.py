"""What the reference implementation makes of every family's config.json when keys are left out, null or spelt
otherwise.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.24.0
    venv/bin/python Tests/Reference/make_configuration_cases.py Tests/Fixtures/configurations [FAMILY ...]

writes one JSON file a family: a small configuration, what the reference's model is with it (sizes, layers, router,
rotary frequencies), and a list of changes with what differs then. A key is left out, and set to null, one at a time;
rotary settings come in every spelling. Values are read off modules of the reference's model, built without memory for
weights, not from our own reading of its classes. `ReferenceConfigurationTests` compares. Not part of the test suite,
which must run without torch.
"""

import contextlib
import io
import json
import logging
import os
import pathlib
import sys
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import torch
import transformers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, Mistral4ForCausalLM

transformers.logging.set_verbosity_error()

BASE = dict(
    hidden_size=64, vocab_size=160, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=4096, intermediate_size=96, rms_norm_eps=3e-6, tie_word_embeddings=False, hidden_act="silu",
    rope_theta=20000.0)
LATENT = dict(
    num_key_value_heads=4, kv_lora_rank=16, q_lora_rank=24, qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=16,
    n_routed_experts=64, n_shared_experts=3, moe_intermediate_size=32, first_k_dense_replace=1, n_group=16, topk_group=8,
    num_experts_per_tok=3, routed_scaling_factor=1.5, norm_topk_prob=True, attention_bias=False)
# Families that are another's class under a name of their own.
CLASS = {"kimi_k2": "deepseek_v3", "bailing_moe_v2": "sarvam_moe", "bailing_moe": "sarvam_moe"}
# What such a family takes for keys left out, where that is not what the class takes: of Bailing what the configuration that is
# published with its models says.
BAILING = dict(
    vocab_size=157184, hidden_size=2048, intermediate_size=5120, moe_intermediate_size=512, num_hidden_layers=20,
    num_attention_heads=16, num_key_value_heads=4, head_dim=128, num_shared_experts=1, num_experts=256,
    routed_scaling_factor=1.0, n_group=8, topk_group=4, num_experts_per_tok=8, first_k_dense_replace=1, hidden_act="silu",
    max_position_embeddings=32768, rms_norm_eps=1e-6, tie_word_embeddings=False, use_qkv_bias=False, use_qk_norm=True,
    rope_theta=600000.0)
OWN_DEFAULTS = {"bailing_moe_v2": BAILING, "bailing_moe": BAILING}
INDEXER = dict(index_topk=6, index_head_dim=72, index_n_heads=5)
WINDOW = dict(use_sliding_window=True, sliding_window=8, max_window_layers=1)
FAMILY = {
    "deepseek_v3": {**LATENT, "rope_interleave": False},
    "kimi_k2": {**LATENT, "rope_interleave": False},
    "glm4_moe_lite": {
        **{k: v for k, v in LATENT.items() if k != "first_k_dense_replace"}, "rope_interleave": False,
        "mlp_layer_types": ["sparse", "dense"]},
    "deepseek_v32": {**LATENT, **INDEXER},
    "glm_moe_dsa": {**LATENT, **INDEXER, "index_topk_freq": 2, "index_skip_topk_offset": 1},
    "deepseek_v2": {**LATENT, "topk_method": "group_limited_greedy", "norm_topk_prob": False, "mlp_bias": False},
    "qwen3_moe": dict(
        num_experts=16, num_experts_per_tok=3, moe_intermediate_size=32, head_dim=24, norm_topk_prob=True,
        decoder_sparse_step=2, mlp_only_layers=[], attention_bias=True, use_sliding_window=True, sliding_window=8),
    "qwen2_moe": dict(
        num_experts=16, num_experts_per_tok=3, moe_intermediate_size=32, shared_expert_intermediate_size=48,
        norm_topk_prob=True, decoder_sparse_step=2, mlp_only_layers=[], qkv_bias=False, **WINDOW),
    "mixtral": dict(num_local_experts=16, num_experts_per_tok=3, head_dim=24, sliding_window=8),
    "minimax_m2": dict(num_local_experts=16, num_experts_per_tok=3, head_dim=24, rotary_dim=12),
    "olmoe": dict(num_experts=16, num_experts_per_tok=3, norm_topk_prob=True, attention_bias=True, clip_qkv=0.5),
    "glm4_moe": dict(
        n_routed_experts=16, n_shared_experts=3, num_experts_per_tok=3, moe_intermediate_size=32, head_dim=24,
        first_k_dense_replace=0, n_group=4, topk_group=2, norm_topk_prob=False, routed_scaling_factor=1.5, use_qk_norm=True,
        attention_bias=True, partial_rotary_factor=0.25),
    "gpt_oss": dict(
        num_local_experts=16, num_experts_per_tok=3, head_dim=24, sliding_window=8, swiglu_alpha=1.5, swiglu_limit=5.0,
        attention_bias=False, layer_types=["full_attention", "sliding_attention"],
        rope_parameters={"rope_type": "default", "rope_theta": 20000.0}),
    "solar_open": dict(
        n_routed_experts=16, n_shared_experts=3, num_experts_per_tok=3, moe_intermediate_size=32, head_dim=24, n_group=4,
        topk_group=2, norm_topk_prob=False, routed_scaling_factor=1.5, attention_bias=True),
    "sarvam_moe": dict(
        num_experts=16, num_shared_experts=3, num_experts_per_tok=3, moe_intermediate_size=32, head_dim=24,
        first_k_dense_replace=0, n_group=4, topk_group=2, norm_topk_prob=False, routed_scaling_factor=1.5, use_qk_norm=False,
        use_qkv_bias=True, partial_rotary_factor=0.5),
    "bailing_moe_v2": dict(
        num_experts=16, num_shared_experts=3, num_experts_per_tok=3, moe_intermediate_size=32, head_dim=24,
        first_k_dense_replace=0, n_group=4, topk_group=2, routed_scaling_factor=1.5, use_qk_norm=False, use_qkv_bias=True,
        partial_rotary_factor=0.5),
    "sarvam_mla": {
        **{k: v for k, v in LATENT.items() if k not in ("n_routed_experts", "n_shared_experts")}, "num_experts": 64,
        "num_shared_experts": 3, "rope_interleave": False, "head_dim": 24, "q_head_dim": 24},
    "mistral4": {**LATENT, "rope_interleave": False, "rope_parameters": dict(
        type="yarn", factor=4.0, original_max_position_embeddings=64, rope_theta=20000.0, llama_4_scaling_beta=0.3,
        mscale=1.0, mscale_all_dim=0.7)},
    "dots1": dict(
        n_routed_experts=16, n_shared_experts=3, num_experts_per_tok=3, moe_intermediate_size=32, head_dim=24,
        first_k_dense_replace=1, n_group=4, topk_group=2, norm_topk_prob=True, routed_scaling_factor=1.5,
        attention_bias=True, sliding_window=8, max_window_layers=1),
    "hy_v3": dict(
        num_experts=16, num_shared_experts=3, num_experts_per_tok=3, moe_intermediate_size=32, head_dim=24,
        mlp_layer_types=["sparse", "dense"], router_scaling_factor=1.5, attention_bias=True, mlp_bias=True),
    "exaone_moe": dict(
        num_experts=16, num_shared_experts=3, num_experts_per_tok=3, moe_intermediate_size=32, head_dim=24, n_group=4,
        topk_group=2, norm_topk_prob=False, routed_scaling_factor=1.5, sliding_window=8, sliding_window_pattern=2,
        first_k_dense_replace=1, mlp_layer_types=["sparse", "dense"]),
    "ernie4_5_moe": dict(
        moe_num_experts=16, moe_num_shared_experts=3, moe_k=3, moe_intermediate_size=32, head_dim=24,
        moe_layer_start_index=1, moe_layer_end_index=1, moe_layer_interval=2, moe_norm_min=1e-3, use_bias=False),
    "llama": dict(head_dim=24, attention_bias=True, mlp_bias=True),
    "qwen2": dict(**WINDOW, layer_types=["sliding_attention", "full_attention"]),
    "qwen3": dict(head_dim=24, attention_bias=True, **WINDOW, layer_types=["sliding_attention", "full_attention"]),
}
HYBRID = dict(
    head_dim=24, attention_bias=True, linear_num_key_heads=2, linear_num_value_heads=6, linear_key_head_dim=10,
    linear_value_head_dim=12, linear_conv_kernel_dim=3, layer_types=["full_attention", "linear_attention"],
    partial_rotary_factor=0.5)
HYBRID_EXPERTS = dict(
    num_experts=16, num_experts_per_tok=3, moe_intermediate_size=32, shared_expert_intermediate_size=48)
FAMILY |= {
    "qwen3_next": dict(**HYBRID, **HYBRID_EXPERTS, norm_topk_prob=False, decoder_sparse_step=2, mlp_only_layers=[]),
    "qwen3_5_moe_text": dict(**HYBRID, **HYBRID_EXPERTS), "qwen3_5_text": HYBRID,
}
# Layers of gated DeltaNet take turns with gated attention, whose queries are projected twice as wide.
HYBRIDS = ("qwen3_next", "qwen3_5_moe_text", "qwen3_5_text")
FAMILY["bailing_moe"] = {**FAMILY["bailing_moe_v2"], "architectures": ["BailingMoeV2ForCausalLM"]}
TYPED_LAYERS = ("gpt_oss", "qwen2", "qwen3", "qwen2_moe", "dots1", "exaone_moe")
# Families whose rotary embedding may turn a part of a head.
PARTIAL = ("glm4_moe", "minimax_m2", "sarvam_moe", "bailing_moe_v2", "bailing_moe", *HYBRIDS)
INDEXED = ("deepseek_v32", "glm_moe_dsa")
FAMILY["deepseek_v4"] = dict(
    num_key_value_heads=1, moe_intermediate_size=32, head_dim=32, q_lora_rank=24, num_experts_per_tok=3,
    n_routed_experts=16, n_shared_experts=1, scoring_func="sqrtsoftplus", norm_topk_prob=True, routed_scaling_factor=2.5,
    compress_rope_theta=90000.0, hc_mult=3, hc_sinkhorn_iters=7, hc_eps=1e-5, swiglu_limit=4.0, sliding_window=16,
    o_groups=2, o_lora_rank=12, index_n_heads=6, index_head_dim=40, index_topk=7, qk_rope_head_dim=16,
    compress_ratios=[4, 128, 0, 4, 0], num_hash_layers=1, num_hidden_layers=4)
MISSING = object()


def short(value):
    """A float in as few digits as tell it from others to nearly fp32's precision."""
    return float(f"{float(value):.8g}")


def experts(config):
    for name in ("n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts"):
        if getattr(config, name, None) is not None:
            return getattr(config, name)


def feed_forward(layer):
    block = layer.mlp
    return "experts" if hasattr(block, "experts") else block.gate_proj.out_features


def effective_compressed(values):
    """The same of DeepSeek-V4, whose modules are others."""
    config = CONFIG_MAPPING["deepseek_v4"].from_dict({**values, "model_type": "deepseek_v4"})
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    rotary = type(model.model.rotary_emb)(config)
    layers = model.model.layers
    attention, connection, block = layers[0].self_attn, layers[0].attn_hc, layers[0].mlp
    indexer = next((i for layer in layers if (i := getattr(layer.self_attn.compressor, "indexer", None))), None)
    width = 2 * rotary.main_inv_freq.numel()
    if width != 2 * rotary.compress_inv_freq.numel() or width % 2:
        raise ValueError("the reference builds this, but cannot run it")
    facts = dict(
        vocabulary=model.model.embed_tokens.num_embeddings, hidden=model.model.embed_tokens.embedding_dim,
        positions=config.max_position_embeddings, epsilon=model.model.norm.variance_epsilon,
        tied=bool(config.tie_word_embeddings), layers=["experts"] * len(layers),
        inverse_frequencies=[short(f) for f in rotary.main_inv_freq],
        rotary_scale=short(rotary.main_attention_scaling), softmax_scale=short(attention.scaling),
        entry_frequencies=[short(f) for f in rotary.compress_inv_freq],
        entry_scale=short(rotary.compress_attention_scaling), heads=attention.num_heads, head=attention.head_dim,
        query_rank=attention.q_a_proj.out_features, window=attention.sliding_window,
        output=[attention.o_a_proj.n_groups, attention.o_a_proj.out_features // attention.o_a_proj.n_groups],
        ratios=[c.compress_rate if (c := layer.self_attn.compressor) else 0 for layer in layers],
        streams=[connection.hc_mult, connection.hc_sinkhorn_iters], streams_epsilon=connection.hc_eps,
        by_token=[layer.mlp.is_hash for layer in layers], experts=config.n_routed_experts,
        chosen=config.num_experts_per_tok, intermediate=block.experts.down_proj.shape[-1],
        shared=block.shared_experts.gate_proj.out_features, shared_bias=False, normalizes=True,
        scale=float(config.routed_scaling_factor), limit=float(block.shared_experts.limit))
    if indexer is not None:
        facts["indexer"] = [indexer.num_heads, indexer.head_dim, indexer.index_topk]
    return facts


def effective(family, values):
    """The facts of the reference's model; raises where the reference refuses."""
    if family == "deepseek_v4":
        return effective_compressed(values)
    name = CLASS.get(family, family)
    own = OWN_DEFAULTS.get(family, {})
    values = {k: own.get(k) if v is None and k in own else v for k, v in {**own, **values}.items()}
    config = CONFIG_MAPPING[name].from_dict({**values, "model_type": name})
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    with torch.device("meta"):
        # Known to the reference as a part of larger models only.
        known = Mistral4ForCausalLM._from_config if name == "mistral4" else AutoModelForCausalLM.from_config
        model = known(config)
    rotary = type(model.model.rotary_emb)(config)
    layers = model.model.layers
    attention = next(layer.self_attn for layer in layers if hasattr(layer, "self_attn"))
    norm = model.model.norm
    facts = dict(
        vocabulary=model.model.embed_tokens.num_embeddings, hidden=model.model.embed_tokens.embedding_dim,
        positions=config.max_position_embeddings,
        epsilon=getattr(norm, "variance_epsilon", None) or getattr(norm, "eps", None),
        tied=bool(config.tie_word_embeddings), layers=[feed_forward(layer) for layer in layers],
        inverse_frequencies=[short(f) for f in rotary.inv_freq], rotary_scale=short(rotary.attention_scaling),
        softmax_scale=short(attention.scaling))
    if hasattr(attention, "kv_b_proj"):
        facts.update(
            heads=attention.num_heads, query_rank=attention.q_lora_rank, latent_rank=attention.kv_lora_rank,
            nope=attention.qk_nope_head_dim, rotary=attention.qk_rope_head_dim, value=attention.v_head_dim,
            interleaved=bool(getattr(config, "rope_interleave", True)), output_bias=attention.o_proj.bias is not None)
        indexer = getattr(attention, "indexer", None)
        if indexer is not None:
            facts.update(
                indexer=[indexer.wq_b.out_features // indexer.head_dim, indexer.k_norm.weight.numel(), indexer.index_topk],
                shared_indexers=[layer.self_attn.indexer is None for layer in layers])
        width = attention.qk_rope_head_dim
        if len(facts["inverse_frequencies"]) * 2 != width:
            raise ValueError("the reference builds this, but cannot run it")
        if family == "mistral4":
            beta, original = (
                config.rope_parameters.get(k) for k in ("llama_4_scaling_beta", "original_max_position_embeddings"))
            if beta is None or original is None:
                raise ValueError("the reference builds this, but cannot run it")
            facts["query_scaling"] = [beta, int(original)]
    else:
        width = attention.head_dim
        facts.update(
            heads=attention.q_proj.out_features // width // (2 if family in HYBRIDS else 1), key_heads=attention.k_proj.out_features // width, head=width,
            query_bias=attention.q_proj.bias is not None, output_bias=attention.o_proj.bias is not None,
            query_norm=attention.q_norm.weight.numel() if hasattr(attention, "q_norm") else 0,
            clip=getattr(config, "clip_qkv", None) if family == "olmoe" else None)
        types = getattr(config, "layer_types", None) if family in TYPED_LAYERS else None
        window = config.sliding_window if family in (*TYPED_LAYERS, "qwen3_moe", "mixtral") else None
        if family == "exaone_moe":
            facts["rotates"] = [window is None or layer.self_attn.is_sliding for layer in layers]
        if family == "ernie4_5_moe":
            facts["interleaved"] = True
        if types is not None and "sliding_attention" in types and not window:
            raise ValueError("the reference builds this, but cannot run it")
        facts["windows"] = [
            (window or 0) if types is None or types[i] == "sliding_attention" else 0 for i in range(len(layers))]
        if facts["heads"] % facts["key_heads"]:
            raise ValueError("the reference builds this, but cannot run it")
        if family not in PARTIAL and len(facts["inverse_frequencies"]) * 2 != width:
            raise ValueError("the reference builds this, but cannot run it")
    if family in HYBRIDS:
        delta = next((layer.linear_attn for layer in layers if hasattr(layer, "linear_attn")), None)
        if delta is not None:
            facts.update(
                recurrent=[hasattr(layer, "linear_attn") for layer in layers],
                delta=[delta.num_k_heads, delta.num_v_heads, delta.head_k_dim, delta.head_v_dim, delta.conv_kernel_size])
            if delta.num_v_heads % delta.num_k_heads:
                raise ValueError("the reference builds this, but cannot run it")
    block = next((layer.mlp for layer in layers if hasattr(layer.mlp, "experts")), None)
    if block is not None:
        shared = getattr(block, "shared_experts", None) or getattr(block, "shared_expert", None)
        intermediate = block.experts.down_proj.shape[-2 if family == "gpt_oss" else -1]
        facts.update(
            experts=experts(config), chosen=config.num_experts_per_tok, intermediate=intermediate,
            shared=shared.gate_proj.out_features if shared is not None else 0,
            normalizes={
                "mixtral": True, "minimax_m2": True, "qwen3_5_moe_text": True, "deepseek_v2": False, "gpt_oss": False, "hy_v3": True,
                "ernie4_5_moe": True, "bailing_moe_v2": True, "bailing_moe": True,
            }.get(family, bool(getattr(config, "norm_topk_prob", False))),
            scale=float(getattr(config, "routed_scaling_factor", getattr(config, "router_scaling_factor", 1.0))))
        if shared is not None:
            facts["shared_bias"] = shared.gate_proj.bias is not None
        if family == "ernie4_5_moe":
            facts["norm_floor"] = block.gate.norm_min
            if facts["norm_floor"] is None:
                raise ValueError("the reference builds this, but cannot run it")
        grouped = family in (
            "deepseek_v3", "kimi_k2", "glm4_moe", "glm4_moe_lite", "solar_open", "sarvam_moe", "sarvam_mla", "mistral4",
            "bailing_moe_v2", "bailing_moe", "dots1", "exaone_moe", *INDEXED) or getattr(config, "topk_method", None) == "group_limited_greedy"
        if grouped:
            if config.n_group is None or config.topk_group is None:
                raise ValueError("no groups")
            facts["groups"] = [config.n_group, config.topk_group]
            if config.topk_group > config.n_group:
                raise ValueError("the reference builds this, but cannot run it")
        if family == "gpt_oss":
            facts.update(alpha=config.swiglu_alpha, limit=config.swiglu_limit)
        if facts["chosen"] is None:
            raise ValueError("no count of chosen experts")
    return facts


def rotary_changes(family):
    """Spellings of rotary settings: (name, keys to set or drop, whether it must be refused)."""
    yarn = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)
    llama3 = dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
    linear = dict(rope_type="linear", factor=4.0)
    plain = dict(rope_type="default", rope_theta=30000.0)
    if family == "mistral4":
        # It cannot run without these.
        for kind in (yarn, llama3, linear, plain):
            kind.update(llama_4_scaling_beta=0.2, partial_rotary_factor=1 / 3)
    no_theta = dict(rope_theta=MISSING, rope_parameters=MISSING)
    nested = {"full_attention": dict(plain)}
    both = {"full_attention": dict(plain), "sliding_attention": dict(plain)}
    cases = [
        ("rope_theta beside rope_parameters without it", dict(rope_parameters={"rope_type": "default"})),
        ("rope_theta in rope_parameters only", dict(rope_theta=MISSING, rope_parameters=plain)),
        ("rope_theta in both", dict(rope_parameters=plain)),
        ("rope_theta nowhere, rope_parameters empty", dict(rope_theta=MISSING, rope_parameters={})),
        ("rope_scaling null", dict(rope_scaling=None)), ("rope_scaling empty", dict(rope_scaling={})),
        ("rope_parameters null", dict(rope_parameters=None)),
        ("rope_scaling beside rope_parameters", dict(rope_parameters=plain, rope_scaling=yarn)),
        ("rope_scaling beside rope_parameters, no theta else", dict(rope_theta=MISSING, rope_parameters=plain, rope_scaling=yarn)),
        ("rope_scaling default beside rope_parameters yarn", dict(rope_parameters={**yarn, **{"rope_theta": 30000.0}}, rope_scaling={"rope_type": "default"})),
        ("rope_scaling empty beside rope_parameters yarn", dict(rope_parameters=yarn, rope_scaling={})),
        ("rope_theta in rope_scaling", dict(rope_scaling={**yarn, "rope_theta": 30000.0})),
        ("rope_theta in rope_scaling only", {**no_theta, "rope_scaling": {**yarn, "rope_theta": 30000.0}}),
        ("no rope_theta, yarn", {**no_theta, "rope_scaling": yarn}),
        ("no rope_theta, linear in rope_parameters", dict(rope_theta=MISSING, rope_parameters=linear)),
        ("original beside", dict(rope_scaling=dict(rope_type="yarn", factor=4.0), original_max_position_embeddings=64)),
        ("original beside and inside", dict(rope_scaling=yarn, original_max_position_embeddings=128)),
        ("original nowhere", dict(rope_scaling=dict(rope_type="yarn", factor=4.0), max_position_embeddings=64)),
        ("original as 64.0", dict(rope_scaling={**yarn, "original_max_position_embeddings": 64.0})),
        ("factor null", dict(rope_scaling={**yarn, "factor": None}, max_position_embeddings=256)),
        ("type yarn", dict(rope_scaling={"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64})),
        ("type linear, rope_type yarn", dict(rope_scaling={"type": "linear", **yarn})),
        ("type mrope, rope_type default", dict(rope_scaling={"type": "mrope", "rope_type": "default", "mrope_section": [2, 3, 3]})),
        ("attention_factor 1", dict(rope_scaling={**yarn, "attention_factor": 1.0})),
        ("attention_factor 0.7 in rope_parameters", dict(rope_parameters={**yarn, "attention_factor": 0.7})),
        ("attention_factor null", dict(rope_scaling={**yarn, "attention_factor": None})),
        ("attn_factor", dict(rope_scaling={**yarn, "attn_factor": 0.8782488562869419})),
        ("attention_factor over mscale", dict(rope_scaling={**yarn, "attention_factor": 1.3, "mscale": 0.7, "mscale_all_dim": 1.0})),
        ("truncate false", dict(rope_scaling={**yarn, "truncate": False})),
        ("truncate null", dict(rope_scaling={**yarn, "truncate": None})),
        ("betas", dict(rope_scaling={**yarn, "beta_fast": 4, "beta_slow": 0.5})),
        ("betas zero or null", dict(rope_scaling={**yarn, "beta_fast": 0, "beta_slow": None})),
        ("factor 1", dict(rope_scaling={**yarn, "factor": 1.0})), ("factor an integer", dict(rope_scaling={**yarn, "factor": 4})),
        ("linear", dict(rope_scaling=linear)), ("linear, mscale_all_dim", dict(rope_scaling={**linear, "mscale_all_dim": 1.0})),
        ("llama3", dict(rope_scaling=llama3)), ("llama3 in rope_parameters", dict(rope_parameters=llama3)),
        ("llama3, mscale_all_dim", dict(rope_scaling={**llama3, "mscale_all_dim": 0.5})),
        ("llama3, original beside", dict(rope_scaling=llama3, original_max_position_embeddings=128)),
        ("default, mscale_all_dim", dict(rope_parameters={**plain, "mscale_all_dim": 1.0})),
        ("partial beside", dict(partial_rotary_factor=0.5)),
        ("partial inside", dict(rope_parameters={**plain, "partial_rotary_factor": 0.5})),
        ("partial inside and beside", dict(rope_parameters={**plain, "partial_rotary_factor": 0.5}, partial_rotary_factor=0.25)),
        ("partial 1", dict(rope_scaling=yarn, partial_rotary_factor=1.0)),
        ("partial, yarn", dict(rope_scaling=yarn, partial_rotary_factor=0.5)),
    ]
    for mscale, every in ((1.0, 1.0), (0.707, 0.707), (1.0, None), (None, 1.0), (0.707, 0), (0, 1.0), (2.0, 0.5)):
        keys = {k: v for k, v in (("mscale", mscale), ("mscale_all_dim", every)) if v is not None}
        cases.append((f"mscale {mscale}, all {every}", dict(rope_scaling={**yarn, **keys})))
    cases = [(name, change, False) for name, change in cases]
    # The reference runs the first with its default base where layers have no types, and refuses the others.
    cases.append(("nested by one layer type", dict(rope_theta=MISSING, rope_parameters=nested), family not in TYPED_LAYERS))
    cases.append(("nested, layers differ", dict(rope_theta=MISSING, rope_parameters={
        **both, "sliding_attention": dict(rope_type="default", rope_theta=5.0)}), True))
    return cases


def compressed_changes():
    """What only DeepSeek-V4 has, and its rotary settings in their spellings."""
    sliding, chosen, heavy = "sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"
    yarn = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)
    main = dict(rope_type="default", rope_theta=30000.0, partial_rotary_factor=0.5)
    compress = dict(**yarn, rope_theta=70000.0, partial_rotary_factor=0.5)
    for name, change in (
        ("layer_types", dict(layer_types=[heavy, sliding, chosen, heavy])),
        ("layer_types alone", dict(layer_types=[heavy, sliding, chosen, heavy], compress_ratios=MISSING)),
        ("more layer_types than layers", dict(layer_types=[heavy, sliding, chosen, heavy, sliding, chosen])),
        ("one kind of layers", dict(layer_types=[sliding] * 4)),
        ("compress_rates", dict(compress_rates={chosen: 8, heavy: 64})),
        ("one of the compress_rates by its older name", dict(compress_rate_csa=2)),
        ("the other", dict(compress_rate_hca=32)),
        ("both over compress_rates", dict(compress_rates={chosen: 8, heavy: 64}, compress_rate_csa=16, compress_rate_hca=256)),
        ("mlp_layer_types", dict(mlp_layer_types=["moe", "hash_moe", "moe", "moe"])),
        ("mlp_layer_types without a count", dict(mlp_layer_types=["moe"] * 4, num_hash_layers=MISSING)),
        ("no layers by token", dict(num_hash_layers=0)), ("more layers by token than there are", dict(num_hash_layers=9)),
        ("partial_rotary_factor", dict(partial_rotary_factor=0.25)),
        ("partial_rotary_factor alone", dict(partial_rotary_factor=0.75, qk_rope_head_dim=MISSING)),
        ("rope_scaling", dict(rope_scaling=yarn)), ("rope_scaling empty", dict(rope_scaling={})),
        ("rope_parameters", dict(rope_parameters=yarn)), ("rope_parameters null", dict(rope_parameters=None)),
        ("rope_theta inside", dict(rope_scaling={**yarn, "rope_theta": 30000.0})),
        ("type", dict(rope_scaling={"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64})),
        ("betas", dict(rope_scaling={**yarn, "beta_fast": 4, "beta_slow": 0.5})),
        ("truncate false", dict(rope_scaling={**yarn, "truncate": False})),
        ("attention_factor", dict(rope_scaling={**yarn, "attention_factor": 1.3})),
        ("mscale", dict(rope_scaling={**yarn, "mscale": 0.7, "mscale_all_dim": 0.5})),
        ("linear", dict(rope_scaling=dict(rope_type="linear", factor=4.0))),
        ("original beside", dict(rope_scaling=dict(rope_type="yarn", factor=4.0), original_max_position_embeddings=64)),
        ("nested", dict(rope_parameters=dict(main=main, compress=compress))),
        ("nested, attention_factor", dict(rope_parameters=dict(main=main, compress={**compress, "attention_factor": 1.0}))),
        ("nested, plain", dict(rope_parameters=dict(main=main, compress={**main, "rope_theta": 5000.0}))),
        ("nested, without theta outside", dict(
            rope_parameters=dict(main=main, compress=compress), rope_theta=MISSING, compress_rope_theta=MISSING)),
        ("a limit as an integer", dict(swiglu_limit=7)), ("n_routed_experts by another name", dict(
            n_routed_experts=MISSING, num_local_experts=16))):
        yield name, change, False


def cases(family, base):
    for key in base:
        # Tells two versions of Bailing apart, and nothing to the class.
        if key == "architectures":
            continue
        yield f"{key} missing", {key: MISSING}, False
        yield f"{key} null", {key: None}, False
    if family == "deepseek_v4":
        yield from compressed_changes()
        return
    yield from rotary_changes(family)
    if family == "glm_moe_dsa":
        for name, change in (
            ("indexer_types", dict(indexer_types=["full", "full"])), ("indexer_types null", dict(indexer_types=None)),
            ("indexer_types over a pattern", dict(indexer_types=["full", "shared"], index_topk_pattern="FF")),
            ("a pattern", dict(index_topk_pattern="FF")), ("a pattern as a list", dict(index_topk_pattern=["full", "full"])),
            ("indexer_types with more layers", dict(indexer_types=["full", "full", "full"])),
            ("frequency 0", dict(index_topk_freq=0)), ("offset 2", dict(index_skip_topk_offset=2)),
            ("offset 0, frequency 1", dict(index_topk_freq=1, index_skip_topk_offset=0))):
            yield name, change, False
    if family in INDEXED:
        yield "mlp_layer_types", dict(mlp_layer_types=["sparse", "dense"]), False
        yield "mlp_layer_types without a count", dict(mlp_layer_types=["sparse", "dense"], first_k_dense_replace=MISSING), False
        yield "more dense layers than there are", dict(first_k_dense_replace=9), False
        yield "layer_types", dict(layer_types=["indexed_attention"] * 2), False


def main():
    folder = pathlib.Path(sys.argv[1])
    for family in sys.argv[2:] or FAMILY:
        base = {**BASE, **FAMILY[family]}
        if family == "deepseek_v4":
            # Another name of moe_intermediate_size there.
            del base["intermediate_size"]
        if family == "gpt_oss":
            del base["rope_theta"]
        plain = effective(family, base)
        out = []
        last = None
        for name, change, must_refuse in cases(family, base):
            values = {k: v for k, v in {**base, **change}.items() if v is not MISSING}
            case = dict(
                name=name, set={k: v for k, v in change.items() if v is not MISSING},
                drop=[k for k, v in change.items() if v is MISSING])
            try:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    facts = effective(family, json.loads(json.dumps(values)))
                case["differs"] = {k: facts.get(k) for k in {**plain, **facts} if facts.get(k) != plain.get(k)}
            except Exception as error:
                case["reference"] = type(error).__name__
                # Null where the reference's class wants a value is taken for a key left out.
                # But K-EXAONE's class, which refuses it, goes on to say what it would mean.
                means = family == "exaone_moe" and "sliding_window" in change
                if "Strict" in type(error).__name__ and not means and name.endswith(" null") and change == {name[:-5]: None} and last["name"] == name[:-4] + "missing" and "differs" in last:
                    case["differs"] = last["differs"]
            if must_refuse:
                case.pop("differs", None)
                case["refuse"] = True
            last = case
            out.append(case)
        with open(folder / f"{family}.json", "w") as file:
            lines = ",\n".join("  " + json.dumps(case) for case in out)
            file.write(
                f'{{"base": {json.dumps({"model_type": family, **base})},\n "facts": {json.dumps(plain)},\n "cases": [\n{lines}\n]}}\n')
        print(family, len(out), "cases,", sum("differs" not in c for c in out), "without values:",
              [c["name"] for c in out if "differs" not in c])


main()
