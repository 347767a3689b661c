import JSON
import Testing

@testable import OpenAIProtocol

/// A request with the least a chat needs, and these members.
func chatBody(_ members: [(String, JSONValue)] = []) -> JSONValue {
  .object(JSONObject([("model", "m"), ("messages", [["role": "user", "content": "Hi"]])] + members))
}

func completionBody(_ members: [(String, JSONValue)] = []) -> JSONValue {
  .object(JSONObject([("model", "m"), ("prompt", "Hi")] + members))
}

func json(_ text: String) throws -> JSONValue { try JSONValue(requestBody: text.utf8) }

/// The refusal of a chat request whose member `name` is the JSON `text`.
func chatRefusal(_ name: String, _ text: String, also members: [(String, JSONValue)] = []) throws -> APIError {
  let body = chatBody(members + [(name, try json(text))])
  return try #require(throws: APIError.self) { try ChatCompletionRequest(body) }
}

func completionRefusal(_ name: String, _ text: String) throws -> APIError {
  let body = completionBody([(name, try json(text))])
  return try #require(throws: APIError.self) { try CompletionRequest(body) }
}

/// One member of a request, and what refusing it says.
struct BadMember: Sendable, CustomTestStringConvertible {
  var name: String
  var text: String
  var param: String
  var code: String

  init(_ name: String, _ text: String, _ code: String, param: String? = nil) {
    self.name = name
    self.text = text
    self.code = code
    self.param = param ?? name
  }

  var testDescription: String { "\(name): \(text.prefix(60))" }
}

let weatherTool: JSONValue = [
  "type": "function", "function": ["name": "weather", "parameters": ["type": "object", "properties": [:]]],
]
