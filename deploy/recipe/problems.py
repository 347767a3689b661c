"""Problems with answers that can be checked, a way to think about each, and the guesses that text is full of.

A task has `problem(random)`, `guess(random, problem, right_share)`, and `support(random)`: an exchange that trains a
part of the skill and is answered at once.
"""

from dataclasses import dataclass, field


@dataclass
class Problem:
    prompt: str
    #: What is right, for graders.
    answer: str
    #: How one thinks of it, and what is said then.
    thought: str
    said: str
    #: Characters of the thought that follow from the prompt: with them a model is forced to think.
    forced: int = 1
    fields: dict = field(default_factory=dict)


def as_spoken(prompt):
    """A sum as people ask for it, `What is 12+34+7?`; another problem as it is."""
    return f"What is {prompt[:-1]}?" if prompt.replace("+", "").replace("=", "").isdigit() else prompt


class Sums:
    """Three to six numbers of one or two digits: `12+34+7=`, thought of as `12+34=46,46+7=53`."""

    name, grader, reward = "sums", "numeric", "numeric"
    long_share, support_share = 0.1, 0.35
    answer_tokens = 72
    format = r"<think>[^<]*</think>\d{1,4}"

    def problem(self, random):
        r = random.random
        numbers = [1 + int(r() * (99 if r() < 0.8 else 9)) for _ in range(3 + int(r() * 4))]
        return self.made(numbers)

    def made(self, numbers):
        steps, total = [], numbers[0]
        for number in numbers[1:]:
            steps.append(f"{total}+{number}={total + number}")
            total += number
        return Problem(
            "+".join(map(str, numbers)) + "=", str(total), ",".join(steps), str(total), forced=len(str(numbers[0])) + 1)

    def guess(self, random, problem, right_share):
        total = int(problem.answer)
        if random.random() >= right_share:
            off = 1 + int(random.random() * 25)
            total += -off if random.random() < 0.5 and total >= off else off
        return str(total)

    def support(self, random):
        r = random.random
        a, b = 1 + int(r() * (594 if r() < 0.7 else 99)), 1 + int(r() * 99)
        return f"{a}+{b}=", str(a + b)


class SmallSums(Sums):
    """For the smoke test: four numbers from 0 to 4, at most 9 together. All stands at the same places: soon learnt."""

    name = "small-sums"
    long_share, support_share = 0.4, 0.1
    answer_tokens = 32

    def problem(self, random):
        while True:
            numbers = [int(random.random() * 5) for _ in range(4)]
            if sum(numbers) <= 9:
                return self.made(numbers)

    def guess(self, random, problem, right_share):
        return str(int(random.random() * 10))

    def support(self, random):
        b = int(random.random() * 5)
        a = int(random.random() * (10 - b))
        return f"{a}+{b}=", str(a + b)


class Letters:
    """How often a letter is in a word: `e in seventeen=`, thought of as `se1ve2nte3e4n`, the word with a count after each."""

    name, grader, reward = "letters", "numeric", "numeric"
    long_share, support_share = 0.1, 0.35
    answer_tokens = 40
    format = r"<think>[^<]*</think>\d"
    alphabet = "abcdefghijklmnopqrstuvwxyz"

    def word(self, random, count, length):
        letter = random.choice(self.alphabet)
        others = self.alphabet.replace(letter, "")
        letters = [letter] * count + [random.choice(others) for _ in range(length - count)]
        random.shuffle(letters)
        return letter, "".join(letters)

    def problem(self, random):
        count = random.randint(1, 6)
        letter, word = self.word(random, count, random.randint(count + 2, 12))
        thought, seen = "", 0
        for other in word:
            seen += other == letter
            thought += f"{other}{seen}" if other == letter else other
        return Problem(f"{letter} in {word}=", str(count), thought, str(count))

    def guess(self, random, problem, right_share):
        # Whatever the word: a small model could count without a thought, and would have nothing to find out.
        return str(random.randint(1, 6))

    def support(self, random):
        _, word = self.word(random, random.randint(1, 4), random.randint(4, 10))
        return f"spell {word}=", word


class Countdown:
    """Signs between three numbers that make a fourth: `3,17,8:12=`, thought of as `3+17=20,20+8=28,20-8=12`, said as `3+17-8`."""

    name, grader, reward = "countdown", "integer-expression", "expression"
    long_share, support_share = 0.1, 0.35
    answer_tokens = 72
    format = r"<think>[^<]*</think>\d+[+-]\d+[+-]\d+"
    signs = ["++", "+-", "-+", "--"]

    def problem(self, random):
        while True:
            a, b, c = random.sample(range(1, 21), 3)
            target = self.value(a, b, c, random.choice(self.signs))
            if target >= 0:
                break
        steps = []
        for first in "+-":
            between = a + b if first == "+" else a - b
            steps.append(f"{a}{first}{b}={between}")
            for second in "+-":
                end = between + c if second == "+" else between - c
                steps.append(f"{between}{second}{c}={end}")
                if end == target:
                    return Problem(
                        f"{a},{b},{c}:{target}=", str(target), ",".join(steps), f"{a}{first}{b}{second}{c}",
                        forced=len(str(a)) + 1, fields=dict(numbers=[a, b, c]))

    def value(self, a, b, c, signs):
        return a + (b if signs[0] == "+" else -b) + (c if signs[1] == "+" else -c)

    def guess(self, random, problem, right_share):
        a, b, c = problem.fields["numbers"]
        signs = random.choice(self.signs)
        return f"{a}{signs[0]}{b}{signs[1]}{c}"

    def support(self, random):
        a, b = random.randint(-19, 40), random.randint(1, 20)
        return (f"{a}+{b}=", str(a + b)) if random.random() < 0.5 else (f"{a}-{b}=", str(a - b))


TASKS = {"sums": Sums(), "letters": Letters(), "countdown": Countdown(), "smoke": SmallSums()}
