// One entry a rank: tokens, cache, and where the time of its steps went.

const timeParts = ["attention", "experts", "communication", "waiting", "other"];

for (const [name, text] of [...timeParts.map((name) => [name, name]), ["use", "cache in use"], [
       "cached", "kept prefixes"
     ]]) {
  const mark = make("i");
  mark.style.background = `var(--${name})`;
  byId("keys").append(make("span", "", mark, text));
}

/// A bar of several colours with words beside it.
class Measure {
  constructor(name, parts) {
    this.pieces = parts.map((part) => {
      const piece = make("i");
      piece.style.background = `var(--${part})`;
      return piece;
    });
    this.bar = make("div", "bar", ...this.pieces);
    this.bar.setAttribute("role", "img");
    this.words = make("span");
    this.element = make("div", "measure", make("span", "", name), this.bar, this.words);
  }

  /// `shares` of the bar's whole length.
  show(shares, words, meaning) {
    shares.forEach((share, index) => {
      this.pieces[index].style.width = `${100 * Math.min(Math.max(share, 0), 1)}%`;
    });
    this.words.textContent = words;
    this.bar.title = meaning;
    this.bar.setAttribute("aria-label", meaning);
  }
}

class RankView {
  constructor() {
    this.name = make("b");
    this.host = make("span", "host");
    this.figures = make("span");
    this.cache = new Measure("cache", ["use", "cached"]);
    this.time = new Measure("time", timeParts);
    this.element =
        make("li", "", make("div", "who", this.name, this.host, this.figures), this.time.element, this.cache.element);
  }

  /// `before` is the same rank `seconds` earlier; null on the first poll.
  show(rank, before, seconds) {
    this.name.textContent = `Rank ${rank.rank}`;
    this.host.textContent = rank.host;
    const speed = before ? `${figure((rank.tokens - before.tokens) / seconds)} tokens/s` : "–";
    this.figures.textContent = `${plural(rank.sequences, "sequence")} · ${speed}`;
    const free = rank.blocks - rank.blocks_in_use - rank.blocks_cached;
    const whole = Math.max(rank.blocks, 1);
    this.cache.show(
        [rank.blocks_in_use / whole, rank.blocks_cached / whole], `${percent(rank.blocks_in_use / whole)} in use`,
        `cache of rank ${rank.rank}: ${count(rank.blocks_in_use)} blocks in use, ${
            count(rank.blocks_cached)} kept for their prefixes, ` +
            `${count(free)} free, ${count(rank.blocks)} in all`);
    const times = timeParts.map((part) => before ? Math.max(0, rank[part] - before[part]) : 0);
    const busy = times.reduce((sum, time) => sum + time, 0);
    this.time.show(
        times.map((time) => busy > 0 ? time / busy : 0),
        busy > 0 ? `${percent(Math.min(1, busy / seconds))} busy` : "idle",
        busy > 0 ? `time of rank ${rank.rank}: ` +
                timeParts.map((part, index) => `${part} ${percent(times[index] / busy)}`).join(", ") :
                   `rank ${rank.rank} has no steps`);
  }
}

const rankViews = [];

function showRanks() {
  const ranks = past.statuses.at(-1)?.ranks ?? [];
  const both = pair(shareSpan);
  while (rankViews.length < ranks.length) {
    const view = new RankView();
    rankViews.push(view);
    byId("ranks").append(view.element);
  }
  while (rankViews.length > ranks.length) rankViews.pop().element.remove();
  ranks.forEach((rank, index) => {
    const before = both?.before.ranks.find((other) => other.rank === rank.rank) ?? null;
    rankViews[index].show(rank, before, both?.time ?? 1);
  });
}
