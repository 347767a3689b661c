// Server-sent events, and one streamed answer with its times.

/// Calls `onData` for each event's data, however the bytes were cut into pieces.
async function readEvents(body, onData) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let data = [];
  const takeLine = (line) => {
    if (line === "") {
      if (data.length > 0) onData(data.join("\n"));
      data = [];
    } else if (line.startsWith("data:")) {
      data.push(line.slice(line[5] === " " ? 6 : 5));
    }
  };
  for (;;) {
    const {done, value} = await reader.read();
    rest += done ? decoder.decode() + "\n\n" : decoder.decode(value, {stream: true});
    // A carriage return at the end may be half of a line's end.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) takeLine(line);
    if (done) return;
  }
}

/// Streams the answer to `messages`; `onDelta` gets each piece of content and reasoning. Returns what is known of it.
async function streamAnswer(messages, signal, onDelta) {
  if (state.model === "") await learnModel();
  const request = {messages, stream: true, stream_options: {include_usage: true}};
  if (state.model !== "") request.model = state.model;
  for (const [name, id] of [["temperature", "temperature"], ["max_tokens", "max-tokens"], ["seed", "seed"]]) {
    if (byId(id).value !== "") request[name] = Number(byId(id).value);
  }
  const answer =
      {start: performance.now(), first: null, last: null, pieces: 0, usage: null, finish: null, isDone: false};
  const response = await fetch("v1/chat/completions", {
    method: "POST",
    headers: {"Content-Type": "application/json", ...headers()},
    body: JSON.stringify(request),
    signal,
  });
  if (!response.ok) throw await refusal(response);
  await readEvents(response.body, (data) => {
    if (data === "[DONE]") {
      answer.isDone = true;
      return;
    }
    let event;
    try {
      event = JSON.parse(data);
    } catch { throw new Error(`the server sent something that is not JSON: ${data.slice(0, 200)}`); }
    if (event.error) throw new Error(event.error.message ?? String(event.error));
    if (event.usage) answer.usage = event.usage;
    const choice = event.choices?.[0];
    if (!choice) return;
    if (choice.finish_reason) answer.finish = choice.finish_reason;
    const content = choice.delta?.content ?? "";
    const reasoning = choice.delta?.reasoning_content ?? "";
    if (content === "" && reasoning === "") return;
    answer.last = performance.now();
    answer.first ??= answer.last;
    answer.pieces += 1;
    onDelta(content, reasoning);
  });
  if (!answer.isDone && answer.finish === null) throw new Error("the answer broke off before its end");
  return answer;
}

/// One line about an answer: tokens, their rate after the first, and when that came.
function answerWords(answer) {
  const words = [];
  const tokens = answer.usage?.completion_tokens ?? answer.pieces;
  words.push(answer.usage ? plural(tokens, "token") : `about ${plural(tokens, "token")}`);
  const time = (answer.last - answer.first) / 1000;
  if (tokens > 1 && time > 0) words.push(`${figure((tokens - 1) / time)} tokens/s`);
  if (answer.first !== null) words.push(`first after ${seconds((answer.first - answer.start) / 1000)}`);
  if (answer.usage) {
    const cached = answer.usage.prompt_tokens_details?.cached_tokens ?? 0;
    words.push(`prompt ${count(answer.usage.prompt_tokens)}${cached > 0 ? ` (${count(cached)} cached)` : ""}`);
  }
  if (answer.finish === "length") words.push("cut off: no more tokens were allowed");
  return words;
}
