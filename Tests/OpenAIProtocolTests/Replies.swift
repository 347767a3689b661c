import JSON
import Testing

@testable import OpenAIProtocol

/// The same id for every call.
let constantIdentifiers = IdentifierSource { 0 }

/// A text a model wrote, and what it holds.
struct ReplySample: Sendable, CustomTestStringConvertible {
  var name: String
  var syntax: ToolCallFormat.Syntax
  var text: String
  var reasoning: String?
  var content: String?
  var calls: [(name: String, arguments: String)] = []
  var completeness: [Bool]?
  var startsInReasoning = false
  var hasTools = true
  var continuesReasoning = false
  /// The model ended its reply by itself.
  var isEnded = false
  var callLimit = Int.max
  var tools = sampleTools

  var testDescription: String { name }

  var format: ToolCallFormat {
    let tags: ToolCallFormat.ReasoningTags? =
      switch syntax {
      case .harmony: nil
      case .solar: .init(open: "<|think|>", close: "<|end|>")
      default: .init(open: "<think>", close: "</think>")
      }
    return ToolCallFormat(syntax: syntax, reasoningTags: tags)
  }

  /// Neighbouring events of the same kind joined.
  func events(_ pieces: [String]) -> [ReplyEvent] {
    var parser = ReplyParser(
      format: format, tools: hasTools ? tools : [], startsInReasoning: startsInReasoning,
      continuesReasoning: continuesReasoning, callLimit: callLimit, identifiers: constantIdentifiers)
    var events: [ReplyEvent] = []
    for piece in pieces { events += parser.push(piece) }
    return joined(events + parser.finish(isCutOff: !isEnded))
  }
}

let sampleTools = [
  ToolDefinition(
    name: "weather",
    parameters: [
      "type": "object",
      "properties": ["city": ["type": "string"], "days": ["type": "integer"], "tags": ["type": "array"]],
    ]),
  ToolDefinition(name: "now"),
]

func joined(_ events: [ReplyEvent]) -> [ReplyEvent] {
  var result: [ReplyEvent] = []
  for event in events {
    switch (result.last, event) {
    case (.reasoning(let a), .reasoning(let b)): result[result.count - 1] = .reasoning(a + b)
    case (.content(let a), .content(let b)): result[result.count - 1] = .content(a + b)
    case (.toolCallArguments(let i, let a), .toolCallArguments(let j, let b)) where i == j:
      result[result.count - 1] = .toolCallArguments(index: i, delta: a + b)
    default: result.append(event)
    }
  }
  return result
}

func reply(_ events: [ReplyEvent]) -> Reply { events.reduce(into: Reply()) { $0.add($1) } }

extension String {
  /// This text in two pieces, cut after `count` Unicode scalars.
  func cut(_ count: Int) -> [String] {
    let scalars = Array(unicodeScalars)
    return [scalars[..<count], scalars[count...]].map { part in
      var text = ""
      text.unicodeScalars.append(contentsOf: part)
      return text
    }
  }

  var inScalars: [String] { unicodeScalars.map { String($0) } }
}
