import OpenAIProtocol

private let weather = (name: "weather", arguments: #"{"city": "Köln ☂", "days": 2}"#)
private let now = (name: "now", arguments: "{}")

/// Replies as each family writes them, well and badly formed.
let replySamples: [ReplySample] =
  reasoningSamples + sectionSamples + objectSamples + glmSamples + hunyuanSamples + solarSamples + coderSamples
  + harmonySamples + markupSamples + laterTextSamples + functionTagSamples

private let reasoningSamples: [ReplySample] = [
  .init(name: "plain text", syntax: .hermes, text: "Hello <b>world</b>\n\n", content: "Hello <b>world</b>\n\n"),
  .init(name: "nothing", syntax: .hermes, text: ""),
  .init(
    name: "reasoning", syntax: .hermes, text: "\n<think>\nWhy?\n\nBecause.\n</think>\n\nYes.",
    reasoning: "Why?\n\nBecause.", content: "Yes."),
  .init(
    name: "reasoning that the prompt opened", syntax: .deepSeekFenced, text: "Why?\n</think>\n\n  Yes.",
    reasoning: "Why?", content: "  Yes.", startsInReasoning: true),
  .init(
    name: "reasoning opened twice", syntax: .deepSeekFenced, text: "<think>\nWhy?</think>Yes.", reasoning: "Why?",
    content: "Yes.", startsInReasoning: true),
  .init(
    name: "empty reasoning", syntax: .hermes, text: "<think>\n\n</think>\n\nYes.", content: "Yes."),
  .init(
    name: "reasoning that breaks off in a marker", syntax: .hermes, text: "<think>a < b</thin",
    reasoning: "a < b</thin"),
  .init(
    name: "tags in the middle are text", syntax: .hermes, text: "The <think> tag </think>.",
    content: "The <think> tag </think>."),
  .init(
    name: "a call in reasoning is text", syntax: .hermes, text: "<think><tool_call>{}</tool_call></think>No.",
    reasoning: "<tool_call>{}</tool_call>", content: "No."),
  .init(
    name: "without tools a call is text", syntax: .hermes, text: "<tool_call>\n{\"name\": \"now\"}\n</tool_call>",
    content: "<tool_call>\n{\"name\": \"now\"}\n</tool_call>", hasTools: false),
]

private let sectionSamples: [ReplySample] = [
  .init(
    name: "DeepSeek V3", syntax: .deepSeekFenced,
    text: "Let me see.\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n"
      + weather.arguments + "\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```"
      + "<｜tool▁call▁end｜><｜tool▁calls▁end｜>\n",
    content: "Let me see.", calls: [weather, now], completeness: [true, true]),
  .init(
    name: "DeepSeek R1, out of its reasoning", syntax: .deepSeekFenced,
    text: "Look.\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```"
      + "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    reasoning: "Look.", calls: [now], completeness: [true], startsInReasoning: true),
  .init(
    name: "a fence inside arguments", syntax: .deepSeekFenced,
    text: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{\"city\": \"\n```x\"}"
      + "\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    calls: [("weather", "{\"city\": \"\\n```x\"}")], completeness: [true]),
  .init(
    name: "a fence without the call's end", syntax: .deepSeekFenced,
    text: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```",
    calls: [now], completeness: [true]),
  .init(
    name: "arguments that break off", syntax: .deepSeekFenced,
    text: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{\"city\": \"Kö",
    calls: [("weather", "{\"city\": \"Kö")], completeness: [false]),
  .init(
    name: "no separator", syntax: .deepSeekFenced,
    text: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    content: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁call▁end｜><｜tool▁calls▁end｜>"),
  .init(
    name: "no fence", syntax: .deepSeekFenced,
    text: "a\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n{}<｜tool▁call▁end｜>",
    content: "a", calls: [("weather", "{}")], completeness: [true]),
  .init(
    name: "an empty section", syntax: .deepSeekPlain, text: "a <｜tool▁calls▁begin｜><｜tool▁calls▁end｜> b",
    content: "a <｜tool▁calls▁begin｜><｜tool▁calls▁end｜> b"),
  .init(
    name: "a name without end", syntax: .deepSeekPlain,
    text: "<｜tool▁call▁begin｜>" + String(repeating: "x", count: 600) + "<｜tool▁sep｜>{}<｜tool▁call▁end｜>",
    content: "<｜tool▁call▁begin｜>" + String(repeating: "x", count: 600) + "<｜tool▁sep｜>{}<｜tool▁call▁end｜>"),
  .init(
    name: "DeepSeek V3.1", syntax: .deepSeekPlain,
    text: "</think>" + "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>" + weather.arguments
      + "<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜><｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    calls: [weather, now], completeness: [true, true], startsInReasoning: true),
  .init(
    name: "DeepSeek V3.1 without the section's beginning", syntax: .deepSeekPlain,
    text: "Ok<｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜>", content: "Ok", calls: [now],
    completeness: [true]),
  .init(
    name: "text after the section", syntax: .deepSeekPlain,
    text: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>Done",
    content: "Done", calls: [now], completeness: [true]),
  .init(
    name: "Kimi", syntax: .kimi,
    text: "Look.<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>"
      + weather.arguments + "<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}"
      + "<|tool_call_end|><|tool_calls_section_end|>",
    content: "Look.", calls: [weather, now], completeness: [true, true]),
]

private let objectSamples: [ReplySample] = [
  .init(
    name: "Hermes", syntax: .hermes,
    text: "<think>Hm</think>\n\nLook.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": " + weather.arguments
      + "}\n</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n",
    reasoning: "Hm", content: "Look.", calls: [weather, now], completeness: [true, true]),
  .init(
    name: "Hermes, the arguments first", syntax: .hermes,
    text: "<tool_call>{\"arguments\":{\"city\":\"}\\\"{\"},\"name\":\"weather\"}</tool_call>",
    calls: [("weather", "{\"city\":\"}\\\"{\"}")], completeness: [true]),
  .init(
    name: "Hermes, the arguments as text", syntax: .hermes,
    text: #"<tool_call>{"name":"weather","arguments":"{\"city\": \"Rom\"}"}</tool_call>"#,
    calls: [("weather", #"{"city": "Rom"}"#)], completeness: [true]),
  .init(
    name: "Hermes, no arguments", syntax: .hermes,
    text: "<tool_call>{\"name\":\"now\"}</tool_call><tool_call>{\"name\":\"now\",\"arguments\":null}</tool_call>",
    calls: [now, now], completeness: [true, true]),
  .init(
    name: "Hermes, an escaped name", syntax: .hermes, text: #"<tool_call>{"n\u0061me":"\u006eow"}</tool_call>"#,
    calls: [now], completeness: [true]),
  .init(
    name: "Hermes, no JSON", syntax: .hermes, text: "a\n\n<tool_call>\nnow()\n</tool_call> b",
    content: "a\n\n<tool_call>\nnow()\n</tool_call> b"),
  .init(
    name: "Hermes, bad after good", syntax: .hermes,
    text: "<tool_call>{\"name\":\"now\"}</tool_call>\n<tool_call>{'name': 1}</tool_call>",
    content: "<tool_call>{'name': 1}</tool_call>", calls: [now], completeness: [true]),
  .init(
    name: "Hermes, good after bad", syntax: .hermes,
    text: "<tool_call>{]</tool_call><tool_call>{\"name\":\"now\"}</tool_call>",
    content: "<tool_call>{]</tool_call>", calls: [now], completeness: [true]),
  .init(
    name: "Hermes, a brace too many", syntax: .hermes,
    text: "<tool_call>{\"name\":\"now\",\"arguments\":{}}}</tool_call>", calls: [now], completeness: [true]),
  .init(
    name: "Hermes, no comma after the arguments", syntax: .hermes,
    text: "<tool_call>{\"name\":\"now\",\"arguments\":{} x}</tool_call>", content: " x}</tool_call>", calls: [now],
    completeness: [true]),
  .init(
    name: "Hermes, breaks off in the name", syntax: .hermes, text: "<tool_call>{\"name\":\"no",
    content: "<tool_call>{\"name\":\"no"),
  .init(
    name: "Hermes, breaks off in the arguments", syntax: .hermes,
    text: "<tool_call>{\"name\":\"weather\",\"arguments\":{\"city\": \"K", calls: [("weather", "{\"city\": \"K")],
    completeness: [false]),
  .init(
    name: "Hermes, breaks off in a marker", syntax: .hermes, text: "Look at <tool_cal", content: "Look at <tool_cal"),
  .init(
    name: "Mistral", syntax: .mistral,
    text: "Look.\n[TOOL_CALLS] [{\"name\": \"weather\", \"arguments\": " + weather.arguments
      + "}, {\"name\": \"now\", \"arguments\": {}, \"id\": \"abcdefghi\"}]",
    content: "Look.", calls: [weather, now], completeness: [true, true]),
  .init(
    name: "Mistral, no array", syntax: .mistral, text: "[TOOL_CALLS] now", content: "[TOOL_CALLS] now"),
  .init(
    name: "Mistral, an open array", syntax: .mistral, text: "[TOOL_CALLS][{\"name\": \"now\", \"arguments\": {}}",
    calls: [now], completeness: [true]),
  .init(
    name: "Llama", syntax: .llama,
    text: "{\"name\": \"weather\", \"parameters\": " + weather.arguments + "}; {\"name\": \"now\", \"parameters\": {}}",
    calls: [weather, now], completeness: [true, true]),
  .init(
    name: "Llama, tagged", syntax: .llama,
    text: "<|python_tag|>{\"type\": \"function\", \"name\": \"now\", \"parameters\": {}}", calls: [now],
    completeness: [true]),
  .init(
    name: "Llama, JSON that is no call", syntax: .llama, text: "{\"name\": \"Bob\", \"parameters\": {}} and {}",
    content: "{\"name\": \"Bob\", \"parameters\": {}} and {}"),
  .init(
    name: "Llama, JSON with other members", syntax: .llama, text: " {\"name\": \"now\", \"age\": 3}",
    content: " {\"name\": \"now\", \"age\": 3}"),
  .init(
    name: "Llama, JSON in text", syntax: .llama, text: "So: {\"name\": \"now\", \"parameters\": {}}",
    content: "So: {\"name\": \"now\", \"parameters\": {}}"),
]

private let glmSamples: [ReplySample] = [
  .init(
    name: "GLM", syntax: .glm,
    text: "\n<think>Hm</think>\nLook.\n<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Köln ☂</arg_value>\n"
      + "<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>\n<tool_call>now\n</tool_call>",
    reasoning: "Hm", content: "Look.", calls: [weather, now], completeness: [true, true]),
  .init(
    name: "GLM, values by their types", syntax: .glm,
    text: "<tool_call>weather<arg_key>city</arg_key><arg_value>12 \"a\"\n</b></arg_value><arg_key>tags</arg_key>"
      + "<arg_value>[1, \"x\"]</arg_value><arg_key>other</arg_key><arg_value>some text</arg_value></tool_call>",
    calls: [("weather", #"{"city": "12 \"a\"\n</b>", "tags": [1, "x"], "other": "some text"}"#)],
    completeness: [true]),
  .init(
    name: "GLM, as forced", syntax: .glm, text: "<tool_call>weather\n" + weather.arguments + "\n</tool_call>",
    calls: [weather], completeness: [true]),
  .init(
    name: "GLM, no name", syntax: .glm, text: "<tool_call>\n<arg_key>a</arg_key></tool_call>",
    content: "<tool_call>\n<arg_key>a</arg_key></tool_call>"),
  .init(
    name: "GLM, no members", syntax: .glm, text: "<tool_call>what is it</tool_cal",
    content: "<tool_call>what is it</tool_cal"),
  .init(
    name: "GLM, text between members", syntax: .glm,
    text: "<tool_call>weather\n<arg_key>days</arg_key>\n<arg_value>2</arg_value> and so on",
    content: "and so on", calls: [("weather", "{\"days\": 2}")], completeness: [true]),
  .init(
    name: "GLM, breaks off in a value", syntax: .glm,
    text: "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Kö</arg_val",
    calls: [("weather", "{\"city\": \"Kö</arg_val")], completeness: [false]),
]

private let hunyuanSamples: [ReplySample] = [
  .init(
    name: "Hunyuan", syntax: .hunyuan,
    text: "<think>Hm</think>Look.\n<tool_calls>\n<tool_call>weather<tool_sep>\n<arg_key>city</arg_key>\n"
      + "<arg_value>Köln ☂</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>\n"
      + "<tool_call>now<tool_sep>\n</tool_call>\n</tool_calls>",
    reasoning: "Hm", content: "Look.", calls: [weather, now], completeness: [true, true]),
  .init(
    name: "Hunyuan, in one line", syntax: .hunyuan,
    text: "<tool_calls><tool_call>weather<tool_sep><arg_key>city</arg_key><arg_value>a</tool_call>b</arg_value>"
      + "</tool_call></tool_calls>",
    calls: [("weather", "{\"city\": \"a</tool_call>b\"}")], completeness: [true]),
  .init(
    name: "Hunyuan, without what is around the calls", syntax: .hunyuan,
    text: "<tool_call>now<tool_sep></tool_call>", calls: [now], completeness: [true]),
  .init(
    name: "Hunyuan, as forced", syntax: .hunyuan,
    text: "<tool_calls>\n<tool_call>weather<tool_sep>\n" + weather.arguments + "\n</tool_call>\n</tool_calls>",
    calls: [weather], completeness: [true]),
  .init(
    name: "Hunyuan, breaks off in a value", syntax: .hunyuan,
    text: "<tool_calls>\n<tool_call>weather<tool_sep>\n<arg_key>city</arg_key>\n<arg_value>Kö</arg_val",
    calls: [("weather", "{\"city\": \"Kö</arg_val")], completeness: [false]),
]

private let markupSamples: [ReplySample] = [
  .init(
    name: "DeepSeek V4", syntax: .markup,
    text: "<think>Hm</think>Look.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"weather\">\n"
      + "<｜DSML｜parameter name=\"city\" string=\"true\">Köln ☂</｜DSML｜parameter>\n"
      + "<｜DSML｜parameter name=\"days\" string=\"false\">2</｜DSML｜parameter>\n</｜DSML｜invoke>\n"
      + "<｜DSML｜invoke name=\"now\">\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
    reasoning: "Hm", content: "Look.", calls: [weather, now], completeness: [true, true]),
  .init(
    name: "DeepSeek V3.2, out of its reasoning", syntax: .olderMarkup,
    text: "Hm\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"now\">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
    reasoning: "Hm", calls: [now], completeness: [true], startsInReasoning: true),
  .init(
    name: "DeepSeek V4, brackets and quotes in a text", syntax: .markup,
    text: "<｜DSML｜tool_calls><｜DSML｜invoke name=\"weather\"><｜DSML｜parameter name=\"city\" string=\"true\">"
      + "\na</b> \"c\"<｜DSML\n</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜tool_calls>",
    calls: [("weather", "{\"city\": \"\\na</b> \\\"c\\\"<｜DSML\\n\"}")], completeness: [true]),
  .init(
    name: "DeepSeek V4, a type that is not told", syntax: .markup,
    text: "<｜DSML｜tool_calls><｜DSML｜invoke name=\"weather\"><｜DSML｜parameter name=\"city\">1</｜DSML｜parameter>"
      + "<｜DSML｜parameter name=\"days\">2</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜tool_calls>",
    calls: [("weather", "{\"city\": \"1\", \"days\": 2}")], completeness: [true]),
  .init(
    name: "DeepSeek V4, without what is around the calls", syntax: .markup,
    text: "<｜DSML｜invoke name=\"now\"></｜DSML｜invoke>Done", content: "Done", calls: [now], completeness: [true]),
  .init(
    name: "DeepSeek V4, ends that are missing", syntax: .markup,
    text: "<｜DSML｜tool_calls><｜DSML｜invoke name=\"weather\"><｜DSML｜parameter name=\"city\" string=\"true\">a"
      + "</｜DSML｜invoke><｜DSML｜invoke name=\"now\"></｜DSML｜tool_calls>",
    calls: [("weather", "{\"city\": \"a\"}"), now], completeness: [true, true]),
  .init(
    name: "DeepSeek V4, as forced", syntax: .markup,
    text: "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"weather\">\n" + weather.arguments
      + "\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
    calls: [weather], completeness: [true]),
  .init(
    name: "DeepSeek V4, breaks off in a value", syntax: .markup,
    text: "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Kö",
    calls: [("weather", "{\"city\": \"Kö")], completeness: [false]),
  .init(
    name: "DeepSeek V4, an empty section", syntax: .markup, text: "<｜DSML｜tool_calls>\n</｜DSML｜tool_calls>",
    content: "<｜DSML｜tool_calls>\n</｜DSML｜tool_calls>"),
  .init(
    name: "MiniMax M2", syntax: .miniMax,
    text: "Hm\n</think>\n\nLook.\n<minimax:tool_call>\n<invoke name=\"weather\">\n"
      + "<parameter name=\"city\">Köln ☂</parameter>\n<parameter name=\"days\">2</parameter>\n</invoke>\n<invoke name=\"now\">\n</invoke>\n</minimax:tool_call>",
    reasoning: "Hm", content: "Look.", calls: [weather, now], completeness: [true, true], startsInReasoning: true),
  .init(
    name: "MiniMax M2, brackets and quotes in a text", syntax: .miniMax,
    text: "<minimax:tool_call><invoke name=\"weather\"><parameter name=\"city\">\na</b> \"c\"<param\n"
      + "</parameter></invoke></minimax:tool_call>",
    calls: [("weather", "{\"city\": \"\\na</b> \\\"c\\\"<param\\n\"}")], completeness: [true]),
  .init(
    name: "MiniMax M2, without what is around the calls", syntax: .miniMax,
    text: "<invoke name=\"now\"></invoke>Done", content: "Done", calls: [now], completeness: [true]),
  .init(
    name: "MiniMax M2, a call alone after a text", syntax: .miniMax, text: "Look.\n<invoke name=\"now\">\n</invoke>",
    content: "Look.", calls: [now], completeness: [true]),
  .init(
    name: "MiniMax M2, a tag that is no call", syntax: .miniMax, text: "Write <invoke name=\"other\"> in your file.",
    content: "Write <invoke name=\"other\"> in your file."),
  .init(
    name: "MiniMax M2, as forced", syntax: .miniMax,
    text: "<minimax:tool_call>\n<invoke name=\"weather\">\n" + weather.arguments + "\n</invoke>\n</minimax:tool_call>",
    calls: [weather], completeness: [true]),
  .init(
    name: "MiniMax M2, breaks off in a value", syntax: .miniMax,
    text: "<minimax:tool_call>\n<invoke name=\"weather\">\n<parameter name=\"city\">Kö",
    calls: [("weather", "{\"city\": \"Kö")], completeness: [false]),
]

private let solarSamples: [ReplySample] = [
  .init(
    name: "Solar, reasoning and content", syntax: .solar,
    text: "<|think|>Hm<|end|><|begin|>assistant<|content|>Look.\n", reasoning: "Hm", content: "Look.\n"),
  .init(name: "Solar, content alone", syntax: .solar, text: "<|content|> Look.", content: " Look."),
  .init(
    name: "Solar, calls", syntax: .solar,
    text: "<|think|>Hm<|end|><|begin|>assistant<|tool_calls|><|tool_call:begin|>a1b2<|tool_call:name|>weather"
      + "<|tool_call:args|>" + weather.arguments + "<|tool_call:end|><|tool_call:begin|>c3d4<|tool_call:name|>now"
      + "<|tool_call:args|>{}<|tool_call:end|>",
    reasoning: "Hm", calls: [weather, now], completeness: [true, true]),
  .init(
    name: "Solar, content and a call", syntax: .solar,
    text: "<|content|>Look.<|end|><|begin|>assistant<|tool_calls|><|tool_call:begin|>a<|tool_call:name|>now"
      + "<|tool_call:args|>{}<|tool_call:end|><|calls|>",
    content: "Look.", calls: [now], completeness: [true]),
  .init(
    name: "Solar, a call that breaks off", syntax: .solar,
    text: "<|tool_calls|><|tool_call:begin|>a<|tool_call:name|>weather<|tool_call:args|>{\"city\": \"Kö",
    calls: [("weather", "{\"city\": \"Kö")], completeness: [false]),
]

private let coderSamples: [ReplySample] = [
  .init(
    name: "Qwen's coder", syntax: .qwenCoder,
    text: "Look.\n<tool_call>\n<function=weather>\n<parameter=city>\nKöln ☂\n</parameter>\n<parameter=days>\n2\n"
      + "</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n</tool_call>",
    content: "Look.", calls: [weather, now], completeness: [true, true]),
  .init(
    name: "Qwen's coder, a value of several lines", syntax: .qwenCoder,
    text: "<tool_call><function=weather><parameter=city>\n\n a\n<b>\n\n</parameter></function></tool_call>Done",
    content: "Done", calls: [("weather", #"{"city": "\n a\n<b>\n"}"#)], completeness: [true]),
  .init(
    name: "Qwen's coder, as forced", syntax: .qwenCoder,
    text: "<tool_call>\n<function=weather>\n" + weather.arguments + "\n</function>\n</tool_call>", calls: [weather],
    completeness: [true]),
  .init(
    name: "Qwen's coder, no function", syntax: .qwenCoder, text: "<tool_call>\nweather\n</tool_call>",
    content: "<tool_call>\nweather\n</tool_call>"),
  .init(
    name: "Qwen's coder, a name without end", syntax: .qwenCoder, text: "<tool_call><function=wea</function>",
    content: "<tool_call><function=wea</function>"),
  .init(
    name: "Qwen's coder, breaks off in a value", syntax: .qwenCoder,
    text: "<tool_call><function=weather><parameter=city>\nKö\n</par", calls: [("weather", "{\"city\": \"Kö\\n</par")],
    completeness: [false]),
]

private let harmonySamples: [ReplySample] = [
  .init(
    name: "Harmony", syntax: .harmony,
    text: "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
    reasoning: "Hm.", content: "Yes."),
  .init(
    name: "Harmony, a call", syntax: .harmony,
    text: "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.weather "
      + "<|constrain|>json<|message|>" + weather.arguments + "<|call|>",
    reasoning: "Hm.", calls: [weather], completeness: [true]),
  .init(
    name: "Harmony, the recipient first, and no end", syntax: .harmony,
    text: " to=functions.weather<|channel|>commentary json<|message|>" + weather.arguments, calls: [weather],
    completeness: [true]),
  .init(
    name: "Harmony, a preamble", syntax: .harmony,
    text: "<|channel|>commentary<|message|>First.<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
    content: "First.\nYes."),
  .init(name: "Harmony, no channels", syntax: .harmony, text: "Just text", content: "Just text"),
  .init(
    name: "Harmony, inside analysis", syntax: .harmony,
    text: "Hm.<|end|><|start|>assistant<|channel|>final<|message|>Y",
    reasoning: "Hm.", content: "Y", startsInReasoning: true),
  .init(
    name: "Harmony, another role", syntax: .harmony,
    text: "<|channel|>final<|message|>Yes.<|end|><|start|>user<|message|>More?",
    content: "Yes.<|start|>user<|message|>More?"),
  .init(
    name: "Harmony, a recipient that is no function", syntax: .harmony,
    text: "<|channel|>commentary to=browser.search<|message|>{}<|call|>",
    content: "<|channel|>commentary to=browser.search<|message|>{}"),
  .init(
    name: "Harmony, breaks off in a header", syntax: .harmony, text: "<|channel|>analysis<|mess",
    content: "<|channel|>analysis<|mess"),
]
