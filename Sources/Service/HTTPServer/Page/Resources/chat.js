// The conversation: what was said, and the answer under way.

const state = {
  model: "",
  messages: [],
  abort: null
};

/// Whether the server refused what was asked, so that asking again is no use before something is changed.
const isRefusal = (error) => [400, 413, 422].includes(error.status);

/// A turn that was refused leaves the conversation, or every later one would be refused for it. Returns what may be
/// done about it.
function refused(turn, error) {
  state.messages = state.messages.filter((message) => message !== turn);
  turn.element?.classList.add("unsent");
  const leave = () => turn.element?.remove();
  const actions = [
    [
      "Change it",
      () => {
        leave();
        input.value = turn.content;
        fitInput();
        input.focus();
      }
    ],
    [
      "Try again",
      () => {
        leave();
        say(turn.content);
      }
    ],
  ];
  if (error.code === "context_length_exceeded" && state.messages.length > 0) {
    actions.push([
      "Try again without what was said before",
      () => {
        leave();
        state.messages = [];
        log.append(make("div", "parting", "What is above is not sent any more."));
        say(turn.content);
      }
    ]);
  }
  return actions;
}
function setBusy(isBusy) {
  byId("send").hidden = isBusy;
  byId("stop").hidden = !isBusy;
}

/// Asks for an answer to the conversation so far.
async function ask() {
  const view = new AnswerView();
  log.append(view.element);
  goToEnd();
  const abort = new AbortController();
  state.abort = abort;
  setBusy(true);
  const system = byId("system").value.trim();
  const turns = state.messages.map(({role, content}) => ({role, content}));
  const messages = [...(system ? [{role: "system", content: system}] : []), ...turns];
  const asked = state.messages;
  const keep = () => {
    // After "New chat" nobody remembers it; an empty answer is no turn.
    if (asked === state.messages && view.content !== "") asked.push({role: "assistant", content: view.content});
  };
  try {
    const answer = await streamAnswer(messages, abort.signal, (content, reasoning) => view.add(content, reasoning));
    keep();
    view.end(answerWords(answer));
    byId("spoken").textContent = `Answer: ${view.content.slice(0, 600)}`;
  } catch (error) {
    if (abort.signal.aborted) {
      keep();
      view.end(["stopped"]);
      byId("spoken").textContent = "Stopped.";
    } else {
      // What the network itself fails with is a TypeError.
      const network = view.content || view.reasoning ? "The connection broke off" : "The server cannot be reached";
      const words = error instanceof TypeError ? `${network} (${error.message}).` : `Failed: ${error.message}`;
      const turn = asked.at(-1);
      const mayBeDropped = asked === state.messages && turn?.role === "user" && isRefusal(error);
      view.end([], words, mayBeDropped ? refused(turn, error) : [["Try again", ask]]);
      if (/API key/i.test(words)) {
        showSettings(true);
        byId("key").focus();
      }
    }
  } finally {
    if (state.abort === abort) {
      state.abort = null;
      setBusy(false);
    }
  }
}

function send() {
  const text = input.value.trim();
  if (text === "" || state.abort) return;
  const invalid = ["temperature", "max-tokens", "seed"].map(byId).find((field) => !field.checkValidity());
  if (invalid) {
    showSettings(true);
    invalid.reportValidity();
    return;
  }
  byId("welcome")?.remove();
  input.value = "";
  fitInput();
  say(text);
}

/// Adds a turn of the user's, and asks for its answer.
function say(text) {
  const element = make("div", "mine", text);
  log.append(element);
  // An answer that failed is asked for again with the new words.
  const last = state.messages.at(-1);
  if (last?.role === "user") last.content += `\n\n${text}`;
  else state.messages.push({role: "user", content: text, element});
  ask();
}

function fitInput() {
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight}px`;
}

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
byId("stop").addEventListener("click", () => {
  state.abort?.abort();
  input.focus();
});
byId("clear").addEventListener("click", () => {
  state.abort?.abort();
  state.messages = [];
  log.replaceChildren();
  input.focus();
});
input.addEventListener("input", fitInput);
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  }
  if (event.key === "Escape") state.abort?.abort();
});

async function learnModel() {
  try {
    state.model = (await getJSON("v1/models"))?.data?.[0]?.id ?? "";
    byId("model").textContent = state.model;
    document.title = state.model ? `${state.model} – Martinet` : "Martinet";
  } catch { /* Not ready, or no key yet: asked again when the state changes. */
  }
}
