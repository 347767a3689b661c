"""Tiny checkpoints of every packing that other programs publish, with what their weights are.

    python3 -m venv venv && venv/bin/pip install numpy
    venv/bin/python Tests/Reference/make_packed_checkpoints.py Tests/Fixtures/packed

writes a folder a packing: a Qwen3-MoE or DeepSeek-V3 of one layer or two with random integers, scales and zeros, packed
here by the layouts' own words, and `expected.json`: of each packed tensor its unquantised name and the SHA-256 of its
fp32 values. `PackedCheckpointTests` compares. Values are computed in fp32 in the order of the publishers' own code:
(integer - zero) * scale; FP4 * (scale * factor), or * (scale / divisor).
"""

import hashlib
import json
import pathlib
import struct
import sys

import numpy as np

FP4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
TYPES = {"<f4": "F32", "<f2": "F16", "<i4": "I32", "<i8": "I64", "|u1": "U8", "|i1": "I8"}


class Typed:
    """Bytes of a type that numpy does not have."""

    def __init__(self, name, array):
        self.name, self.array, self.shape = name, array, array.shape


def bf16(values):
    """fp32 rounded to bf16, as bits and as fp32."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    half = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return Typed("BF16", half), (half.astype(np.uint32) << 16).view(np.float32)


def e4m3(bits):
    exponent, fraction = (bits >> 3) & 15, (bits & 7).astype(np.float32)
    value = np.where(exponent == 0, fraction / 8 * np.float32(2.0**-6), (1 + fraction / 8) * np.exp2(exponent.astype(np.float32) - 7))
    return np.where(bits & 128, -value, value).astype(np.float32)


def save(path, tensors):
    header, offset, blobs = {}, 0, []
    for name in sorted(tensors):
        tensor = tensors[name]
        typed = isinstance(tensor, Typed)
        blob = np.ascontiguousarray(tensor.array if typed else tensor).tobytes()
        header[name] = {
            "dtype": tensor.name if typed else TYPES[tensor.dtype.str], "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def words(values, bits, axis):
    """Unsigned integers along `axis` to words of 32 bits, the first lowest; a last word is filled up with zeros."""
    values = np.moveaxis(values.astype(np.uint32), axis, -1)
    per = 32 // bits
    short = -values.shape[-1] % per
    values = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, short)])
    values = values.reshape(*values.shape[:-1], -1, per) << (bits * np.arange(per, dtype=np.uint32))
    return np.ascontiguousarray(np.moveaxis(np.bitwise_or.reduce(values, -1), -1, axis)).view(np.int32)


def by_group(values, columns):
    return np.repeat(values, columns // values.shape[1], 1)


class Compressed:
    """compressed-tensors' pack-quantized integers."""

    def __init__(self, bits, group, symmetric=True, halves=False):
        self.bits, self.group, self.symmetric, self.halves = bits, group, symmetric, halves
        self.config = {
            "quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head", "re:.*self_attn.*"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": {
                "num_bits": bits, "type": "int", "symmetric": symmetric, "strategy": "group", "group_size": group,
                "actorder": None, "dynamic": False}}}}

    def __call__(self, random, base, rows, columns):
        group = columns if self.group is None else self.group
        levels = random.integers(0, 1 << self.bits, (rows, columns))
        scales = random.uniform(0.001, 0.02, (rows, columns // group)).astype(np.float32)
        scales, values = (scales.astype(np.float16),) * 2 if self.halves else bf16(scales)
        zeros = np.full((rows, columns // group), 1 << (self.bits - 1))
        tensors = {
            base + ".weight_packed": words(levels, self.bits, 1), base + ".weight_scale": scales,
            base + ".weight_shape": np.array([rows, columns], np.int64 if self.halves else np.int32)}
        if not self.symmetric:
            zeros = random.integers(0, 1 << self.bits, zeros.shape)
            tensors[base + ".weight_zero_point"] = words(zeros, self.bits, 0)
        expected = (levels - by_group(zeros, columns)).astype(np.float32) * by_group(values.astype(np.float32), columns)
        return tensors, expected


class GPTQ:
    def __init__(self, bits, version):
        self.bits, self.version, self.group = bits, version, 32
        self.config = {
            "quant_method": "gptq", "bits": bits, "group_size": 32, "desc_act": False, "sym": False,
            "checkpoint_format": "gptq" if version == 1 else "gptq_v2"}

    def __call__(self, random, base, rows, columns):
        groups = columns // self.group
        levels = random.integers(0, 1 << self.bits, (rows, columns))
        stored = random.integers(0, (1 << self.bits) - 1, (rows, groups))
        zeros = stored + (1 if self.version == 1 else 0)
        scales = random.uniform(0.001, 0.02, (rows, groups)).astype(np.float16)
        tensors = {
            base + ".qweight": words(levels.T, self.bits, 0), base + ".qzeros": words(stored.T, self.bits, 1),
            base + ".scales": np.ascontiguousarray(scales.T), base + ".g_idx": np.arange(columns, dtype=np.int32) // self.group}
        expected = (levels - by_group(zeros, columns)).astype(np.float32) * by_group(scales.astype(np.float32), columns)
        return tensors, expected


class AWQ:
    ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
    config = {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": True}

    def pack(self, values):
        """`[n, rows]`: eight rows to a word."""
        return words(values.reshape(values.shape[0], -1, 8)[:, :, self.ORDER].reshape(values.shape), 4, 1)

    def __call__(self, random, base, rows, columns):
        levels, zeros = random.integers(0, 16, (rows, columns)), random.integers(0, 16, (rows, columns // 32))
        scales = random.uniform(0.001, 0.02, zeros.shape).astype(np.float16)
        tensors = {
            base + ".qweight": self.pack(levels.T), base + ".qzeros": self.pack(zeros.T),
            base + ".scales": np.ascontiguousarray(scales.T)}
        expected = (levels - by_group(zeros, columns)).astype(np.float32) * by_group(scales.astype(np.float32), columns)
        return tensors, expected


def nibbles(random, rows, columns):
    codes = random.integers(0, 16, (rows, columns)).astype(np.uint8)
    return codes[:, ::2] | codes[:, 1::2] << 4, FP4[codes]


class NVFP4:
    def __init__(self, is_model_opt):
        self.is_model_opt = is_model_opt
        self.config = {"quant_method": "modelopt", "quant_algo": "NVFP4", "exclude_modules": ["lm_head"]} if is_model_opt else {
            "quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized", "config_groups": {"group_0": {
                "weights": {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}}}}

    def __call__(self, random, base, rows, columns):
        packed, values = nibbles(random, rows, columns)
        bits = random.integers(8, 0x7F, (rows, columns // 16)).astype(np.uint8)
        common = np.array([0.00037] if self.is_model_opt else [2711.5], np.float32)
        scales = e4m3(bits) * common if self.is_model_opt else e4m3(bits) / common
        tensors = {base + ".weight_scale": Typed("F8_E4M3", bits)}
        if self.is_model_opt:
            tensors |= {base + ".weight": packed, base + ".weight_scale_2": common[0], base + ".input_scale": np.float32(1)}
        else:
            tensors |= {base + ".weight_packed": packed, base + ".weight_global_scale": common}
        return {k: np.asarray(v) if not isinstance(v, Typed) else v for k, v in tensors.items()}, values * by_group(scales, columns)


class MXFP4:
    def __init__(self, is_deepseek):
        self.is_deepseek = is_deepseek
        self.config = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]} if is_deepseek else {
            "quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized", "config_groups": {"group_0": {
                "weights": {"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32}}}}

    def __call__(self, random, base, rows, columns):
        packed, values = nibbles(random, rows, columns)
        bits = random.integers(115, 123, (rows, columns // 32)).astype(np.uint8)
        scales = np.exp2(bits.astype(np.float32) - 127)
        tensors = {base + ".weight": packed.view(np.int8), base + ".scale": Typed("F8_E8M0", bits)} if self.is_deepseek else {
            base + ".weight_packed": packed, base + ".weight_scale": bits}
        return tensors, values * by_group(scales, columns)


class MXFP8:
    config = {"quant_method": "compressed-tensors", "format": "mxfp8-quantized", "config_groups": {"group_0": {
        "weights": {"num_bits": 8, "type": "float", "strategy": "group", "group_size": 32}}}}

    def __call__(self, random, base, rows, columns):
        bits = random.integers(0, 0x7F, (rows, columns)).astype(np.uint8) | random.integers(0, 2, (rows, columns)).astype(np.uint8) << 7
        exponents = random.integers(113, 119, (rows, columns // 32)).astype(np.uint8)
        tensors = {base + ".weight": Typed("F8_E4M3", bits), base + ".weight_scale": exponents}
        return tensors, e4m3(bits) * by_group(np.exp2(exponents.astype(np.float32) - 127), columns)


QWEN = dict(
    model_type="qwen3_moe", architectures=["Qwen3MoeForCausalLM"], hidden_size=64, vocab_size=48, num_hidden_layers=1,
    num_attention_heads=4, num_key_value_heads=2, head_dim=16, intermediate_size=96, moe_intermediate_size=32, num_experts=4,
    num_experts_per_tok=2, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[], max_position_embeddings=64,
    rms_norm_eps=1e-6, rope_theta=10000.0, tie_word_embeddings=False, hidden_act="silu", attention_bias=False)
# Every projection is packed, the latent's up-projection too.
DEEPSEEK = dict(
    model_type="deepseek_v3", architectures=["DeepseekV3ForCausalLM"], hidden_size=64, vocab_size=48, num_hidden_layers=2,
    num_attention_heads=2, num_key_value_heads=2, q_lora_rank=32, kv_lora_rank=32, qk_nope_head_dim=24, qk_rope_head_dim=8,
    v_head_dim=16, intermediate_size=64, moe_intermediate_size=32, n_routed_experts=4, n_shared_experts=1,
    num_experts_per_tok=2, n_group=1, topk_group=1, norm_topk_prob=True, routed_scaling_factor=1.5, first_k_dense_replace=1,
    max_position_embeddings=64, rms_norm_eps=1e-6, rope_theta=10000.0, tie_word_embeddings=False, hidden_act="silu",
    attention_bias=False)


def shapes(c):
    """Projections that may be packed, matrices that never are, and norms."""
    projections, others, norms = {}, {"model.embed_tokens": (c["vocab_size"], c["hidden_size"]), "lm_head": (c["vocab_size"], c["hidden_size"])}, {"model.norm": c["hidden_size"]}
    hidden = c["hidden_size"]
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        norms |= {p + "input_layernorm": hidden, p + "post_attention_layernorm": hidden}
        a, heads = p + "self_attn.", c["num_attention_heads"]
        if "kv_lora_rank" in c:
            q, kv, nope, rope, v = c["q_lora_rank"], c["kv_lora_rank"], c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
            norms |= {a + "q_a_layernorm": q, a + "kv_a_layernorm": kv}
            projections |= {
                a + "q_a_proj": (q, hidden), a + "q_b_proj": (heads * (nope + rope), q), a + "kv_a_proj_with_mqa": (kv + rope, hidden),
                a + "kv_b_proj": (heads * (nope + v), kv), a + "o_proj": (hidden, heads * v)}
        else:
            width, keys = c["head_dim"], c["num_key_value_heads"]
            norms |= {a + "q_norm": width, a + "k_norm": width}
            projections |= {
                a + "q_proj": (heads * width, hidden), a + "k_proj": (keys * width, hidden), a + "v_proj": (keys * width, hidden),
                a + "o_proj": (hidden, heads * width)}
        def block(name, width):
            projections.update({name + "gate_proj": (width, hidden), name + "up_proj": (width, hidden), name + "down_proj": (hidden, width)})
        if layer < c.get("first_k_dense_replace", 0):
            block(p + "mlp.", c["intermediate_size"])
            continue
        experts = c.get("n_routed_experts") or c["num_experts"]
        others[p + "mlp.gate"] = (experts, hidden)
        if "n_routed_experts" in c:
            block(p + "mlp.shared_experts.", c["moe_intermediate_size"])
        for expert in range(experts):
            block(p + f"mlp.experts.{expert}.", c["moe_intermediate_size"])
    return projections, others, norms


def make(folder, name, config, packing, only=""):
    random = np.random.default_rng(sum(name.encode()))
    path = folder / name
    path.mkdir(parents=True, exist_ok=True)
    tensors, expected = {}, {}
    projections, others, norms = shapes(config)
    for base, (rows, columns) in sorted(projections.items()):
        if only not in base:
            tensors[base + ".weight"] = bf16(random.normal(0, 0.08, (rows, columns)))[0]
            continue
        packed, values = packing(random, base, rows, columns)
        tensors |= packed
        expected[base + ".weight"] = hashlib.sha256(np.ascontiguousarray(values, "<f4").tobytes()).hexdigest()
    for base, shape in others.items():
        tensors[base + ".weight"] = bf16(random.normal(0, 0.3, shape))[0]
    for base, count in norms.items():
        tensors[base + ".weight"] = bf16(random.uniform(0.7, 1.3, count))[0]
    if "kv_lora_rank" in config:
        for layer in range(config["first_k_dense_replace"], config["num_hidden_layers"]):
            tensors[f"model.layers.{layer}.mlp.gate.e_score_correction_bias"] = random.normal(0, 0.1, config["n_routed_experts"]).astype(np.float32)
    save(path / "model.safetensors", tensors)
    (path / "config.json").write_text(json.dumps({**config, "quantization_config": packing.config}, indent=1) + "\n")
    (path / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def main(folder):
    experts = ".mlp.experts."
    make(folder, "int4_group32", DEEPSEEK, Compressed(4, 32), only=experts)
    make(folder, "int4_channel_halves", QWEN, Compressed(4, None, halves=True))
    make(folder, "int4_zeros", QWEN, Compressed(4, 16, symmetric=False))
    make(folder, "int4_zeros_group32", QWEN, Compressed(4, 32, symmetric=False), only=experts)
    make(folder, "int8_group32", QWEN, Compressed(8, 32))
    make(folder, "gptq", DEEPSEEK, GPTQ(4, 1))
    make(folder, "gptq_v2_int8", QWEN, GPTQ(8, 2))
    make(folder, "awq", DEEPSEEK, AWQ())
    make(folder, "nvfp4_modelopt", QWEN, NVFP4(True))
    make(folder, "nvfp4_compressed", QWEN, NVFP4(False))
    make(folder, "mxfp4_compressed", QWEN, MXFP4(False), only=experts)
    make(folder, "fp4_deepseek", DEEPSEEK, MXFP4(True), only=experts)
    make(folder, "mxfp8_compressed", QWEN, MXFP8())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
