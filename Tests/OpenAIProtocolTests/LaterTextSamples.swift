import OpenAIProtocol

private let now = (name: "now", arguments: "{}")

/// Text after calls: in each format it begins with its own line.
let laterTextSamples: [ReplySample] = [
  .init(
    name: "Hermes, text after a call", syntax: .hermes,
    text: "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call> \n\n  Done.\n", content: "  Done.\n",
    calls: [now], completeness: [true]),
  .init(
    name: "Hermes, text in the call's last line", syntax: .hermes,
    text: "<tool_call>{\"name\": \"now\", \"arguments\": {}}</tool_call> Done.", content: " Done.", calls: [now],
    completeness: [true]),
  .init(
    name: "Hermes, text before and after a call", syntax: .hermes,
    text: "Look.\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\nDone.", content: "Look.\nDone.",
    calls: [now], completeness: [true]),
  .init(
    name: "Hermes, text after two calls", syntax: .hermes,
    text: "<tool_call>{\"name\": \"now\"}</tool_call>\n<tool_call>{\"name\": \"now\"}</tool_call>\r\n\r\nDone.",
    content: "Done.", calls: [now, now], completeness: [true, true]),
  .init(
    name: "Hermes, blank lines after a call", syntax: .hermes,
    text: "<tool_call>{\"name\": \"now\"}</tool_call>\n\n \t\n", calls: [now], completeness: [true]),
  .init(
    name: "DeepSeek V3.1, text after the section", syntax: .deepSeekPlain,
    text: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>\n\nDone",
    content: "Done", calls: [now], completeness: [true]),
  .init(
    name: "DeepSeek V4, text after a call", syntax: .markup,
    text: "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"now\">\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>\n\nDone",
    content: "Done", calls: [now], completeness: [true]),
  .init(
    name: "Mistral, text after a call", syntax: .mistral,
    text: "[TOOL_CALLS] [{\"name\": \"now\", \"arguments\": {}}]\n\nDone.", content: "Done.", calls: [now],
    completeness: [true]),
  .init(
    name: "GLM, text after a call", syntax: .glm, text: "<tool_call>now\n</tool_call>\nDone.", content: "Done.",
    calls: [now], completeness: [true]),
  .init(
    name: "Hermes, cut in the call's end", syntax: .hermes,
    text: "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_ca", calls: [now], completeness: [true]),
  .init(
    name: "Qwen's coder, cut in the call's end", syntax: .qwenCoder,
    text: "<tool_call>\n<function=now>\n</function>\n</tool_ca", calls: [now], completeness: [true]),
]
