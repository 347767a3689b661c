"""What the recipe's stages are to reach, and in which direction each is to go."""

from words import count, interval, made_up, percent, share, time


def ends(points, part=4):
    """Means of the first and of the last quarter of a curve."""
    size = max(1, len(points) // part)
    return (sum(p[1] for p in points[:size]) / size, sum(p[1] for p in points[-size:]) / size)


def directions(recipe):
    """(what, found, whether it holds) of every stage that ran."""
    found = []

    def curve(stage, name, rises, words):
        points = recipe.points(stage, name)
        if len(points) > 1:
            first, last = ends(points)
            found.append((f"{stage}: {words}", f"{first:.3f} → {last:.3f}", last > first if rises else last < first))

    for stage in recipe.order:
        if stage["kind"] != "train":
            continue
        name = stage["stage"]
        if "largest_log_ratio" in stage:
            curve(name, "reward", True, "reward rises")
            found.append((f"{name}: rollout and training agree", f"largest |log ratio| {stage['largest_log_ratio']}",
                          stage["largest_log_ratio"] == 0))
        elif name in ("base", "base-more", "student", "student-more"):
            # Of answers that a model knows already, the loss tells nothing: those stages are measured below.
            curve(name, "loss", False, "loss falls")
    if "samples" in recipe.stages:
        kept = recipe.stages["samples"].get("lines_written", 0)
        found.append(("samples: right answers are kept", count(kept), kept > 0))

    def higher(what, before, after):
        if before and after and None not in (before["accuracy"], after["accuracy"]):
            found.append((what, f"{percent(before['accuracy'])} → {percent(after['accuracy'])}",
                          after["accuracy"] > before["accuracy"]))

    def sampled(model, other):
        """Of two models, asked in the same way: each problem many times, if both were."""
        for suffix in ("-tries", "-sampled"):
            pair = (recipe.result(model, suffix), recipe.result(other, suffix))
            if all(pair):
                return pair
        return (None, None)

    base, student = recipe.began("base"), recipe.began("student")
    higher("reinforcement: more is right, sampled", *sampled(base, "grpo"))
    higher("fine-tuning: more is right than of the base, sampled", *sampled(base, "sft"))
    higher("distillation: more is right than before, sampled", *sampled(student, "student-taught"))
    higher("distillation: more is right than alone, sampled", *sampled("student-alone", "student-taught"))
    for part, words in (("withheld", "withheld facts"), ("unasked", "facts never asked")):
        before, after = (recipe.audit(f"student-{name}", part) for name in ("taught", "honest"))
        if before and after:
            found.append((f"audit: less is made up of {words}", f"{share(before, 'wrong')} → {share(after, 'wrong')}",
                          after["wrong"] / after["n"] < before["wrong"] / before["n"]))
    return found


def bars(recipe):
    """(what, wanted, found, whether it is reached)."""
    found = []

    def bar(what, wanted, value, words, holds):
        if value is not None:
            found.append((what, wanted, words(value), holds(value)))

    def accuracy(model, suffix=""):
        result = recipe.result(model, suffix)
        return result["accuracy"] if result else None

    def low(model):
        result = recipe.result(model)
        return result["interval"][0] if result and result.get("interval") else None

    def ratio(a, b):
        return a / b if a is not None and b else None

    def tokens(model, suffix):
        result = recipe.result(model, suffix)
        return result["tokens"] / result["n"] if result and result["n"] else None

    def wrong(model, part):
        result = recipe.audit(model, part)
        return result["wrong"] / result["n"] if result and result["n"] else None

    def falsehoods(model, part):
        return lambda value: f'{percent(value)} ({interval({"interval": made_up(recipe.audit(model, part))})})'

    base = recipe.began("base")
    ratios = [s["largest_log_ratio"] for s in recipe.order if "largest_log_ratio" in s]
    bar("largest |log ratio| of rollout and training", "0", max(ratios) if ratios else None, str, lambda v: v == 0)
    if recipe.task == "sums":
        bar("base, forced to think", "≥ 93 %", accuracy(base, "-forced"), percent, lambda v: v >= 0.93)
        bar("base, greedy", "≤ 12 %", accuracy(base), percent, lambda v: v <= 0.12)
        bar("after reinforcement, greedy, lower end", "≥ 92 %", low("grpo"), percent, lambda v: v >= 0.92)
        bar("after reinforcement, sampled", "≥ 88 %", accuracy("grpo", "-sampled"), percent, lambda v: v >= 0.88)
        for suffix, words in (("", "greedy"), ("-sampled", "sampled")):
            bar(f"tokens of an answer, {words}, after over before", "≥ 4",
                ratio(tokens("grpo", suffix), tokens(base, suffix)), "{:.1f}".format, lambda v: v >= 4)
        teacher = accuracy("sft")
        bar("teacher, greedy", "≥ 96 %", teacher, percent, lambda v: v >= 0.96)
        bar("student, taught", "≥ 96 %, and its teacher − 1", accuracy("student-taught"), percent,
            lambda v: v >= 0.96 and (teacher is None or v >= teacher - 0.01))
        bar("student alone", "≤ 12 %", accuracy("student-alone"), percent, lambda v: v <= 0.12)
        if not recipe.is_full():
            bar("all stages", "≤ 40 min", recipe.seconds(), time, lambda v: v <= 2400)
    elif recipe.task in ("letters", "countdown"):
        before, after = recipe.result(base), recipe.result("grpo")
        if before and after and before["interval"] and after["interval"]:
            bar("right, after over before", "≥ 2", ratio(after["accuracy"], before["accuracy"]), "{:.1f}".format,
                lambda v: v >= 2)
            bar("intervals before and after", "apart", (before["interval"][1], after["interval"][0]),
                lambda v: f"{percent(v[0])} below {percent(v[1])}", lambda v: v[0] < v[1])
    for part, words in (("withheld", "withheld facts"), ("unasked", "facts never asked")):
        bar(f"{words} made up, before", "≥ 60 %", wrong("student-taught", part),
            falsehoods("student-taught", part), lambda v: v >= 0.6)
        bar(f"{words} made up, after", "≤ 15 %", wrong("student-honest", part),
            falsehoods("student-honest", part), lambda v: v <= 0.15)
    before, after = (recipe.audit(f"student-{name}", "taught") for name in ("taught", "honest"))
    if before and after and before.get("interval") and after["accuracy"] is not None:
        bar("taught facts right, after", f"≥ {percent(before['interval'][0])}", after["accuracy"], percent,
            lambda v: v >= before["interval"][0])
    return found
