"""GRPO by TRL's GRPOTrainer on CPU, for race_grpo.py: prints a line of JSON of each step.

What race_grpo.py says of the settings is set here; all else is TRL's own default: AdamW, sampling at temperature 1 from
all tokens.
"""

import argparse
import json
import re
import sys
import time

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


class Timed(GRPOTrainer):
    """Tells how long a step draws and judges, and of how many tokens."""

    def _generate_and_score_completions(self, inputs):
        start, self.judged = time.perf_counter(), 0.0
        batch = super()._generate_and_score_completions(inputs)
        self.drawing = time.perf_counter() - start - self.judged
        signal = batch["advantages"].abs() > 1e-6
        self.drawn = int(batch["completion_mask"].sum())
        self.updated = int(batch["prompt_mask"][signal].sum() + batch["completion_mask"][signal].sum())
        return batch

    def _calculate_rewards(self, *arguments):
        start = time.perf_counter()
        rewards = super()._calculate_rewards(*arguments)
        self.judged += time.perf_counter() - start
        self.reward = float(rewards.sum(1).mean())
        return rewards


class Clock(TrainerCallback):
    def __init__(self):
        self.trainer, self.start = None, 0.0

    def on_step_begin(self, arguments, state, control, **_):
        self.start = time.perf_counter()

    def on_step_end(self, arguments, state, control, **_):
        seconds, one = time.perf_counter() - self.start, self.trainer
        print(json.dumps(dict(
            seconds=seconds, rollout=one.drawing, update=seconds - one.drawing - one.judged, drawn=one.drawn,
            updated=one.updated, reward=one.reward)), flush=True)


def rewards(tokenizer, pattern):
    """What martinet is told, too: 1 for the right number, 0.1 for the format."""
    def judge(completion_ids, answer, **_):
        texts = tokenizer.batch_decode(completion_ids, skip_special_tokens=False)
        found = []
        for text, right in zip(texts, answer):
            text = text.removesuffix(tokenizer.eos_token)
            numbers = re.findall(r"-?\d+(?:\.\d+)?", text.rpartition("</think>")[2])
            found.append(float(bool(numbers) and numbers[-1] == right) + 0.1 * bool(re.fullmatch(pattern, text)))
        return found
    return judge


def main():
    parser = argparse.ArgumentParser()
    for name in ("model", "prompts", "out", "pattern", "experts"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("prompts-per-step", "group-size", "max-new-tokens", "steps", "threads", "rows"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32, experts_implementation=options.experts)
    lines = [json.loads(line) for line in open(options.prompts)]
    data = Dataset.from_list([dict(prompt=one.get("messages", one.get("prompt")), answer=str(one["answer"])) for one in lines])
    batch = options.prompts_per_step * options.group_size
    rows = min(options.rows, batch)
    if batch % rows:
        sys.exit(f"{rows} rows at a time do not divide {batch} completions")
    settings = GRPOConfig(
        output_dir=options.out, max_steps=options.steps, use_cpu=True, bf16=False, gradient_checkpointing=False,
        per_device_train_batch_size=rows, gradient_accumulation_steps=batch // rows, num_iterations=1,
        num_generations=options.group_size, max_completion_length=options.max_new_tokens, beta=0.0, loss_type="dapo",
        scale_rewards="none", epsilon_high=0.28, learning_rate=options.learning_rate, lr_scheduler_type="constant",
        adam_beta2=0.95, weight_decay=0.0, torch_compile=options.compile, report_to="none", save_strategy="no",
        logging_strategy="no", disable_tqdm=True)
    clock = Clock()
    clock.trainer = Timed(
        model=model, reward_funcs=rewards(tokenizer, options.pattern), args=settings, train_dataset=data,
        processing_class=tokenizer, callbacks=[clock])
    clock.trainer.train()


if __name__ == "__main__":
    main()
