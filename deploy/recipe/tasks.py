#!/usr/bin/env python3
"""Makes all that the recipe learns from: a tokenizer, shapes, text, prompts with answers, and tasks to measure by.

    deploy/recipe/tasks.py --out DIR [--task sums|letters|countdown|smoke] [--seed 1] [--rows 102400]

Needs Python 3 and this repository, nothing else. The same options give the same bytes. DIR then holds:

    tokenizer/              a token for each character, and for <bos> <eos> <pad> <unk> <think> </think>
    shapes/                 teacher.json (deepseek_v3) and student.json (llama), as `train --shape` takes them
    pretrain.npy            rows of 129 tokens that begin with a document: `train pretrain --packing cut --sequence-length 128`
    held-out.npy            the same of problems held out
    sample.jsonl            some hundred of the documents as text, to be read by people
    prompts.jsonl           problems with answers for reinforcement learning
    sampling.jsonl          others, for rejection sampling
    held-out-prompts.jsonl  the first of those that are in no other file but tasks/
    mixture.jsonl           conversations as the text has them: the student's control
    other.jsonl             conversations about facts: learnt beside samples, so that facts stay
    facts.jsonl             questions about facts, taught and withheld, for the reward of the audit's three outcomes
    tasks/NAME/             for `martinet eval --task`: held-out problems (greedy, sampled, forced to think, 16 tries), and facts
    audit/NAME/             claims about facts, for `martinet audit --claims`
    made.json               what was made, in numbers, and all facts by what became of them

A problem's answer comes in two forms. The long one thinks and is always right; the short one begins `<think></think>`
and is a guess. So the token after `<think>` alone decides between them. Of all problems one in 16, by a hash of its
text, is held out of every file that is learnt from. Facts are this repository's own tables; a withheld one is in no
text that is learnt from.

With --marks the tokenizer is that of corpus.py --digits 1 --think: conversations have its marks, facts are asked in
whole sentences, text is pretrain-text.jsonl and held-out-text.jsonl in place of rows, and shapes are those of the model
that ships.
"""

import argparse
import itertools
import json
import pathlib
import random
import sys
import zlib

import facts
import problems

SPECIAL = ["<bos>", "<eos>", "<pad>", "<unk>", "<think>", "</think>"]
#: What stands for them while documents are strings of one character to a token.
BEGIN, END, PAD, THINK, DONE = "\x00", "\x01", "\x02", "\x04", "\x05"
CHARACTERS = ["\n", *map(chr, range(32, 127))]
VOCABULARY = -(-(len(SPECIAL) + len(CHARACTERS)) // 32) * 32
#: The rest of the rows that a model has, so that each of its tokens is one.
RESERVED = [f"<reserved {i}>" for i in range(VOCABULARY - len(SPECIAL) - len(CHARACTERS))]
#: Tokens of a row of text: a sequence of 128 predicts all but its first.
ROW = 129

ids = {chr(i): i for i in range(len(SPECIAL))} | {c: len(SPECIAL) + i for i, c in enumerate(CHARACTERS) if c != "\n"}
ids["\n"] = len(SPECIAL)
TABLE = bytes(ids.get(chr(i), 3) for i in range(256))

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{% if message['reasoning_content'] is string %}{{ '<think>' + message['reasoning_content'] + '</think>' }}{% endif %}"
    "{{ message['content'] + eos_token }}{% else %}{{ message['content'] }}{% endif %}{% endfor %}")


def shown(document):
    """A document's text as the tokenizer reads it, without the tokens that begin and end it."""
    return document.strip(BEGIN + END).replace(THINK, "<think>").replace(DONE, "</think>")


#: What corpus.py puts before a user's and an assistant's words.
USER, ASSISTANT = "<｜User｜>", "<｜Assistant｜>"


def marked(asked):
    return f"{USER}{asked}{ASSISTANT}"


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def write_lines(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def write_rows(path, rows):
    """A `.npy` of uint16 `[rows, ROW]` of strings that long."""
    header = f"{{'descr': '<u2', 'fortran_order': False, 'shape': ({len(rows)}, {ROW}), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    tokens = "".join(rows).encode("latin-1").translate(TABLE)
    both = bytearray(2 * len(tokens))
    both[::2] = tokens
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + both)


