import JSON

@testable import OpenAIProtocol

let lookupTools = [
  ToolDefinition(
    name: "lookup",
    parameters: [
      "type": "object",
      "properties": [
        "q": ["type": "string"], "deep": ["type": "boolean"], "k": ["type": "integer"],
        "note": ["anyOf": [["type": "string"], ["type": "null"]]], "opts": ["$ref": "#/$defs/Opts"],
        "ids": ["type": "array", "items": ["type": "integer"]],
      ],
      "$defs": ["Opts": ["type": "object", "properties": ["a": ["type": "integer"]]]],
    ]),
  ToolDefinition(name: "clock"),
]

/// A reply that is slightly wrong, and the calls it means. No marker of it may show.
private func wrong(
  _ name: String, _ syntax: ToolCallFormat.Syntax, _ text: String, _ calls: [(String, String)],
  reasoning: String? = nil,
  content: String? = nil, startsInReasoning: Bool = false
) -> ReplySample {
  ReplySample(
    name: "\(syntax): \(name)", syntax: syntax, text: text, reasoning: reasoning, content: content, calls: calls,
    completeness: calls.map { _ in true }, startsInReasoning: startsInReasoning, isEnded: true, tools: lookupTools)
}

private let tea = ("lookup", #"{"q": "tea"}"#)
private let clock = ("clock", "{}")

let malformedReplies: [ReplySample] =
  wrongObjects + wrongFunctions + wrongKeys + wrongSections + wrongArrays + wrongChannels + wrongReasoning

private let wrongObjects: [ReplySample] = [
  wrong(
    "raw line breaks and tabs", .hermes,
    "<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"a\n\tb\"}}\n</tool_call>",
    [("lookup", #"{"q": "a\n\tb"}"#)]),
  wrong(
    "a brace too many", .hermes, "<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}}\n</tool_call>",
    [tea]),
  wrong(
    "a brace too few", .hermes, "<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}\n</tool_call>",
    [tea]),
  wrong(
    "two braces too few", .hermes, "<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"</tool_call>",
    [tea]),
  wrong(
    "a string that is not closed", .hermes,
    "<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea</tool_call>", [tea]),
  wrong(
    "braces doubled", .hermes, "<tool_call>\n{{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}}}\n</tool_call>",
    [tea]),
  wrong(
    "Python's words and quotes", .hermes,
    "<tool_call>{'name': 'lookup', 'arguments': {'q': 'tea \"x\"', 'deep': True, 'note': None}}</tool_call>",
    [("lookup", #"{"q": "tea \"x\"", "deep": true, "note": null}"#)]),
  wrong(
    "commas too many", .hermes, "<tool_call>{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\",},}</tool_call>",
    [tea]),
  wrong(
    "quotes that are not escaped", .hermes,
    "<tool_call>{\"name\": \"lookup\", \"arguments\": {\"q\": \"say \"hi\" now\"}}</tool_call>",
    [("lookup", #"{"q": "say \"hi\" now"}"#)]),
  wrong(
    "escapes that JSON lacks", .hermes,
    #"<tool_call>{"name": "lookup", "arguments": {"q": "\d+ it\'s"}}</tool_call>"#, [("lookup", #"{"q": "\\d+ it's"}"#)]
  ),
  wrong(
    "a name without quotes", .hermes, "<tool_call>{name: \"lookup\", arguments: {q: \"tea\"}}</tool_call>", [tea]),
  wrong(
    "no end", .hermes, "<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}", [tea]),
  wrong(
    "no end of the first", .hermes,
    "<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}\n<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>",
    [tea, clock]),
  wrong(
    "two in one tag", .hermes,
    "<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>",
    [tea, clock]),
  wrong(
    "an array", .hermes,
    "<tool_call>[{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}, {\"name\": \"clock\", \"arguments\": {}}]</tool_call>",
    [tea, clock]),
  wrong(
    "a fence", .hermes,
    "<tool_call>\n```json\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}\n```\n</tool_call>", [tea]),
  wrong(
    "the tag twice", .hermes,
    "<tool_call>\n<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}\n</tool_call>\n</tool_call>",
    [tea]),
  wrong(
    "the opener as the end", .hermes,
    "<tool_call>{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}<tool_call>", [tea]),
  wrong(
    "no opener", .hermes, "{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}\n</tool_call>", [tea]),
  wrong(
    "no opener after text", .hermes, "I look.\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}\n</tool_call>",
    [tea],
    content: "I look."),
  wrong(
    "bare in a fence", .hermes, "```json\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}\n```", [tea]),
  wrong(
    "as the API writes it", .hermes,
    #"<tool_call>{"type": "function", "function": {"name": "lookup", "arguments": {"q": "tea"}}}</tool_call>"#, [tea]),
  wrong(
    "a prefix of the name", .hermes,
    #"<tool_call>{"name": "functions.lookup", "arguments": {"q": "tea"}}</tool_call>"#, [tea]),
  wrong(
    "arguments as text that is not JSON", .hermes,
    #"<tool_call>{"name": "lookup", "arguments": "{'q': 'tea'}"}</tool_call>"#, [tea]),
  wrong(
    "an empty list for no arguments", .hermes, #"<tool_call>{"name": "clock", "arguments": []}</tool_call>"#, [clock]),
  wrong(
    "another family's form", .hermes,
    "<tool_call>\n<function=lookup>\n<parameter=q>\ntea\n</parameter>\n</function>\n</tool_call>",
    [tea]),
]

private let wrongFunctions: [ReplySample] = [
  wrong(
    "names as attributes", .qwenCoder,
    "<tool_call>\n<function name=\"lookup\">\n<parameter name=\"q\">\ntea\n</parameter>\n<parameter name='k'>3</parameter>\n"
      + "</function>\n</tool_call>", [("lookup", #"{"q": "tea", "k": 3}"#)]),
  wrong(
    "names as attributes, no opener, two calls", .qwenCoder,
    "I look.\n<function name=\"lookup\"><parameter name=\"q\">tea<parameter name=\"k\">3</function>"
      + "<function name=clock></function>",
    [("lookup", #"{"q": "tea", "k": 3}"#), clock], content: "I look."),
  wrong(
    "names as attributes in another family's tags", .hermes,
    "<tool_call><function name=\"lookup\"><parameter name=\"q\">tea</parameter></function></tool_call>", [tea]),
  wrong(
    "one name as an attribute", .qwenCoder,
    "<tool_call>\n<function=lookup>\n<parameter name=\"q\">\n<parameter=x>\n</parameter>\n</function>\n</tool_call>",
    [("lookup", #"{"q": "<parameter=x>"}"#)]),
  wrong(
    "no opener", .qwenCoder,
    "I look.\n\n<function=lookup>\n<parameter=q>\ntea\n</parameter>\n</function>\n</tool_call>", [tea],
    content: "I look."),
  wrong(
    "no opener at the beginning", .qwenCoder,
    "<function=lookup>\n<parameter=q>\ntea\n</parameter>\n</function>", [tea]),
  wrong(
    "a parameter closed by the function's end", .qwenCoder,
    "<tool_call>\n<function=lookup>\n<parameter=q>\ntea\n</function>\n</tool_call>", [tea]),
  wrong(
    "a parameter closed by the call's end", .qwenCoder,
    "<tool_call>\n<function=lookup>\n<parameter=q>\ntea\n</tool_call>", [tea]),
  wrong(
    "a parameter that is not closed", .qwenCoder,
    "<tool_call>\n<function=lookup>\n<parameter=q>\ntea\n<parameter=k>\n3\n</parameter>\n</function>\n</tool_call>",
    [("lookup", #"{"q": "tea", "k": 3}"#)]),
  wrong("a parameter that ends the reply", .qwenCoder, "<tool_call>\n<function=lookup>\n<parameter=q>\ntea", [tea]),
  wrong(
    "no end of the function", .qwenCoder,
    "<tool_call>\n<function=lookup>\n<parameter=q>\ntea\n</parameter>\n</tool_call>", [tea]),
  wrong("no end at all", .qwenCoder, "<tool_call>\n<function=lookup>\n<parameter=q>\ntea\n</parameter>", [tea]),
  wrong(
    "Python's words", .qwenCoder,
    "<tool_call>\n<function=lookup>\n<parameter=deep>\nTrue\n</parameter>\n<parameter=note>\nNone\n</parameter>\n"
      + "<parameter=opts>\n{'a': 1}\n</parameter>\n<parameter=ids>\n[1, 2,]\n</parameter>\n</function>\n</tool_call>",
    [("lookup", #"{"deep": true, "note": null, "opts": {"a": 1}, "ids": [1, 2]}"#)]),
  wrong(
    "text where a number should be", .qwenCoder,
    "<tool_call>\n<function=lookup>\n<parameter=k>\nmany\n</parameter>\n</function>\n</tool_call>",
    [("lookup", #"{"k": "many"}"#)]),
  wrong(
    "tags in a value", .qwenCoder,
    "<tool_call>\n<function=lookup>\n<parameter=q>\n<parameter=x> </function> tea\n</parameter>\n</function>\n</tool_call>",
    [("lookup", #"{"q": "<parameter=x> </function> tea"}"#)]),
  wrong(
    "another family's form", .qwenCoder,
    "<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}\n</tool_call>", [tea]),
  wrong(
    "two functions in a tag", .qwenCoder,
    "<tool_call>\n<function=lookup>\n<parameter=q>\ntea\n</parameter>\n</function>\n<function=clock>\n</function>\n</tool_call>",
    [tea, clock]),
  wrong(
    "a quoted name", .qwenCoder,
    "<tool_call>\n<function=\"lookup\">\n<parameter=\"q\">\ntea\n</parameter>\n</function>\n</tool_call>", [tea]),
  wrong(
    "an object that lacks a brace", .qwenCoder,
    "<tool_call>\n<function=lookup>\n{\"q\": \"tea\"\n</function>\n</tool_call>", [tea]),
]

private let wrongKeys: [ReplySample] = [
  wrong(
    "no opener", .glm, "Look.\nlookup\n<arg_key>q</arg_key>\n<arg_value>tea</arg_value>\n</tool_call>", [tea],
    content: "Look."),
  wrong("no opener at the beginning", .glm, "lookup<arg_key>q</arg_key><arg_value>tea</arg_value></tool_call>", [tea]),
  wrong(
    "a value that is not closed", .glm,
    "<tool_call>lookup\n<arg_key>q</arg_key>\n<arg_value>tea\n<arg_key>k</arg_key>\n<arg_value>3</arg_value>\n</tool_call>",
    [("lookup", #"{"q": "tea", "k": 3}"#)]),
  wrong(
    "a value closed by the call's end", .glm, "<tool_call>lookup\n<arg_key>q</arg_key>\n<arg_value>tea\n</tool_call>",
    [tea]),
  wrong(
    "a key that is not closed", .glm, "<tool_call>lookup\n<arg_key>q<arg_value>tea</arg_value>\n</tool_call>", [tea]),
  wrong(
    "a value that is not opened", .glm, "<tool_call>lookup\n<arg_key>q</arg_key>tea</arg_value>\n</tool_call>", [tea]),
  wrong("no end", .glm, "<tool_call>lookup\n<arg_key>q</arg_key>\n<arg_value>tea</arg_value>\n", [tea]),
  wrong(
    "Python's words", .glm,
    "<tool_call>lookup\n<arg_key>deep</arg_key>\n<arg_value>True</arg_value>\n<arg_key>note</arg_key>\n<arg_value>None</arg_value>\n</tool_call>",
    [("lookup", #"{"deep": true, "note": null}"#)]),
  wrong("an object", .glm, "<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}\n</tool_call>", [tea]),
  wrong("arguments as an object that lacks a brace", .glm, "<tool_call>lookup\n{\"q\": \"tea\"\n</tool_call>", [tea]),
  wrong("no arguments and no line break", .glm, "<tool_call>clock</tool_call>", [clock]),
  wrong(
    "each tag twice", .glm,
    "<tool_call><tool_call>lookup\n<arg_key><arg_key>q</arg_key></arg_key>\n<arg_value><arg_value>tea</arg_value></arg_value>\n</tool_call></tool_call>",
    [tea]),
  wrong(
    "each tag twice, on lines of their own", .glm,
    "<tool_call>\n<tool_call>\nlookup\n<arg_key>\n<arg_key>q</arg_key>\n</arg_key>\n<arg_value>tea</arg_value>\n</arg_value>\n</tool_call>\n</tool_call>",
    [tea]),
]

private let wrongSections: [ReplySample] = [
  wrong(
    "no fence", .deepSeekFenced,
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>lookup\n{\"q\": \"tea\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    [tea]),
  wrong(
    "a fence without its language", .deepSeekFenced,
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>lookup\n```\n{\"q\": \"tea\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    [tea]),
  wrong(
    "as V3.1", .deepSeekFenced,
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>lookup<｜tool▁sep｜>{\"q\": \"tea\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    [tea]),
  wrong(
    "as V3", .deepSeekPlain,
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>lookup\n```json\n{\"q\": \"tea\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    [tea]),
  wrong(
    "no beginning of the call", .deepSeekFenced,
    "<｜tool▁calls▁begin｜>function<｜tool▁sep｜>lookup\n```json\n{\"q\": \"tea\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    [tea]),
  wrong(
    "no separator", .deepSeekPlain, "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>lookup\n{\"q\": \"tea\"}<｜tool▁call▁end｜>",
    [tea]),
  wrong(
    "no end of the call", .deepSeekPlain,
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>lookup<｜tool▁sep｜>{\"q\": \"tea\"}<｜tool▁call▁begin｜>clock<｜tool▁sep｜>{}<｜tool▁calls▁end｜>",
    [tea, clock]),
  wrong(
    "letters instead of tokens", .deepSeekFenced,
    "<|tool_calls_begin|><|tool_call_begin|>function<|tool_sep|>lookup\n```json\n{\"q\": \"tea\"}\n```<|tool_call_end|><|tool_calls_end|>",
    [tea]),
  wrong(
    "a raw line break, a brace too many", .deepSeekPlain,
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>lookup<｜tool▁sep｜>{\"q\": \"a\nb\"}}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    [("lookup", #"{"q": "a\nb"}"#)]),
  wrong(
    "a brace too few", .deepSeekFenced,
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>lookup\n```json\n{\"q\": \"tea\"\n```<｜tool▁call▁end｜>",
    [tea]),
  wrong(
    "each marker twice", .deepSeekFenced,
    "<｜tool▁calls▁begin｜><｜tool▁calls▁begin｜><｜tool▁call▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜><｜tool▁sep｜>lookup\n```json\n{\"q\": \"tea\"}\n```<｜tool▁call▁end｜><｜tool▁call▁end｜><｜tool▁calls▁end｜><｜tool▁calls▁end｜>",
    [tea]),
  wrong(
    "each marker twice", .kimi,
    "<|tool_calls_section_begin|><|tool_calls_section_begin|><|tool_call_begin|><|tool_call_begin|>functions.lookup:0<|tool_call_argument_begin|><|tool_call_argument_begin|>{\"q\": \"tea\"}<|tool_call_end|><|tool_call_end|><|tool_calls_section_end|><|tool_calls_section_end|>",
    [tea]),
  wrong(
    "no prefix and no index", .kimi,
    "<|tool_calls_section_begin|><|tool_call_begin|>lookup<|tool_call_argument_begin|>{\"q\": \"tea\"}<|tool_call_end|><|tool_calls_section_end|>",
    [tea]),
  wrong(
    "another name of the section", .kimi,
    "<|tool_call_section_begin|><|tool_call_begin|>functions.lookup:0<|tool_call_argument_begin|>{\"q\": \"tea\"}<|tool_call_end|><|tool_call_section_end|>",
    [tea]),
  wrong(
    "arguments as text", .kimi,
    #"<|tool_calls_section_begin|><|tool_call_begin|>functions.lookup:0<|tool_call_argument_begin|>"{\"q\": \"tea\"}"<|tool_call_end|>"#,
    [tea]),
  wrong(
    "no arguments' beginning", .kimi,
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.lookup:0{\"q\": \"tea\"}<|tool_call_end|><|tool_calls_section_end|>",
    [tea]),
]

private let wrongArrays: [ReplySample] = [
  wrong("no array", .mistral, "[TOOL_CALLS] {\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}", [tea]),
  wrong(
    "the marker twice", .mistral, "[TOOL_CALLS][TOOL_CALLS] [{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}]",
    [tea]),
  wrong(
    "the newer form's markers twice", .mistral, "[TOOL_CALLS][TOOL_CALLS]lookup[ARGS][ARGS]{\"q\": \"tea\"}", [tea]),
  wrong("no marker", .mistral, "[{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}]", [tea]),
  wrong(
    "a bracket too few, a brace too many", .mistral,
    "[TOOL_CALLS] [{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}}", [tea]),
  wrong("the newer form", .mistral, "[TOOL_CALLS]lookup[ARGS]{\"q\": \"tea\"}[TOOL_CALLS]clock[ARGS]{}", [tea, clock]),
  wrong("the newer form with an id", .mistral, "[TOOL_CALLS]lookup[CALL_ID]abcdefghi[ARGS]{\"q\": \"tea\"}", [tea]),
  wrong("the newer form without its marker", .mistral, "[TOOL_CALLS]lookup{\"q\": \"tea\"}", [tea]),
  wrong(
    "the name as the function", .llama,
    "{\"type\": \"function\", \"function\": \"lookup\", \"parameters\": {\"q\": \"tea\"}}", [tea]),
  wrong(
    "the marker twice", .llama, "<|python_tag|><|python_tag|>{\"name\": \"lookup\", \"parameters\": {\"q\": \"tea\"}}",
    [tea]),
  wrong("a fence", .llama, "```json\n{\"name\": \"lookup\", \"parameters\": {\"q\": \"tea\"}}\n```", [tea]),
  wrong(
    "an array", .llama,
    "[{\"name\": \"lookup\", \"parameters\": {\"q\": \"tea\"}}, {\"name\": \"clock\", \"parameters\": {}}]",
    [tea, clock]),
  wrong("a brace too few", .llama, "{\"name\": \"lookup\", \"parameters\": {\"q\": \"tea\"}", [tea]),
  wrong("a brace too many", .llama, "<|python_tag|>{\"name\": \"lookup\", \"parameters\": {\"q\": \"tea\"}}}", [tea]),
]

private let wrongChannels: [ReplySample] =
  [
    "<|start|>assistant<|channel|>commentary<|channel|>commentary to=functions.lookup <|constrain|>json<|message|>",
    "<|start|>assistant to=functions.lookup<|channel|>commentary<|channel|>commentary json<|message|>",
    "<|start|>assistant<|channel|>commentary to=functions.lookup<|channel|>commentary <|constrain|>json<|message|>",
    "<|start|>assistant<|start|>assistant<|channel|>commentary to=functions.lookup<|message|>",
    "<|start|>assistant<|channel|>commentaryto=functions.lookup <|constrain|>json<|message|>",
    "<|start|>assistant<|channel|>analysis to=functions.lookup code<|message|>",
    "<|start|>assistant<|channel|>commentary to=lookup <|constrain|>json<|message|>",
    "<|start|>assistant<|channel|>commentary <|constrain|>json to=functions.lookup<|message|>",
    "assistant<|channel|>commentary to=functions.lookup <|constrain|>json<|message|>",
    "<|channel|>commentary to=functions.lookup <|constrain|>json<|message|>",
    "<|start|>assistant<|channel|>commentary to=functions.lookup <|constrain|>json",
    "<|start|>assistant<|channel|>commentary to=functions.lookup <|constrain|>json<|message|><|message|>",
  ].map { header in
    wrong(
      header, .harmony, "<|channel|>analysis<|message|>T<|end|>" + header + "{\"q\": \"tea\"}<|call|>", [tea],
      reasoning: "T")
  } + [
    wrong(
      "the channel twice", .harmony, "<|channel|>final<|channel|>final<|message|>Yes.<|return|>", [], content: "Yes."),
    wrong(
      "the beginning of the body twice", .harmony,
      "<|channel|>analysis<|message|><|message|>T<|end|><|start|>assistant<|channel|>final<|message|><|message|>Yes.<|return|>",
      [], reasoning: "T", content: "Yes."),
    wrong(
      "a recipient that is the user", .harmony, "<|channel|>final to=user<|message|>Yes.<|return|>", [], content: "Yes."
    ),
    wrong(
      "arguments that lack a brace", .harmony,
      "<|channel|>commentary to=functions.lookup <|constrain|>json<|message|>{\"q\": \"tea\"<|call|>",
      [tea]),
    wrong(
      "what a tool would have answered", .harmony,
      "<|channel|>commentary to=functions.lookup <|constrain|>json<|message|>{\"q\": \"tea\"}<|call|>"
        + "<|start|>functions.lookup to=assistant<|channel|>commentary<|message|>{\"hits\": 3}<|end|>"
        + "<|start|>assistant<|channel|>final<|message|>Three.<|return|>", [tea], content: "Three."),
    wrong(
      "what other tools would have answered", .harmony,
      "<|start|>browser.search<|message|>[1]<|end|><|start|>lookup to=assistant<|message|>[2]<|end|>"
        + "<|start|>tool<|channel|>commentary<|message|>[3]<|call|><|start|>assistant<|channel|>final<|message|>None.",
      [], content: "None."),
    wrong("no message marker", .harmony, "<|channel|>final Yes.<|return|>", [], content: "Yes."),
  ]

private let wrongReasoning: [ReplySample] = [
  wrong(
    "its end twice", .hermes, "<think>\nHm.\n</think>\n</think>\n\nYes.", [], reasoning: "Hm.", content: "Yes."),
  wrong(
    "a call in reasoning that is not closed", .hermes,
    "<think>\nI need it.\n<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>", [clock],
    reasoning: "I need it."),
  wrong(
    "a call before the reasoning's end, and nothing after", .hermes,
    "<think>\nI need it.\n<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>\n</think>\n", [clock],
    reasoning: "I need it."),
  wrong(
    "a call in reasoning that goes on", .hermes,
    "<think>\nA <tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>\nor so.</think>Yes.", [],
    reasoning: "A <tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>\nor so.", content: "Yes."),
  wrong(
    "a call in reasoning, and one after it", .hermes,
    "<think><tool_call>{\"name\": \"clock\"}</tool_call></think><tool_call>{\"name\": \"clock\"}</tool_call>", [clock],
    reasoning: "<tool_call>{\"name\": \"clock\"}</tool_call>"),
  wrong(
    "two calls in reasoning that is not closed", .qwenCoder,
    "Hm.\n<tool_call>\n<function=clock>\n</function>\n</tool_call>\n<tool_call>\n<function=clock>\n</function>\n</tool_call>",
    [clock, clock], reasoning: "Hm.", startsInReasoning: true),
  wrong(
    "a call in reasoning", .glm, "Hm.\n<tool_call>clock\n</tool_call>", [clock], reasoning: "Hm.",
    startsInReasoning: true),
  wrong(
    "a call in reasoning", .kimi,
    "Hm.<|tool_calls_section_begin|><|tool_call_begin|>functions.clock:0<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
    [clock], reasoning: "Hm.", startsInReasoning: true),
  wrong(
    "an answer in reasoning that the template opened", .hermes, "The answer is 4.", [],
    content: "The answer is 4.", startsInReasoning: true),
]
