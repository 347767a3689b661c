"""What PyTorch's optimisers, and float64 arithmetic, make of small inputs: what `TrainingTests` compares with.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python Tests/Reference/make_training_values.py Tests/Fixtures/training/values.json

AdamW is PyTorch's own, in fp32. Muon is written here from algorithm 1 of arXiv 2606.19348, in float64, since PyTorch's
iterates in bf16 and with other coefficients. Random numbers are Philox's, from its definition, through the C library's
logarithm, sine and cosine. Not part of the test suite, which must run without Python.
"""

import json
import math
import sys

import numpy as np
import torch

MASK = 0xFFFFFFFF


def philox(counter, key):
    a, b, c, d = counter
    first, second = key
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (right >> 32) ^ b ^ first, right & MASK, (left >> 32) ^ d ^ second, left & MASK
        first, second = (first + 0x9E3779B9) & MASK, (second + 0xBB67AE85) & MASK
    return a, b, c, d


def words(number):
    return number & MASK, number >> 32


def key(seed, purpose):
    value = 14695981039346656037
    for byte in purpose.encode():
        value = (value ^ byte) * 1099511628211 % 2**64
    return philox((*words(value), 0, 0), words(seed))[:2]


def normals(seed, purpose, count):
    stream = key(seed, purpose)
    values = []
    for place in range((count + 3) // 4):
        bits = philox((*words(place), 0, 0), stream)
        for distance, direction in (bits[:2], bits[2:]):
            radius = math.sqrt(-2 * math.log((distance + 0.5) / 2**32))
            angle = 2 * math.pi * direction / 2**32
            values += [radius * math.cos(angle), radius * math.sin(angle)]
    return values[:count]


def floats(generator, *shape, scale=1.0):
    return (generator.standard_normal(shape) * scale).astype(np.float32)


def listed(array):
    return [float(x) for x in np.asarray(array, dtype=np.float64).reshape(-1)]


def adamw(generator, steps=6, count=23):
    settings = dict(lr=3e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    start, gradients = floats(generator, count), floats(generator, steps, count, scale=0.3)
    gradients[2] *= 1e-6
    gradients[3, :5] = 0
    parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = torch.optim.AdamW([parameter], foreach=False, fused=False, **settings)
    after = []
    for gradient in gradients:
        parameter.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        after.append(listed(parameter.detach().numpy()))
    state = optimizer.state[parameter]
    return dict(
        learning_rate=settings["lr"], start=listed(start), gradients=[listed(g) for g in gradients], after=after,
        first_moment=listed(state["exp_avg"]), second_moment=listed(state["exp_avg_sq"]))


COEFFICIENTS = [(3.4445, -4.7750, 2.0315)] * 8 + [(2, -1.5, 0.5)] * 2


def muon(generator, rows, columns, steps=3):
    rate, momentum, decay, scale = 0.02, 0.95, 0.1, 0.18
    start, gradients = floats(generator, rows, columns), floats(generator, steps, rows, columns, scale=0.1)
    weights, total = start.astype(np.float64), np.zeros((rows, columns))
    for gradient in gradients.astype(np.float64):
        total = momentum * total + gradient
        x = momentum * total + gradient
        x = x / np.sqrt((x * x).sum())
        for a, b, c in COEFFICIENTS:
            square = x @ x.T
            x = a * x + b * square @ x + c * square @ square @ x
        weights = weights * (1 - rate * decay) - rate * scale * math.sqrt(max(rows, columns)) * x
    return dict(
        rows=rows, columns=columns, learning_rate=rate, start=listed(start), gradients=[listed(g) for g in gradients],
        weights=listed(weights), momentum=listed(total), singular=listed(np.linalg.svd(x, compute_uv=False)))


def clip(generator):
    tensors = [floats(generator, 1500), floats(generator, 37), floats(generator, 4, 9)]
    parameters = [torch.nn.Parameter(torch.zeros(t.shape)) for t in tensors]
    for parameter, tensor in zip(parameters, tensors):
        parameter.grad = torch.from_numpy(tensor.copy())
    norm = float(torch.nn.utils.clip_grad_norm_(parameters, 1.0))
    return dict(tensors=[listed(t) for t in tensors], norm=norm, factor=float(parameters[1].grad[0]) / float(tensors[1][0]))


def main():
    generator = np.random.default_rng(20)
    values = dict(
        torch=torch.__version__.split("+")[0],
        normals=[
            dict(seed=str(seed), purpose=purpose, values=normals(seed, purpose, 40))
            for seed, purpose in ((0, "a"), (2**64 - 1, "weights of model.embed_tokens.weight"))],
        adamw=adamw(generator), muon=[muon(generator, *shape) for shape in ((12, 20), (20, 12), (16, 16), (1, 8))],
        clip=clip(generator))
    with open(sys.argv[1], "w") as file:
        json.dump(values, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