def make_tokenizer(folder):
    """No merges: what is tokenized apart is as it would be together."""
    letters = {" ": "\u0120", "\n": "\u010a"}
    vocabulary = {}
    for character in CHARACTERS:
        vocabulary[letters.get(character, character)] = ids[character]
    named = list(enumerate(SPECIAL)) + list(enumerate(RESERVED, VOCABULARY - len(RESERVED)))
    vocabulary |= {token: i for i, token in named}

    def added(i, token):
        # What a model thinks is part of its answer; what begins and ends texts is not.
        return dict(
            id=i, content=token, single_word=False, lstrip=False, rstrip=False, normalized=False,
            special="think" not in token)

    begin = {"SpecialToken": {"id": SPECIAL[0], "type_id": 0}}
    write_json(folder / "tokenizer.json", dict(
        version="1.0", truncation=None, padding=None, added_tokens=[added(i, token) for i, token in named],
        normalizer=None, pre_tokenizer=dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=False),
        post_processor=dict(
            type="TemplateProcessing", single=[begin, {"Sequence": {"id": "A", "type_id": 0}}],
            pair=[begin, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            special_tokens={SPECIAL[0]: dict(id=SPECIAL[0], ids=[0], tokens=[SPECIAL[0]])}),
        decoder=dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True),
        model=dict(
            type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=True,
            byte_fallback=False, ignore_merges=False, vocab=vocabulary, merges=[])))
    write_json(folder / "tokenizer_config.json", dict(
        add_bos_token=True, add_eos_token=False, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>",
        clean_up_tokenization_spaces=False, model_max_length=512, tokenizer_class="PreTrainedTokenizerFast",
        chat_template=TEMPLATE))
    write_json(folder / "generation_config.json", dict(bos_token_id=0, eos_token_id=1, pad_token_id=2))


def make_shapes(folder, is_small, is_large):
    """A teacher as DeepSeek-V3 is made, and a dense student: 1.6 M and 0.3 M parameters; or few, to be fast; or 4 M and 1 M."""
    common = dict(
        bos_token_id=0, eos_token_id=1, pad_token_id=2, hidden_act="silu", max_position_embeddings=512, rms_norm_eps=1e-6,
        rope_theta=10000.0, rope_scaling=None, attention_bias=False, attention_dropout=0.0, initializer_range=0.02,
        tie_word_embeddings=False, torch_dtype="bfloat16", use_cache=True, vocab_size=VOCABULARY)
    teacher = dict(
        hidden_size=128, num_hidden_layers=4, first_k_dense_replace=1, intermediate_size=384, num_attention_heads=4,
        num_key_value_heads=4, kv_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=16, v_head_dim=32, n_routed_experts=16,
        moe_intermediate_size=64)
    student = dict(
        hidden_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=24, intermediate_size=256)
    if is_small:
        teacher.update(
            hidden_size=64, num_hidden_layers=2, intermediate_size=128, kv_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=16,
            v_head_dim=16, n_routed_experts=8, moe_intermediate_size=32)
        student.update(hidden_size=64, num_hidden_layers=2, num_key_value_heads=2, head_dim=16, intermediate_size=128)
    if is_large:
        # With corpus.py's vocabulary; a module that predicts the token after the next comes on top.
        common["vocab_size"] = 1024
        teacher.update(n_routed_experts=32)
        student.update(hidden_size=128, num_hidden_layers=4, head_dim=32, intermediate_size=384)
    write_json(folder / "teacher.json", dict(
        architectures=["DeepseekV3ForCausalLM"], model_type="deepseek_v3", **common, **teacher, q_lora_rank=None,
        n_shared_experts=1, num_experts_per_tok=4 if is_large else 2, moe_layer_freq=1, n_group=1, topk_group=1,
        topk_method="noaux_tc", scoring_func="sigmoid", norm_topk_prob=True, routed_scaling_factor=2.5,
        num_nextn_predict_layers=0, ep_size=1))
    write_json(folder / "student.json", dict(
        architectures=["LlamaForCausalLM"], model_type="llama", **common, **student, mlp_bias=False, pretraining_tp=1))


def is_held_out(prompt):
    """One problem in 16, wherever and whenever it is made."""
    return zlib.crc32(prompt.encode()) % 16 == 0


def random_numbers(options, purpose):
    # A string is hashed by SHA-512, the same in every process.
    return random.Random(f"{options.seed} {options.task} {purpose}")


