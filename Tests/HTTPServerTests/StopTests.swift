import EngineAPI
import HTTPConnection
import JSON
import ModelText
import Testing

@testable import HTTPServer
import Tokenization

/// What ends a text, and what a model is told of tools.
@Suite struct StopTests {
  @Test func aHiddenTextIsWaitedForButNeverShown() {
    var stops = StopStrings(["<e>", "b<n>c"])
    #expect(stops.push("a") == ("a", false))
    #expect(stops.push("b") == ("", false))
    #expect(stops.push("<n>", isHidden: true) == ("", false))
    #expect(stops.push("x") == ("bx", false))
    #expect(stops.push("y<") == ("y", false))
    #expect(stops.push("z") == ("<z", false))
    #expect(stops.push("b") == ("", false) && stops.push("<n>", isHidden: true) == ("", false))
    #expect(stops.push("cd") == ("", true))
    var other = StopStrings(["<e>"])
    #expect(other.push("a<e", isHidden: false) == ("a", false))
    #expect(other.flush() == "<e")
    #expect(other.push("<e>", isHidden: true) == ("", true))
    var none = StopStrings([])
    #expect(none.push("<e>", isHidden: true) == ("", false))
  }

  @Test(arguments: ["stop", "stop_token_ids"]) func aSpecialTokenEndsATextWhereAskedFor(parameter: String) async throws
  {
    // <think> and </think> are special tokens of this model, without meaning here.
    let model = TestModel.tools
    let id = try #require(try model.codec.tokenizer().id(of: "</tool_call>"))
    let engine = model.engine(answering: "Hi.</tool_call> More")
    try await TestServer.run(engine, model: model) { server in
      let reply = try await server.complete([
        .init(stringLiteral: parameter): parameter == "stop" ? ["</tool_call>"] : [.int(id)], "max_tokens": 50,
      ])
      #expect(reply.status == 200)
      if parameter == "stop" {
        #expect(reply.choices[0]["text"] == "Hi." && reply.choices[0]["finish_reason"] == "stop")
      }
      #expect(engine.submitted[0].stopTokens.contains(Int32(id)) == (parameter != "stop"))
    }
  }

  @Test func toolsThatTheTemplateDoesNotShowAreTold() async throws {
    let engine = TestModel.silent.engine(answering: "Hi.")
    try await TestServer.run(engine, model: .silent) { server in
      let plain = try await server.chat()
      #expect(plain.status == 200)
      let reply = try await server.chat(["tools": [ToolTests.weather]])
      #expect(reply.status == 200)
      let prompts = try engine.submitted.map {
        try TestModel.silent.codec.tokenizer().decode($0.prompt.map { Int($0) }, skipSpecialTokens: false)
      }
      #expect(!prompts[0].contains("weather"))
      #expect(prompts[1].contains("system:## Tools") && prompts[1].contains("### weather"))
      #expect(
        prompts[1].contains("<tool_call>\n{\"name\": \"tool_name\", \"arguments\": tool_arguments}\n</tool_call>"))
    }
  }

  @Test func aToolWhoseParametersCannotBeKeptToIsNamed() async throws {
    try await TestServer.run(TestModel.tools.engine(answering: "x"), model: .tools) { server in
      let bad: JSONValue = [
        "type": "function",
        "function": [
          "name": "bad", "parameters": ["type": "object", "properties": ["a": ["type": "string", "pattern": "("]]],
        ],
      ]
      let reply = try await server.chat(["tools": [ToolTests.weather, bad], "tool_choice": "required"])
      #expect(reply.status == 400 && reply.errorMessage.contains("'bad'"))
      #expect(reply.json["error"]?["param"] == "tools[1].function.parameters")
    }
  }

  @Test func oneCallIsAllWhereTheyMayNotBeParallel() async throws {
    let engine = TestModel.tools.engine(answering: ToolTests.call + "\n" + ToolTests.call)
    try await TestServer.run(engine, model: .tools) { server in
      for stream in [false, true] {
        let reply = try await server.chat([
          "tools": [ToolTests.weather], "parallel_tool_calls": false, "stream": .bool(stream),
        ])
        let starts = reply.choices.flatMap { ($0["delta"] ?? $0["message"])?["tool_calls"]?.array ?? [] }
          .filter { $0["function"]?["name"] != nil }
        #expect(starts.count == 1 && reply.choices.last?["finish_reason"] == "tool_calls")
      }
    }
  }

  @Test func aFormatLeavesRoomForACall() async throws {
    let engine = TestModel.tools.engine(answering: ToolTests.call)
    try await TestServer.run(engine, model: .tools) { server in
      let reply = try await server.chat(["tools": [ToolTests.weather], "response_format": ["type": "json_object"]])
      #expect(reply.json["choices"]?.array?[0]["message"]?["tool_calls"]?.array?.count == 1)
      let grammar = try #require(engine.submitted.last?.grammar)
      #expect(grammar["type"] == "choice" && grammar["items"]?.array?.last == ["type": "json_object"])
    }
  }
}
