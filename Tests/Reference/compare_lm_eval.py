"""Compares `martinet eval` with lm-evaluation-harness on the same items, the latter asking `martinet serve`.

    pip install "lm-eval[api]" transformers
    python3 Tests/Reference/compare_lm_eval.py .build/release/martinet FOLDER [LIMIT]

FOLDER is a model with a tokenizer. Log-probabilities of choices must differ by less than 1e-5, answers and bits per
byte must be the same. lm-evaluation-harness is told to begin texts as the tokenizer does (`add_bos_token`), but for
whole texts, before which it puts that token itself.
"""

import glob
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

TASK = """task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {items}}}}}
test_split: test
doc_to_text: prompt
"""
KINDS = {
    "capital-choices": "output_type: multiple_choice\ndoc_to_target: gold\ndoc_to_choice: choices\n",
    "chain-sum": "output_type: generate_until\ndoc_to_target: target\n"
    'generation_kwargs: {until: ["\\n"], max_gen_toks: 32, temperature: 0}\n',
    "prose": "output_type: loglikelihood_rolling\ndoc_to_target: target\n",
}


def ask_harness(folder, task, url, model, tokenizer, begins):
    arguments = f"model={model},base_url={url}/v1/completions,tokenizer={tokenizer},add_bos_token={begins}"
    out = folder / f"out-{task}"
    command = [sys.executable, "-m", "lm_eval", "--model", "local-completions", "--model_args", arguments]
    command += ["--include_path", folder, "--tasks", f"m-{task}", "--output_path", out, "--log_samples"]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    subprocess.run(command, check=True, env=os.environ | offline, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    samples = glob.glob(f"{out}/**/samples_*.jsonl", recursive=True)[0]
    results = json.load(open(glob.glob(f"{out}/**/results_*.json", recursive=True)[0]))["results"][f"m-{task}"]
    return sorted(map(json.loads, open(samples)), key=lambda sample: sample["doc_id"]), results


def main():
    program, model = sys.argv[1:3]
    limit = sys.argv[3] if len(sys.argv) > 3 else "40"
    folder = pathlib.Path(tempfile.mkdtemp())
    names = ",".join(KINDS)
    ours = folder / "ours.json"
    command = [program, "eval", "--model", model, "--task", names, "--limit", limit, "--max-new-tokens", "32"]
    subprocess.run(command + ["--out", ours], check=True)
    tasks = {task["task"]: task for task in json.load(open(ours))["tasks"]}
    for name, task in tasks.items():
        items = folder / f"{name}.jsonl"
        with open(items, "w") as file:
            for item in task["items"]:
                line = {"prompt": item["prompt"], "target": item["target"][0]}
                if "choices" in item:
                    line |= {"choices": item["choices"], "gold": item["choices"].index(item["target"][0])}
                file.write(json.dumps(line) + "\n")
        (folder / f"m-{name}.yaml").write_text(TASK.format(name=f"m-{name}", items=items) + KINDS[name])
    server = subprocess.Popen([program, "serve", "--model", model, "--port", "18477"], stderr=subprocess.DEVNULL)
    try:
        url = "http://127.0.0.1:18477"
        for _ in range(600):
            try:
                name = json.load(urllib.request.urlopen(f"{url}/v1/models"))["data"][0]["id"]
                break
            except OSError:
                time.sleep(0.2)
        samples, _ = ask_harness(folder, "capital-choices", url, name, model, True)
        far = 0.0
        for item, sample in zip(tasks["capital-choices"]["items"], samples):
            found = [float(reply[0]) for reply in sample["filtered_resps"]]
            far = max(far, max(abs(a - b) for a, b in zip(item["choice_logprobs"], found)))
        print(f"capital-choices: log-probabilities differ by up to {far}")
        assert far < 1e-5
        samples, _ = ask_harness(folder, "chain-sum", url, name, model, True)
        pairs = zip(tasks["chain-sum"]["items"], samples)
        other = [(a["answer"], b["resps"][0][0]) for a, b in pairs if a["answer"] != b["resps"][0][0]]
        print(f"chain-sum: {len(other)} of {len(samples)} answers differ {other[:2]}")
        assert not other
        _, results = ask_harness(folder, "prose", url, name, model, False)
        print("prose: bits per byte", tasks["prose"]["bits_per_byte"], results["bits_per_byte,none"])
        assert abs(tasks["prose"]["bits_per_byte"] - results["bits_per_byte,none"]) < 1e-6
    finally:
        server.kill()


if __name__ == "__main__":
    main()
