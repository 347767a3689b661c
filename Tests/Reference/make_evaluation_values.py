"""Writes Tests/Fixtures/evaluation/values.json: what the statistics of `martinet eval` must give, from their
definitions.

Needs nothing but Python. Intervals are found as roots of the equation that defines them, pass@k by counting with exact
fractions, clustered errors as the double sum of Miller (arXiv 2411.00640, equation 4), McNemar by exact binomial sums.

    python3 Tests/Reference/make_evaluation_values.py
"""

import json
import math
import pathlib
import random
from fractions import Fraction

Z = 1.959963984540054


def wilson(successes, n):
    """The shares p for which |mean - p| = Z sqrt(p (1 - p) / n): where the score test just does not reject."""
    mean = successes / n

    def distance(p):
        return (mean - p) ** 2 - Z * Z * p * (1 - p) / n

    def root(a, b):
        for _ in range(200):
            middle = (a + b) / 2
            if (distance(a) > 0) == (distance(middle) > 0):
                a = middle
            else:
                b = middle
        return (a + b) / 2

    low = 0.0 if successes == 0 else root(0.0, mean)
    high = 1.0 if successes == n else root(mean, 1.0)
    return [low, high]


def clustered(values, clusters):
    n, mean = len(values), sum(values) / len(values)
    total = 0.0
    for i in range(n):
        for j in range(n):
            if clusters[i] == clusters[j]:
                total += (values[i] - mean) * (values[j] - mean)
    return math.sqrt(total) / n


def mcnemar(b, c):
    n = b + c
    tail = sum(Fraction(math.comb(n, k), 2**n) for k in range(min(b, c) + 1))
    return float(min(Fraction(1), 2 * tail))


def pass_at(k, n, c):
    return float(1 - Fraction(math.comb(n - c, k), math.comb(n, k)))


def main():
    draw = random.Random(1)
    values = [float(draw.random() < 0.6) for _ in range(60)]
    clusters = [f"c{draw.randrange(17)}" for _ in range(60)]
    others = [float(draw.random() < 0.5) for _ in range(60)]
    differences = [b - a for a, b in zip(values, others)]
    mean = sum(values) / len(values)
    out = {
        "wilson": [
            {"successes": s, "n": n, "interval": wilson(s, n)}
            for s, n in [(25, 30), (9, 30), (16, 30), (5, 30), (0, 20), (20, 20), (1, 1), (523, 1000)]
        ],
        "clustered": {
            "values": values,
            "clusters": clusters,
            "others": others,
            "clustered_error": clustered(values, clusters),
            "plain_error": math.sqrt(sum((v - mean) ** 2 for v in values) / 59 / 60),
            "difference": sum(differences) / 60,
            "difference_error": clustered(differences, clusters),
            "only_first": sum(d < 0 for d in differences),
            "only_second": sum(d > 0 for d in differences),
        },
        "mcnemar": [
            {"first": b, "second": c, "p": mcnemar(b, c)}
            for b, c in [(0, 0), (0, 5), (3, 3), (10, 25), (1, 8), (700, 900)]
        ],
        "pass_at": [
            {"k": k, "n": n, "right": c, "value": pass_at(k, n, c)}
            for k, n, c in [(1, 10, 3), (5, 10, 3), (10, 10, 1), (3, 10, 0), (64, 200, 7), (8, 16, 12)]
        ],
    }
    path = pathlib.Path(__file__).parent.parent / "Fixtures/evaluation/values.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
