import HTTPConnection
import JSON
import ParrotModel
import TestSupport
import Testing

extension CommandTests {
  /// Replies, templates and clients end to end, over a model that repeats what it is told.
  struct ParrotTests {
    static let chatml = """
      {# <think> #}{% if tools %}<|im_start|>system
      <tool_call>{"name": NAME, "arguments": OBJECT}</tool_call>{% for t in tools %}{{ t | tojson }}
      {% endfor %}<|im_end|>
      {% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
      {{ m.content }}<|im_end|>
      {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
      {% endif %}
      """
    static let hermes = ParrotModel(
      template: .string(chatml), special: ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
      plain: ["<tool_call>", "</tool_call>", "<think>", "</think>"], endToken: "<|im_end|>")
    static let tools: JSONValue = [
      [
        "type": "function",
        "function": [
          "name": "lookup", "parameters": ["type": "object", "properties": ["q": ["type": "string"]]],
        ],
      ]
    ]

    @Test(.timeLimit(.minutes(20))) func aReplyComesAsItWasPutIntoTheModelsMouth() throws {
      let server = try ParrotServer(Self.hermes)
      for stream in [false, true] {
        let text = try server.answer("Grüße, \"☂\"\n<b>.<|im_end|>", stream: stream)
        #expect(text == .init(content: "Grüße, \"☂\"\n<b>.", finish: "stop"))
        var call = try server.answer(
          "Look.\n<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}\n</tool_call><|im_end|>",
          stream: stream,
          ["tools": Self.tools])
        if !call.calls.isEmpty { call.calls[0].id = "" }
        #expect(
          call
            == .init(
              content: "Look.", calls: [.init(name: "lookup", arguments: "{\"q\": \"tea\"}")], finish: "tool_calls"))
      }
    }

    private static func withoutIDs(_ answer: ParrotServer.Answer) -> ParrotServer.Answer {
      var answer = answer
      for i in answer.calls.indices { answer.calls[i].id = "" }
      return answer
    }

    private static let lookup = ParrotServer.Call(name: "lookup", arguments: "{\"q\": \"tea\"}")
    private static let call = "<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}\n</tool_call>"

    @Test(.timeLimit(.minutes(20))) func callsComeBeforeAFormatAndNoMoreThanAskedFor() throws {
      let server = try ParrotServer(Self.hermes)
      let schema: JSONValue = [
        "type": "object", "properties": ["a": ["type": "boolean"]], "required": ["a"], "additionalProperties": false,
      ]
      let format: JSONValue = ["type": "json_schema", "json_schema": ["name": "x", "schema": schema]]
      for stream in [false, true] {
        let called = try server.answer(
          Self.call + "<|im_end|>", stream: stream, ["tools": Self.tools, "response_format": format])
        #expect(Self.withoutIDs(called) == .init(calls: [Self.lookup], finish: "tool_calls"))
        let final = try server.answer(
          "<think>\nYes?\n</think>\n\n{\"a\": true}<|im_end|>", stream: stream,
          ["tools": Self.tools, "response_format": format])
        #expect(final == .init(content: "{\"a\": true}", reasoning: "Yes?", finish: "stop"))
        let one = try server.answer(
          Self.call + "\n" + Self.call + "<|im_end|>", stream: stream,
          ["tools": Self.tools, "parallel_tool_calls": false])
        #expect(Self.withoutIDs(one) == .init(calls: [Self.lookup], finish: "tool_calls"))
        let thought = try server.answer(
          "<think>\nSo.\n" + Self.call + "<|im_end|>", stream: stream, ["tools": Self.tools])
        #expect(Self.withoutIDs(thought) == .init(reasoning: "So.", calls: [Self.lookup], finish: "tool_calls"))
      }
    }

