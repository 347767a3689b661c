import JSON
import ParrotModel
import Testing

extension CommandTests {
  /// Replies, templates and clients end to end, over a model that repeats what it is told.
  struct ParrotTests {
    static let chatml = """
      {% if tools %}<|im_start|>system
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
      ],
    ]

    @Test(.timeLimit(.minutes(2))) func aReplyComesAsItWasPutIntoTheModelsMouth() throws {
      let server = try ParrotServer(Self.hermes)
      for stream in [false, true] {
        let text = try server.answer("Grüße, \"☂\"\n<b>.<|im_end|>", stream: stream)
        #expect(text == .init(content: "Grüße, \"☂\"\n<b>.", finish: "stop"))
        var call = try server.answer(
          "Look.\n<tool_call>\n{\"name\": \"lookup\", \"arguments\": {\"q\": \"tea\"}}\n</tool_call><|im_end|>", stream: stream,
          ["tools": Self.tools])
        if !call.calls.isEmpty { call.calls[0].id = "" }
        #expect(
          call == .init(
            content: "Look.", calls: [.init(name: "lookup", arguments: "{\"q\": \"tea\"}")], finish: "tool_calls"))
      }
    }
  }
}