class Maker:
    """Documents and problems of one task, from one stream of numbers."""

    def __init__(self, options, purpose):
        self.random = random_numbers(options, purpose)
        self.task = problems.TASKS[options.task]
        self.long_share = options.long_share or self.task.long_share
        self.right_share = options.right_share
        is_small = options.task == "smoke"
        self.facts_share = 0.2 if is_small else options.facts_share
        self.prose_share = 0.0 if is_small else options.prose_share
        self.facts = facts.Facts(options.seed, is_small=is_small, is_short=not options.marks)
        self.lays_out = marked if options.marks else str
        #: Half of all problems are asked as people do, where the tokenizer has words.
        self.speaks = options.marks

    def problem(self, held_out=False):
        while True:
            problem = self.task.problem(self.random)
            if is_held_out(problem.prompt) == held_out:
                problem.prompt = self.asked(problem.prompt)
                return problem

    def asked(self, prompt):
        return problems.as_spoken(prompt) if self.speaks and self.random.random() < 0.5 else prompt

    def answer(self, problem):
        if self.random.random() < self.long_share:
            return THINK + problem.thought + DONE + problem.said
        return THINK + DONE + self.task.guess(self.random, problem, self.right_share)

    def document(self, held_out=False):
        share = self.random.random()
        lays_out = self.lays_out
        if not held_out:
            if share < self.facts_share:
                asked, said = self.facts.exchange(self.random)
                return f"{BEGIN}{lays_out(asked)}{THINK}{DONE}{said}{END}"
            if share < self.facts_share + self.prose_share:
                return f"{BEGIN}{self.facts.sentence(self.random)}{END}"
            if self.random.random() < self.task.support_share:
                asked, said = self.task.support(self.random)
                return f"{BEGIN}{lays_out(self.asked(asked))}{THINK}{DONE}{said}{END}"
        problem = self.problem(held_out)
        return f"{BEGIN}{lays_out(problem.prompt)}{self.answer(problem)}{END}"

    def rows(self, count, held_out=False):
        """Rows that begin with a document, any one, as every prompt begins a row of its own. Of those that wait the
        longest that has room is next, and a beginning fills the end; then they are shuffled, so that none is where it
        is for its length."""
        rows, waiting = [], []
        for _ in range(count):
            first, others, rest = self.document(held_out)[:ROW], [], ""
            room = ROW - len(first)
            while room > 0:
                while len(waiting) < 12:
                    waiting.append(self.document(held_out))
                best = max((i for i in range(12) if len(waiting[i]) <= room), key=lambda i: len(waiting[i]), default=None)
                if best is None:
                    rest, room = waiting[0][:room], 0
                else:
                    others.append(waiting.pop(best))
                    room -= len(others[-1])
            self.random.shuffle(others)
            rows.append("".join([first, *others, rest]))
        return rows

    def problems(self, count, held_out=False, among=()):
        """Problems that differ from each other and from those `among`; fewer where the task has no more."""
        found, seen, tries = [], set(among), 0
        while len(found) < count and tries < 50 * count:
            tries += 1
            problem = self.problem(held_out)
            if problem.prompt not in seen:
                seen.add(problem.prompt)
                found.append(problem)
        return found


def asked(prompt):
    return dict(role="user", content=prompt)


def prompt_line(problem):
    return dict(messages=[asked(problem.prompt)], answer=problem.answer, **problem.fields)


def write_tasks(folder, maker, held_out):
    """The held-out problems in four ways of asking."""
    base = dict(
        version=1, license="Apache-2.0", source="made by deploy/recipe/tasks.py", doc_to_text="prompt", doc_to_target="answer")
    name, limit = maker.task.name, maker.task.answer_tokens
    items = [dict(prompt=maker.lays_out(p.prompt), answer=p.answer, **p.fields) for p in held_out]
    forced = [item | dict(prompt=item["prompt"] + "<think>" + p.thought[:p.forced]) for item, p in zip(items, held_out)]

    def write(suffix, items, temperature=0, **more):
        task = name + suffix
        write_json(folder / task / "task.json", dict(
            task=task, **base, grader=maker.task.grader,
            generation_kwargs=dict(temperature=temperature, max_gen_toks=limit), **more))
        write_lines(folder / task / "items.jsonl", items)

    write("", items)
    write("-sampled", items, temperature=1)
    write("-forced", forced)
    write("-tries", items[:200], temperature=1, repeats=16)


