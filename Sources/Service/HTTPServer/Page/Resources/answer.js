// The log, and the place in it where one answer appears.

const log = byId("log");
const input = byId("input");

const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 60;
const goToEnd = () => {
  log.scrollTop = log.scrollHeight;
};

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
    requestAnimationFrame(() => {
      this.isWaiting = false;
      keepEnd(() => this.draw());
    });
  }

  draw() {
    const words = this.content.trimStart();
    showText(this.text, words);
    // What was never closed as reasoning comes once more as the answer that it was.
    if (this.reasoning === this.content) this.reasoning = "";
    this.details.hidden = this.reasoning === "";
    if (this.reasoning === "") return;
    this.thought.textContent = this.reasoning.trim();
    if (words !== "") this.summary.textContent = "Thoughts";
  }

  /// Ends the answer: with figures, or with words of what went wrong and what may be done about it, by name.
  end(words, failure, actions = []) {
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
        const box = make("div", "error", failure);
        box.setAttribute("role", "alert");
        this.foot.before(box);
        for (const [name, act] of actions) {
          const button = make("button", "", name);
          button.type = "button";
          button.addEventListener("click", () => {
            this.element.remove();
            act();
          });
          this.foot.append(button);
        }
      }
    });
  }
}

async function copyText(text, button) {
  // Only pages of safe origins may use the clipboard.
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch { button.textContent = "Not allowed"; }
  setTimeout(() => {
    button.textContent = "Copy";
  }, 1500);
}
