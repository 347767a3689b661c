"""A training by transformers' Trainer, for race.py: trainer.py CONFIG.json TOKENS.npy STEPS OUT."""

import json
import sys
import time

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments

LENGTH, SEQUENCES = 256, 32


class Tokens(torch.utils.data.Dataset):
    def __init__(self, path):
        self.tokens = np.load(path, mmap_mode="r")

    def __len__(self):
        return (len(self.tokens) - 1) // LENGTH

    def __getitem__(self, number):
        ids = torch.from_numpy(np.asarray(self.tokens[number * LENGTH : (number + 1) * LENGTH], dtype=np.int64))
        return dict(input_ids=ids, labels=ids)


class Clock(TrainerCallback):
    def on_step_begin(self, arguments, state, control, **_):
        self.start = time.perf_counter()

    def on_step_end(self, arguments, state, control, **_):
        print(f"step {state.global_step} tok/s {LENGTH * SEQUENCES / (time.perf_counter() - self.start):.0f}", flush=True)


def main():
    shape, data, steps, out = sys.argv[1:]
    settings = json.load(open(shape))
    kind = settings.pop("model_type")
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **settings), dtype=torch.float32)
    arguments = TrainingArguments(
        output_dir=out, max_steps=int(steps), per_device_train_batch_size=SEQUENCES, learning_rate=3e-3, weight_decay=0.1,
        use_cpu=True, report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True)
    Trainer(model=model, args=arguments, train_dataset=Tokens(data), callbacks=[Clock()]).train()


if __name__ == "__main__":
    main()