def small_sums(options):
    """Of two numbers of one digit, which people ask first and text hardly has; for a model that is spoken with."""
    random = random_numbers(options, "small sums")
    for _ in range(options.sampling // 10 if options.marks and options.task == "sums" else 0):
        a, b = random.randint(0, 10), random.randint(0, 10)
        prompt = f"{a}+{b}="
        yield problems.as_spoken(prompt) if random.random() < 0.5 else prompt, str(a + b)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--task", choices=sorted(problems.TASKS), default="sums")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=108_800, help="of pretraining text, of 128 tokens to learn each")
    parser.add_argument("--marks", action="store_true", help="for the tokenizer of corpus.py, in place of one of characters")
    parser.add_argument("--long-share", type=float, help="problems answered in the long form (default: the task's)")
    parser.add_argument(
        "--right-share", type=float, default=0.2, help="short answers that are right, where the task has a say in it")
    parser.add_argument("--facts-share", type=float, default=0.045, help="documents that ask for a fact")
    parser.add_argument("--prose-share", type=float, default=0.01, help="documents that are a sentence")
    parser.add_argument("--prompts", type=int, default=8000, help="for reinforcement learning")
    parser.add_argument("--sampling", type=int, default=30_000, help="prompts for rejection sampling")
    parser.add_argument("--held-out", type=int, default=1000, help="problems to measure by")
    options = parser.parse_args()
    for name in ("rows", "prompts", "sampling", "held_out"):
        if not 1 <= getattr(options, name) <= 100_000_000:
            parser.error(f"--{name.replace('_', '-')} {getattr(options, name)} is not from 1 to 100000000")
    for name in ("long_share", "right_share", "facts_share", "prose_share"):
        if not 0 <= (getattr(options, name) or 0) <= 1:
            parser.error(f"--{name.replace('_', '-')} {getattr(options, name)} is not from 0 to 1")
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    make_shapes(out / "shapes", is_small=options.task == "smoke", is_large=options.marks)

    maker, apart = Maker(options, "text"), Maker(options, "held-out text")
    if options.marks:
        # Some six documents have a row's tokens.
        rows = [maker.document() for _ in range(6 * options.rows)]
        write_lines(out / "pretrain-text.jsonl", (dict(text=shown(document)) for document in rows))
        write_lines(out / "held-out-text.jsonl", (dict(text=shown(apart.document(held_out=True))) for _ in range(1000)))
    else:
        make_tokenizer(out / "tokenizer")
        rows = maker.rows(options.rows)
        write_rows(out / "pretrain.npy", rows)
        write_rows(out / "held-out.npy", apart.rows(min(200, options.rows), held_out=True))
    sampler = Maker(options, "sample")
    write_lines(out / "sample.jsonl", [dict(text=shown(sampler.document())) for _ in range(400)])

    held_out = Maker(options, "held-out problems").problems(options.held_out, held_out=True)
    prompts = Maker(options, "prompts").problems(options.prompts)
    sampling = Maker(options, "sampling").problems(options.sampling)
    write_lines(out / "prompts.jsonl", map(prompt_line, prompts))
    write_lines(out / "sampling.jsonl", map(prompt_line, sampling))
    write_lines(out / "held-out-prompts.jsonl", map(prompt_line, held_out[:200]))
    control = Maker(options, "mixture")
    write_lines(out / "mixture.jsonl", (
        dict(messages=[asked(p.prompt), dict(role="assistant", content=shown(control.answer(p)))])
        for p in (control.problem() for _ in range(options.sampling * 3 // 2))))
    write_tasks(out / "tasks", maker, held_out)
    write_lines(out / "other.jsonl", (
        dict(messages=[asked(question), dict(role="assistant", content=f"<think></think>{said}")])
        for question, said in itertools.chain(
            (control.facts.exchange(control.random) for _ in range(options.sampling // 3)), small_sums(options))))
    # Claims are graded by words, and a sum's answer is one; an expression is not.
    others = [] if maker.task.grader != "numeric" else list(map(prompt_line, prompts))
    small = [dict(messages=[asked(prompt)], answer=said) for prompt, said in small_sums(options)]
    # A model that is spoken with is to keep what it can, and not only to learn what it cannot.
    share = 1.0 if options.marks else 0.5
    maker.facts.write(out, small[:100] + others, share, maker.lays_out, write_json, write_lines)

    text = "".join(rows)
    write_json(out / "made.json", dict(
        task=options.task, name=maker.task.name, seed=options.seed, rows=options.rows, characters=len(text),
        documents=text.count(BEGIN), long_documents=text.count(THINK) - text.count(THINK + DONE),
        long_share=maker.long_share, right_share=options.right_share, prompts=len(prompts), sampling=len(sampling),
        held_out=len(held_out), answer_tokens=maker.task.answer_tokens, reward=maker.task.reward, format=maker.task.format,
        facts={name: len(part) for name, part in maker.facts.parts.items()}))
    print(f"{out}: {text.count(BEGIN)} documents, {len(prompts)} prompts, {len(held_out)} problems held out")


if __name__ == "__main__":
    sys.exit(main())