    @Test(
      .timeLimit(.minutes(20)), arguments: ["tokenizer", "generation", "configuration", "template", "stop", "token"])
    func anyFileOrRequestMayNameTheEnd(place: String) throws {
      var model = Self.hermes
      model.endToken = place == "tokenizer" ? "<|im_end|>" : "<|endoftext|>"
      model.generationEnds = [place == "generation" ? "<|im_end|>" : "<|endoftext|>"]
      model.configurationEnds = [place == "configuration" ? "<|im_end|>" : "<|endoftext|>"]
      if place != "template" {
        // Nothing is said of ends by a template that has none.
        model.template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "
      }
      var extra = JSONObject()
      if place == "stop" { extra["stop"] = ["<|im_end|>"] }
      if place == "token" { extra["stop_token_ids"] = [.int(model.id(of: "<|im_end|>") ?? 0)] }
      let server = try ParrotServer(model)
      for stream in [false, true] {
        let answer = try server.answer("Hi.<|im_end|>\nmore<|endoftext|>", stream: stream, .object(extra))
        #expect(answer == .init(content: "Hi.", finish: "stop"))
      }
    }

    @Test(.timeLimit(.minutes(20))) func toolsAreToldWhateverTheTemplateShows() throws {
      var model = Self.hermes
      model.template = [
        [
          "name": "default",
          "template": "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: ",
        ],
        ["name": "tool_use", "template": .string(Self.chatml)],
      ]
      let answer = try ParrotServer(model).answer(Self.call + "<|im_end|>", ["tools": Self.tools])
      #expect(Self.withoutIDs(answer) == .init(calls: [Self.lookup], finish: "tool_calls"))
      // DeepSeek's calls, and no word of tools.
      let deepSeek = ParrotModel(
        template: """
          {% for m in messages %}{{ m.role }}: {{ m.content }}{% if m.tool_calls %}<｜tool▁call▁begin｜>```json{% endif %}
          {% endfor %}assistant:
          """,
        special: ["<E>"],
        plain: [
          "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>",
        ], endToken: "<E>", period: 1536)
      let server = try ParrotServer(deepSeek)
      let plain = try server.server.post("/tokenize", ["messages": [["role": "user", "content": "Hi"]]])
      let told = try server.server.post(
        "/tokenize", ["messages": [["role": "user", "content": "Hi"]], "tools": Self.tools])
      #expect((told.json["count"]?.exactInt ?? 0) > (plain.json["count"]?.exactInt ?? .max) + 200)
      let called = try server.answer(
        """
        <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>lookup\n```json\n{\"q\": \
        \"tea\"}\n```<｜tool▁call▁end｜>
        """
          + "<｜tool▁calls▁end｜><E>", ["tools": Self.tools, "tool_choice": "required"])
      #expect(Self.withoutIDs(called) == .init(calls: [Self.lookup], finish: "tool_calls"))
    }

    @Test(.timeLimit(.minutes(20))) func reasoningThatTheTemplateOpenedNeedNotBeClosed() throws {
      var model = Self.hermes
      model.template = .string(
        Self.chatml.replacing("<|im_start|>assistant\n", with: "<|im_start|>assistant\n<think>\n"))
      let server = try ParrotServer(model)
      for stream in [false, true] {
        let answer = try server.answer("The answer is 4.<|im_end|>", stream: stream)
        #expect(answer.content == "The answer is 4." && answer.finish == "stop")
        let closed = try server.answer("So.\n</think>\n\n4.<|im_end|>", stream: stream)
        #expect(closed == .init(content: "4.", reasoning: "So.", finish: "stop"))
        let format: JSONValue = ["type": "json_schema", "json_schema": ["name": "x", "schema": ["type": "integer"]]]
        let held = try server.answer("So.\n</think>\n\n4<|im_end|>", stream: stream, ["response_format": format])
        #expect(held == .init(content: "4", reasoning: "So.", finish: "stop"))
      }
    }

    @Test(.timeLimit(.minutes(20))) func aTemplateMayBeGiven() throws {
      let folder = TemporaryFolder()
      let template = folder.write("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}|", as: "t.jinja")
      let messages = folder.write("[{\"role\": \"user\", \"content\": \"Hi\"}]", as: "m.json")
      let shown = try Program.run(["tokenize", "--messages", messages, "--chat-template", template])
      #expect(shown.output == "<user>Hi|\n")
      let broken = folder.write("{% for", as: "b.jinja")
      for file in [broken, folder.file("none")] {
        let refused = try Program.run(["tokenize", "--messages", messages, "--chat-template", file])
        #expect(refused.status != 0 && !refused.isCrash && refused.errors.contains(file))
      }
    }
  }
}
