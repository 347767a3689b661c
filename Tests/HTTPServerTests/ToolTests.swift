import EngineAPI
import HTTPConnection
import JSON
import ModelText
import OpenAIProtocol
import Testing

@testable import HTTPServer
import Tokenization

@Suite struct ToolTests {
  static let weather: JSONValue = [
    "type": "function",
    "function": [
      "name": "weather",
      "parameters": ["type": "object", "properties": ["town": ["type": "string"]], "required": ["town"]],
    ],
  ]
  static let call = #"<tool_call>\#n{"name": "weather", "arguments": {"town": "Bonn"}}\#n</tool_call>"#

  @Test(arguments: [false, true]) func callsAreReadFromTheText(stream: Bool) async throws {
    let engine = TestModel.tools.engine(answering: "Let me look.\n" + Self.call)
    try await TestServer.run(engine, model: .tools) { server in
      let reply = try await server.chat(["tools": [Self.weather], "stream": .bool(stream)])
      #expect(reply.status == 200)
      var (name, arguments, content) = ("", "", "")
      let parts =
        stream
        ? reply.chunks.compactMap { $0["choices"]?.array?.first?["delta"] }
        : [reply.json["choices"]?.array?[0]["message"] ?? .null]
      for part in parts {
        content += part["content"]?.string ?? ""
        for call in part["tool_calls"]?.array ?? [] {
          name += call["function"]?["name"]?.string ?? ""
          arguments += call["function"]?["arguments"]?.string ?? ""
        }
      }
      #expect(name == "weather" && content == "Let me look.")
      #expect(try JSONValue(parsing: arguments) == ["town": "Bonn"])
      let last = stream ? reply.chunks.last?["choices"]?.array?[0] : reply.json["choices"]?.array?[0]
      #expect(last?["finish_reason"] == "tool_calls")
      let prompt = engine.submitted[0].prompt.map { Int($0) }
      let text = try TestModel.tools.codec.tokenizer().decode(prompt, skipSpecialTokens: true)
      #expect(text.contains("weather"), "the template gets the tools")
    }
  }

  @Test func aForcedCallIsAGrammar() async throws {
    let engine = TestModel.tools.engine(answering: Self.call)
    try await TestServer.run(engine, model: .tools) { server in
      let forced: JSONValue = ["type": "function", "function": ["name": "weather"]]
      let reply = try await server.chat(["tools": [Self.weather], "tool_choice": forced])
      #expect(reply.json["choices"]?.array?[0]["message"]?["tool_calls"]?.array?.count == 1)
      let grammar = try #require(engine.submitted.last?.grammar).text()
      #expect(grammar.contains("weather") && grammar.contains("town") && grammar.contains("tool_call"))
      _ = try await server.chat(["tools": [Self.weather], "tool_choice": "none"])
      #expect(engine.submitted.last?.grammar == nil)
      let text = try TestModel.tools.codec.tokenizer().decode(
        engine.submitted.last?.prompt.map { Int($0) } ?? [], skipSpecialTokens: true)
      #expect(!text.contains("weather"), "tools that must not be called are not offered")
    }
  }

  @Test func toolsAreRefusedWhereTheTemplateShowsNoForm() async throws {
    try await TestServer.run(TestModel.plain.engine(answering: "x")) { server in
      let reply = try await server.chat(["tools": [Self.weather]])
      #expect(reply.status == 400 && reply.json["error"]?["param"] == "tools")
    }
  }

