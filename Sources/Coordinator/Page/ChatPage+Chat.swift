extension ChatPage {
  /// The conversation: what was said, and the answer under way.
  static let chat = #"""
    const state = { model: "", messages: [], abort: null };
    const log = byId("log");
    const input = byId("input");

    const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    const goToEnd = () => { log.scrollTop = log.scrollHeight; };

    /// Changes the log, and stays at its end unless the reader has left it.
    function keepEnd(change) {
      const follows = isAtEnd();
      change();
      if (follows) goToEnd();
    }

    /// The place where one answer appears; drawing waits for the screen, however fast tokens come.
    class AnswerView {
      constructor() {
        this.content = "";
        this.reasoning = "";
        this.text = make("div", "text");
        this.thought = make("div");
        this.summary = make("summary", "", "Thinking …");
        this.details = make("details", "thought", this.summary, this.thought);
        this.details.hidden = true;
        this.foot = make("div", "foot");
        this.element = make("article", "answer under-way", this.details, this.text, this.foot);
        this.element.setAttribute("aria-label", "Answer");
        this.isWaiting = false;
        this.foot.append("waiting for the first token …");
      }

      add(content, reasoning) {
        if (this.content === "" && this.reasoning === "") this.foot.replaceChildren();
        this.content += content;
        this.reasoning += reasoning;
        if (this.isWaiting) return;
        this.isWaiting = true;
        requestAnimationFrame(() => { this.isWaiting = false; keepEnd(() => this.draw()); });
      }

      draw() {
        const words = this.content.trimStart();
        showText(this.text, words);
        if (this.reasoning === "") return;
        this.details.hidden = false;
        this.thought.textContent = this.reasoning.trim();
        if (words !== "") this.summary.textContent = "Thoughts";
      }

      /// Ends the answer: with figures, or with words of what went wrong.
      end(words, failure, retry) {
        keepEnd(() => {
          this.draw();
          if (this.reasoning !== "") this.summary.textContent = "Thoughts";
          this.element.classList.remove("under-way");
          this.foot.replaceChildren(...words.map((word) => make("span", "", word)));
          const copy = make("button", "plain", "Copy");
          copy.type = "button";
          copy.addEventListener("click", () => copyText(this.content.trimStart(), copy));
          if (this.content !== "") this.foot.prepend(copy);
          if (failure) {
            const again = make("button", "", "Try again");
            again.type = "button";
            again.addEventListener("click", () => { this.element.remove(); retry(); });
            const box = make("div", "error", failure);
            box.setAttribute("role", "alert");
            this.foot.before(box);
            this.foot.append(again);
          }
        });
      }
    }

    async function copyText(text, button) {
      // Only pages of safe origins may use the clipboard.
      try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; } catch { button.textContent = "Not allowed"; }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
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
      const messages = [...(system ? [{ role: "system", content: system }] : []), ...state.messages];
      const asked = state.messages;
      const keep = () => {
        // After "New chat" nobody remembers it; an empty answer is no turn.
        if (asked === state.messages && view.content !== "") asked.push({ role: "assistant", content: view.content });
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
          view.end([], words, ask);
          if (/API key/i.test(words)) { showSettings(true); byId("key").focus(); }
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
      if (invalid) { showSettings(true); invalid.reportValidity(); return; }
      byId("welcome")?.remove();
      // An answer that failed is asked for again with the new words.
      const last = state.messages.at(-1);
      if (last?.role === "user") last.content += `\n\n${text}`; else state.messages.push({ role: "user", content: text });
      log.append(make("div", "mine", text));
      input.value = "";
      fitInput();
      ask();
    }

    function fitInput() {
      input.style.height = "auto";
      input.style.height = `${input.scrollHeight}px`;
    }

    byId("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
    byId("stop").addEventListener("click", () => { state.abort?.abort(); input.focus(); });
    byId("clear").addEventListener("click", () => {
      state.abort?.abort();
      state.messages = [];
      log.replaceChildren();
      input.focus();
    });
    input.addEventListener("input", fitInput);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
      if (event.key === "Escape") state.abort?.abort();
    });

    async function learnModel() {
      try {
        state.model = (await getJSON("v1/models"))?.data?.[0]?.id ?? "";
        byId("model").textContent = state.model;
        document.title = state.model ? `${state.model} – Martinet` : "Martinet";
      } catch { /* Not ready, or no key yet: asked again when the state changes. */ }
    }
    """#
}
