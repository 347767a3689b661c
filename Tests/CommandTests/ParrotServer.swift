import HTTPConnection
import JSON
import ParrotModel
import TestSupport

/// A server over a model that says what it is told to: the whole way from a request to its answer, with replies no
/// model gives when asked.
final class ParrotServer {
  /// A reply, as whole answers and streams tell it.
  struct Answer: Equatable {
    var content = ""
    var reasoning = ""
    var calls: [Call] = []
    var finish: String?
  }

  struct Call: Equatable {
    var id = ""
    var name = ""
    var arguments = ""
  }

  let server: RunningServer
  private let model: ParrotModel
  private let folder = TemporaryFolder()
  private static let mark = "\u{1}"

  init(_ model: ParrotModel, options: [String] = []) throws {
    self.model = model
    try model.write(to: folder)
    server = try RunningServer(["--model", folder.path, "--served-model-name", "parrot", "--threads", "1"] + options)
  }

  /// A request whose last message, a user's, has the model answer with `script`. `before`: earlier messages.
  func body(saying script: String, before: [JSONValue] = [], _ extra: JSONValue = [:]) throws -> JSONValue {
    func messages(_ content: String) -> JSONValue { .array(before + [["role": "user", "content": .string(content)]]) }
    var shown = JSONObject([("messages", messages(Self.mark))])
    for (key, value) in extra.object?.members.map({ ($0.key, $0.value) }) ?? [] where Self.shapesPrompt(key, extra) {
      shown[key] = value
    }
    let ids = try server.post("/tokenize", .object(shown)).json["tokens"]?.array?.compactMap(\.exactInt) ?? []
    guard let following = model.tokenCount(after: 1, in: ids),
      let content = model.content(saying: script, following: following)
    else { throw Connection.Failure(description: "no room for \(script) in \(ids.count) tokens") }
    var body = JSONObject([("model", "parrot"), ("messages", messages(content)), ("temperature", 0)])
    for (key, value) in extra.object?.members.map({ ($0.key, $0.value) }) ?? [] { body[key] = value }
    return .object(body)
  }

  private static func shapesPrompt(_ key: String, _ extra: JSONValue) -> Bool {
    key == "chat_template_kwargs" || key == "tools" && extra["tool_choice"] != "none"
  }

  /// The model's answer, whole or joined from a stream.
  func answer(_ script: String, stream: Bool = false, before: [JSONValue] = [], _ extra: JSONValue = [:]) throws
    -> Answer
  {
    var body = try body(saying: script, before: before, extra).object ?? JSONObject()
    if stream { body["stream"] = true }
    let reply = try server.post("/v1/chat/completions", .object(body))
    guard reply.status == 200 else { throw Connection.Failure(description: "\(reply.status): \(reply.text)") }
    var answer = Answer()
    for choice in reply.choices { answer.add(choice) }
    return answer
  }
}

extension ParrotServer.Answer {
  /// Adds a choice of a whole answer, or of a stream's chunk.
  fileprivate mutating func add(_ choice: JSONValue) {
    let part = choice["delta"] ?? choice["message"] ?? .null
    content += part["content"]?.string ?? ""
    reasoning += part["reasoning_content"]?.string ?? ""
    for (position, call) in (part["tool_calls"]?.array ?? []).enumerated() {
      let index = call["index"]?.exactInt ?? position
      while calls.count <= index { calls.append(.init()) }
      calls[index].id += call["id"]?.string ?? ""
      calls[index].name += call["function"]?["name"]?.string ?? ""
      calls[index].arguments += call["function"]?["arguments"]?.string ?? ""
    }
    finish = choice["finish_reason"]?.string ?? finish
  }
}
