"""A training by PyTorch and transformers that takes the steps of `martinet train pretrain`: what `compare_training.py`
compares with.

Everything is written anew from the definitions in `Sources`: the order of data (`Numbers`, `Data`), the schedules
(`Schedules`), the optimisers (`Optimizers`) and the balance of experts. The model is transformers' own class.
"""

import json
import math
import os
import pathlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

from make_gradients import separate
from make_training_values import COEFFICIENTS, key, philox, words

logging.disable_progress_bar()


def shuffle(count, purpose, seed, number, place):
    """Which of `count` sequences stands at `place` of the order `number`: a Feistel network over the next power of four."""
    stream = key(seed, purpose)
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    value, mask = place, (1 << half) - 1
    while True:
        left, right = value >> half, value & mask
        for turn in range(8):
            bits = philox((*words(turn << 32 | right), *words(number)), stream)
            left, right = right, left ^ bits[0] & mask
        value = left << half | right
        if value < count:
            return value


class Data:
    """Tokens of one file, packed: sequence s is the tokens from s T to s T + T, of which all but the first are predicted."""

    def __init__(self, path, length, seed):
        self.tokens, self.length, self.seed = np.load(path, mmap_mode="r"), length, seed
        self.count = (len(self.tokens) - 1) // length

    def sequence(self, number):
        first = number * self.length
        return torch.from_numpy(np.asarray(self.tokens[first : first + self.length + 1], dtype=np.int64))

    def step(self, position, count):
        places = range(position, position + count)
        numbers = [
            shuffle(self.count, "order of sequences, group 0", self.seed, p // self.count, p % self.count) for p in places
        ]
        return torch.stack([self.sequence(n) for n in numbers])


def half_up(x):
    return math.floor(x + 0.5)


def learning_rate(step, steps, peak, warmup, decay_share=0.5, final=0.1):
    """Warm-up, stable, decay."""
    falling = min(steps - warmup, half_up(steps * decay_share))
    if step <= warmup:
        return peak * step / warmup
    if step <= steps - falling:
        return peak
    t = (step - (steps - falling)) / falling
    return peak * final + peak * (1 - final) * (0.5 + 0.5 * math.cos(math.pi * t))


def balance_speed(step, steps, speed, rest):
    return speed if step <= steps - half_up(steps * rest) else 0.0


def orthogonal(matrix):
    """Newton and Schulz, in the matrix's own precision (Algorithm 1 of arXiv 2606.19348)."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    norm = x.double().norm()
    if norm == 0:
        return matrix
    x = x * (1 / norm).to(x.dtype)
    for a, b, c in COEFFICIENTS:
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if tall else x


def own_name(name):
    """A parameter of transformers under the name that Mixtral published for it; others' names are the published ones."""
    if ".mlp.experts." in name:
        head, _, tail = name.partition(".mlp.experts.")
        expert, projection, _ = tail.split(".")
        number = {"gate_proj": "w1", "up_proj": "w3", "down_proj": "w2"}[projection]
        return f"{head}.block_sparse_moe.experts.{expert}.{number}.weight"
    return name.replace(".mlp.", ".block_sparse_moe.")


# What is kept, and computed with, in fp32: by which states of gated DeltaNet fade.
FULL = (".A_log", ".dt_bias")


class Twin:
    """fp32 masters; the forward pass sees them rounded to bf16, and gradients go straight through the rounding."""

    def __init__(self, folder, state, settings):
        self.settings = settings
        self.config = AutoConfig.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager")
        self.model.eval()
        # PyTorch gives the row of a configuration's padding token no gradient. In packed text it is a token as others are.
        self.model.get_input_embeddings().padding_idx = None
        self.masters = saved(state, "master")
        # Of a model of text and images the text model is trained, under the names of the whole.
        whole = "model.language_model."
        is_part = any(name.startswith(whole) for name in self.masters)
        self.parameters = []
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.grad = torch.zeros_like(parameter)
                views = separate(name, parameter.data, self.config)
                gradients = separate(name, parameter.grad, self.config)
                for (own, view), (_, gradient) in zip(views, gradients):
                    own = own_name(own) if self.config.model_type in ("mixtral", "minimax_m2") else own
                    own = whole + own.removeprefix("model.") if is_part and own.startswith("model.") else own
                    self.parameters.append((own, view, gradient))
        self.state = {}
        self.routers, self.routed = {}, []
        for name, module in self.model.named_modules():
            if name.endswith((".gate", ".router")) and hasattr(module, "weight") and hasattr(module, "top_k"):
                self.routers[name] = module
                module.register_forward_hook(lambda _, __, output: self.routed.append(output))
        names = {name for name, _, _ in self.parameters}
        biases = {f"{name}" for name, _ in self.model.named_buffers() if name.endswith("e_score_correction_bias")}
        if names | {own_name(b) if self.config.model_type == "minimax_m2" else b for b in biases} != set(self.masters):
            raise SystemExit(f"other parameters: {sorted(names ^ set(self.masters))[:8]}")
        self.refresh()

    @torch.no_grad()
    def go_on_from(self, state):
        """Takes the place of a training that was saved: weights, what the optimiser keeps, and the selection bias."""
        self.masters = saved(state, "master")
        moments = [saved(state, part) for part in ("first_moment", "second_moment")]
        self.state = {name: (first, moments[1][name]) for name, first in moments[0].items()} | saved(state, "momentum")
        for name, router in self.routers.items():
            if hasattr(router, "e_score_correction_bias"):
                router.e_score_correction_bias.copy_(self.masters[self.bias(name)])
        self.refresh()

    def bias(self, router):
        """The name of a router's selection bias."""
        place = own_name(router.removesuffix(".gate")) if self.config.model_type == "minimax_m2" else router
        return f"{place}.e_score_correction_bias"

    @torch.no_grad()
    def refresh(self):
        for name, view, _ in self.parameters:
            master = self.masters[name]
            # A convolution's numbers are a vector there.
            view.copy_((master if name.endswith(FULL) else master.bfloat16().float()).view(view.shape))

    @torch.enable_grad()
    def backward(self, sequences):
        """The loss and all gradients of a step; returns the loss and the loads of each MoE layer."""
        for parameter in self.model.parameters():
            parameter.grad.zero_()
        self.routed.clear()
        count, length = sequences.shape[0], sequences.shape[1] - 1
        logits = self.model(sequences[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]).float(), sequences[:, 1:].reshape(-1))
        total, loads = loss, []
        for scores, _, chosen in self.routed:
            scores, experts = scores.float(), scores.shape[-1]
            sigmoid = self.config.model_type in ("deepseek_v3", "glm4_moe", "glm4_moe_lite", "minimax_m2", "kimi_k2")
            share = scores.sigmoid() if sigmoid else scores.softmax(-1)
            share = (share / share.sum(-1, keepdim=True)).view(count, length, experts)
            chosen = torch.nn.functional.one_hot(chosen.reshape(count, length, -1), experts).sum(2)
            frequency = chosen.sum(1).float() * experts / (chosen[0].sum().float())
            total = total + self.settings["balance_loss"] * (frequency * share.mean(1)).sum(-1).mean()
            loads.append(chosen.sum((0, 1)))
        total.backward()
        return float(loss.detach()), loads

    @torch.no_grad()
    def step(self, number, sequences):
        """One step, counted from 1; returns the loss, the gradient's norm and the load as `martinet` reports them."""
        settings = self.settings
        loss, loads = self.backward(sequences)
        norm = math.sqrt(sum(float(gradient.double().square().sum()) for _, _, gradient in self.parameters))
        factor = settings["clip"] / norm if settings["clip"] and norm > settings["clip"] else 1.0
        rate = learning_rate(number, settings["steps"], settings["learning_rate"], settings["warmup_steps"])
        for name, _, gradient in self.parameters:
            self.update(name, (gradient * factor).reshape(self.masters[name].shape), number, rate)
        speed = balance_speed(number, settings["steps"], settings["balance_speed"], settings["balance_rest"])
        for (name, router), load in zip(self.routers.items(), loads):
            if hasattr(router, "e_score_correction_bias"):
                router.e_score_correction_bias += speed * torch.sign(load.double().mean() - load.double()).float()
                self.masters[self.bias(name)].copy_(router.e_score_correction_bias)
        self.refresh()
        busiest = max((float(load.max() / load.double().mean()) for load in loads), default=0.0)
        return loss, norm, busiest

    # Called in `step` only, where nothing is differentiated.
    def update(self, name, gradient, number, rate):
        settings, master = self.settings, self.masters[name]
        decay = settings["weight_decay"] if master.dim() == 2 else 0.0
        apart = (
            "embed_tokens.weight", "lm_head.weight", ".gate.weight", ".router.weight", "shared_expert_gate.weight",
            "in_proj_ba.weight", "in_proj_b.weight", "in_proj_a.weight")
        if settings["optimizer"] == "muon" and master.dim() == 2 and not name.endswith(apart):
            momentum = self.state.setdefault(name, torch.zeros_like(master))
            momentum.mul_(0.95).add_(gradient)
            update = orthogonal(0.95 * momentum + gradient) * (max(master.shape) ** 0.5 * 0.18)
            master.mul_(1 - rate * decay).sub_(rate * update)
            return
        first, second = self.state.setdefault(name, (torch.zeros_like(master), torch.zeros_like(master)))
        first.mul_(0.9).add_(gradient, alpha=0.1)
        second.mul_(0.95).addcmul_(gradient, gradient, value=0.05)
        root = second.sqrt() / math.sqrt(1 - 0.95**number) + 1e-8
        master.mul_(1 - rate * decay).sub_(rate / (1 - 0.9**number) * (first / root))


def saved(state, part):
    """The numbers of one part of a saved state, by name of parameter."""
    found = {}
    for path in sorted(pathlib.Path(state).glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():
                if name.endswith(f".{part}"):
                    found[name.removesuffix(f".{part}")] = file.get_tensor(name).clone()
    return found


@torch.no_grad()
def held_out(folder, path, length, rows=16):
    """The mean −log p over the predicted tokens of all sequences of a file, by the model in a folder, in fp32."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    data, total, tokens = Data(path, length, 0), 0.0, 0
    for first in range(0, data.count, rows):
        sequences = torch.stack([data.sequence(n) for n in range(first, min(first + rows, data.count))])
        logits = model(sequences[:, :-1], use_cache=False).logits.float()
        losses = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), sequences[:, 1:].reshape(-1), reduction="none")
        total, tokens = total + float(losses.double().sum()), tokens + losses.numel()
    return total / tokens, tokens


def events(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