  @Test func aSchemaBecomesAGrammar() async throws {
    let engine = TestModel.plain.engine(answering: #"{"a": 1}"#)
    try await TestServer.run(engine) { server in
      let schema: JSONValue = ["type": "object", "properties": ["a": ["type": "integer"]]]
      let format: JSONValue = ["type": "json_schema", "json_schema": ["name": "n", "schema": schema]]
      let reply = try await server.chat(["response_format": format])
      #expect(reply.status == 200)
      #expect(engine.submitted.last?.grammar == ["type": "json", "schema": schema])
      _ = try await server.complete(["response_format": ["type": "json_object"]])
      #expect(engine.submitted.last?.grammar == ["type": "json_object"])
      _ = try await server.chat(["response_format": ["type": "text"]])
      #expect(engine.submitted.last?.grammar == nil)
    }
  }

  /// `strict` promises an order, and that nothing else comes.
  @Test func strictSchemasAreClosedAndKeepTheirOrder() async throws {
    let engine = TestModel.tools.engine(answering: Self.call)
    try await TestServer.run(engine, model: .tools) { server in
      let schema: JSONValue = ["type": "object", "properties": ["b": ["type": "integer"], "a": ["type": "integer"]]]
      var closed = try #require(schema.object)
      closed["additionalProperties"] = false
      closed["required"] = ["b", "a"]
      let strict: JSONValue = ["type": "json", "schema": .object(closed), "in_order": true]
      let format: JSONValue = ["type": "json_schema", "json_schema": ["name": "n", "schema": schema, "strict": true]]
      _ = try await server.chat(["response_format": format])
      #expect(engine.submitted.last?.grammar == strict)
      for isStrict in [true, false] {
        let function: JSONValue = ["name": "weather", "parameters": schema, "strict": .bool(isStrict)]
        let tool: JSONValue = ["type": "function", "function": function]
        _ = try await server.chat(["tools": [tool], "tool_choice": "required"])
        let grammar = try #require(engine.submitted.last?.grammar).text()
        #expect(grammar.contains(strict.text()) == isStrict, "\(grammar)")
        #expect(grammar.contains("in_order") == isStrict, "\(grammar)")
      }
    }
  }

  @Test func aSchemaThatCannotBeKeptIsRefused() async throws {
    let engine = TestModel.plain.engine(answering: "x")
    try await TestServer.run(engine) { server in
      let format: JSONValue = [
        "type": "json_schema", "json_schema": ["name": "n", "schema": ["type": "string", "pattern": "("]],
      ]
      let reply = try await server.chat(["response_format": format])
      #expect(reply.status == 400 && reply.errorCode == "invalid_schema")
      #expect(reply.errorMessage.contains("pattern") && engine.submitted.isEmpty)
      #expect(server.modelServer.admission.isEmpty)
    }
  }

  /// Of many tools the one that cannot be kept to is named, whoever speaks which API.
  @Test(arguments: ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
  func aRefusedToolIsNamed(path: String) async throws {
    let engine = TestModel.tools.engine(answering: "x")
    try await TestServer.run(engine, model: .tools) { server in
      func function(_ name: String, _ schema: JSONValue) -> JSONValue {
        switch path {
        case "/v1/messages": ["name": .string(name), "input_schema": schema]
        case "/v1/responses": ["type": "function", "name": .string(name), "parameters": schema, "strict": true]
        default: ["type": "function", "function": ["name": .string(name), "parameters": schema, "strict": true]]
        }
      }
      func body(_ schema: JSONValue) -> JSONValue {
        let good: JSONValue = ["type": "object"]
        let member = path == "/v1/responses" ? "input" : "messages"
        let text: JSONValue = [["role": "user", "content": "W"]]
        var object = JSONObject([(member, text), ("tools", [function("good", good), function("bad_one", schema)])])
        object["tool_choice"] = path == "/v1/messages" ? ["type": "any"] : "required"
        if path == "/v1/messages" { object["max_tokens"] = 9 }
        return .object(object)
      }
      let bad: JSONValue = ["type": "object", "properties": ["a": ["type": "string", "pattern": "("]]]
      let reply = try await server.post(path, body(bad))
      #expect(reply.status == 400, "\(reply.text)")
      #expect(reply.errorMessage.contains("'bad_one'") && reply.errorMessage.contains("pattern"), "\(reply.text)")
      #expect(!reply.errorMessage.contains("'good'") && engine.submitted.isEmpty)
      let place =
        switch path {
        case "/v1/messages": "tools[1].input_schema"
        case "/v1/responses": "tools[1].parameters"
        default: "tools[1].function.parameters"
        }
      #expect(reply.errorMessage.contains("('\(place)')"), "\(reply.text)")
      // The Anthropic API's errors name no parameter.
      if path != "/v1/messages" { #expect(reply.json["error"]?["param"] == .string(place)) }
      #expect(server.modelServer.admission.isEmpty)
      // No tool needs a description.
      #expect(try await server.post(path, body(["type": "object"])).status == 200)
    }
  }

  /// Tools in a namespace have a place of their own, and a format has another in each API.
  @Test func aRefusalNamesThePlaceInTheRequestAsItCame() async throws {
    let bad: JSONValue = ["type": "object", "properties": ["a": ["type": "string", "pattern": "("]]]
    let (left, tool): (JSONValue, JSONValue) = (
      ["type": "web_search", "external_web_access": false],
      ["type": "function", "name": "bad", "parameters": bad, "strict": true]
    )
    let spaced: JSONValue = ["type": "namespace", "name": "n", "tools": [["type": "function", "name": "good"], tool]]
    let format: JSONValue = ["type": "json_schema", "name": "n", "schema": bad]
    let engine = TestModel.tools.engine(answering: "x")
    try await TestServer.run(engine, model: .tools) { server in
      for (extra, place) in [
        (("tools", [left, tool]), "tools[1].parameters"), (("tools", [left, spaced]), "tools[1].tools[1].parameters"),
        (("text", ["format": format]), "text.format"),
      ] as [((String, JSONValue), String)] {
        var body = JSONObject([("input", "W"), extra])
        if extra.0 == "tools" { body["tool_choice"] = "required" }
        let reply = try await server.post("/v1/responses", .object(body))
        #expect(reply.status == 400 && reply.json["error"]?["param"] == .string(place), "\(reply.text)")
      }
      #expect(engine.submitted.isEmpty && server.modelServer.admission.isEmpty)
    }
  }

  @Test func aSchemaMayNotBeLongerThanItsLimit() async throws {
    let engine = TestModel.plain.engine(answering: "x")
    try await TestServer.run(engine) { server in
      let schema: JSONValue = ["type": "object", "description": .string(String(repeating: "a", count: 1 << 20))]
      let reply = try await server.chat([
        "n": 2, "response_format": ["type": "json_schema", "json_schema": ["name": "n", "schema": schema]],
      ])
      #expect(reply.status == 400 && reply.errorCode == "invalid_schema" && reply.errorMessage.contains("1048576"))
      #expect(engine.submitted.isEmpty && server.modelServer.admission.isEmpty)
    }
  }

  @Test func reasoningMayComeBeforeAConstrainedAnswer() async throws {
    let engine = TestModel.reasoning.engine(answering: "</think>\n\n{}")
    try await TestServer.run(engine, model: .reasoning) { server in
      let reply = try await server.chat(["response_format": ["type": "json_object"]])
      #expect(reply.json["choices"]?.array?[0]["message"]?["content"] == "{}")
      #expect(
        engine.submitted.last?.grammar == [
          "type": "sequence",
          "items": [
            ["type": "until", "text": "</think>"],
            [
              "type": "repeated", "item": ["type": "text", "text": "\n"], "separator": "", "at_least": 0, "at_most": 2,
            ],
            ["type": "json_object"],
          ],
        ])
    }
  }
}
