@testable import OpenAIProtocol

private let weather = (name: "weather", arguments: "{\"city\": \"Rom\"}")
private let call = "<function=weather>{\"city\": \"Rom\"}</function>"

/// Calls in the tags of Llama 3.1's functions and of Qwen's coders, from models with another form.
let functionTagSamples: [ReplySample] = [ToolCallFormat.Syntax.hermes, .llama, .qwenCoder].flatMap { syntax in
  [
    ReplySample(
      name: "\(syntax), a function's tag", syntax: syntax, text: call, calls: [weather], completeness: [true]),
    ReplySample(
      name: "\(syntax), a function's tag after text", syntax: syntax, text: "Look.\n\n" + call, content: "Look.",
      calls: [weather], completeness: [true]),
    ReplySample(
      name: "\(syntax), two functions' tags", syntax: syntax, text: call + "\n" + call, calls: [weather, weather],
      completeness: [true, true]),
    ReplySample(
      name: "\(syntax), a function that is not offered", syntax: syntax, text: "<function=climate>{}</function>",
      content: "<function=climate>{}</function>"),
    ReplySample(
      name: "\(syntax), a tag in a text", syntax: syntax, text: "Write <function=weather> before it.",
      content: "Write <function=weather> before it."),
  ]
}
