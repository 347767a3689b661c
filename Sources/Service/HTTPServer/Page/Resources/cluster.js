// Asks `/cluster` each second and shows what it says.

const live = {
  state: "",
  failures: 0,
  latest: null
};

/// What each state means to who waits for an answer.
function stateWords(state) {
  switch (state.name) {
    case "ready":
      return {pill: "ready"};
    case "loading":
      return {
        pill: state.of > 0 ? `loading, ${percent(state.bytes / state.of)}` : "loading",
        title: "The model is being loaded",
        text: state.of > 0 ? `Rank 0 has read ${bytes(state.bytes)} of ${
                                 bytes(state.of)}. Requests are answered when all ranks are done.` :
                             "The ranks are starting.",
        part: state.of > 0 ? state.bytes / state.of : null,
      };
    case "restarting":
      return {
        pill: "restarting",
        title: `The cluster is being restarted (attempt ${count(state.attempt)})`,
        text: `${sentence(state.reason)} Requests wait; answers under way go on where they were.`,
      };
    case "failed":
      return {
        pill: "failed",
        title: "The cluster has failed",
        isBad: true,
        text: `${sentence(state.reason)} It will not come back by itself.`,
      };
    case "stopped":
      return {
        pill: "stopped",
        title: "The server has been stopped",
        text: "It takes no more requests.",
        isBad: true,
      };
    default:
      return {pill: String(state.name), title: `State: ${state.name}`, text: sentence(state.reason)};
  }
}

const endOfSentence = /[.!?…]$/;

/// `text` with a full stop, where it has no end of its own.
const sentence = (text) => text && !endOfSentence.test(text) ? `${text}.` : text || "";

function showState(name, words) {
  byId("pill").dataset.state = name;
  byId("pill-text").textContent = words.pill;
  byId("notice").hidden = !words.title;
  byId("notice").classList.toggle("bad", Boolean(words.isBad));
  // Screen readers hear what changes only.
  for (const [id, text] of [["notice-title", words.title ?? ""], ["notice-text", words.text ?? ""]]) {
    if (byId(id).textContent !== text) byId(id).textContent = text;
  }
  byId("loading").hidden = !isNumber(words.part);
  if (isNumber(words.part)) byId("loading").firstElementChild.style.width = `${100 * Math.min(words.part, 1)}%`;
  byId("live").classList.toggle("old", name !== "ready");
  byId("live").hidden = past.statuses.length === 0;
  if (name === "ready" && (live.state !== "ready" || state.model === "")) learnModel();
  live.state = name;
}

function showFacts(facts) {
  if (!facts) {
    byId("facts").textContent = "";
    return;
  }
  // What requests are held to: the cache may have room for less than the model.
  const held = facts.cache_tokens > 0 ? Math.min(facts.maximum_positions, facts.cache_tokens) : facts.maximum_positions;
  const experts = facts.expert_count > 0 ? `, ${facts.experts_per_token} of ${facts.expert_count} experts a token` : "";
  byId("facts").textContent =
      `${facts.family}: ${plural(facts.layer_count, "layer")}${experts} · ${plural(facts.rank_count, "rank")} of ` +
      `${plural(facts.threads_per_rank, "thread")} (${facts.instruction_set}) · up to ${count(held)} tokens of context${
          held < facts.maximum_positions ? ` (the model’s ${count(facts.maximum_positions)} need a larger cache)` :
                                           ""}, ` +
      `${plural(facts.sequences, "sequence")} at once`;
}

function showCards(status) {
  const cached = status.prompt_tokens > 0 ? status.cached_tokens / status.prompt_tokens : null;
  const cards = [
    [figure(rate("generated_tokens")), "tokens/s generated"],
    [figure(rate("prompt_tokens")), "tokens/s of prompts"],
    [count(status.requests_running), "requests running"],
    [count(status.requests_waiting), "requests waiting"],
    [seconds(ratio("decode_seconds", "decode_steps")), "a decode step"],
    [percent(cached), "of prompts found in cache"],
    [count(status.requests_finished), "requests finished"],
    [count(status.preemptions), "preemptions"],
  ];
  const place = byId("cards");
  while (place.children.length < cards.length) place.append(make("div", "", make("dt"), make("dd")));
  cards.forEach(([value, name], index) => {
    place.children[index].children[0].textContent = name;
    place.children[index].children[1].textContent = value;
  });
}

function showVisits() {
  const status = live.latest;
  if (!status) return;
  const visits = status.visits ?? [];
  setHeat(status.layers ?? [], byId("heat-span").value === "all" ? visits : recentVisits(visits));
}

function showCluster({state, facts, status}) {
  // Before the model is there, nothing is counted.
  if (status && isNumber(status.time) && status.ranks?.length > 0) {
    live.latest = status;
    remember(status);
  }
  const isReady = state?.name === "ready";
  addPoint(isReady ? rate("generated_tokens") ?? 0 : 0);
  showState(state?.name ?? "unknown", stateWords(state ?? {name: "unknown"}));
  showFacts(facts);
  drawRate();
  if (!live.latest || byId("live").hidden) return;
  showCards(live.latest);
  showRanks();
  showVisits();
}

async function poll() {
  try {
    showCluster(await getJSON("cluster"));
    live.failures = 0;
  } catch (error) {
    live.failures += 1;
    addPoint(0);
    drawRate();
    if (error.status) {
      showState("lost", {
        pill: `error ${error.status}`,
        title: "The server does not tell how the cluster is",
        text: sentence(error.message),
        isBad: true,
      });
    } else if (live.failures > 1) {
      showState("lost", {
        pill: "no connection",
        title: "The server does not answer",
        text: "It is asked again each second.",
        isBad: true,
      });
    }
  }
  setTimeout(poll, 1000);
}

function redraw() {
  drawRate();
  drawHeat();
}

byId("heat-span").addEventListener("change", showVisits);
window.addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
byId("key").addEventListener("change", learnModel);
showSettings(false);
poll();
if (matchMedia("(min-width: 1000px)").matches) input.focus();
