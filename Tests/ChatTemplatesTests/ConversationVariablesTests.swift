import ChatTemplates
import JSON
import Testing

private func render(
  _ source: String, messages: [JSONValue] = [], tools: JSONValue? = nil, extra: JSONObject = JSONObject(),
  bosToken: String? = nil
) throws -> String {
  try ChatTemplate(source).render(
    messages: messages, tools: tools, addGenerationPrompt: false, bosToken: bosToken, extra: extra)
}

@Suite struct ConversationVariablesTests {
  @Test func absentToolsAndDocumentsAreNoneAndAbsentSpecialTokensUndefined() throws {
    let source = "{{ tools is none }} {{ documents is none }} {{ bos_token is defined }} {{ eos_token is defined }}"
    #expect(try render(source) == "True True False False")
    #expect(try render("{{ bos_token }}", bosToken: "<s>") == "<s>")
  }

  @Test func extraVariablesWinOverSpecialTokensButNotOverTheConversation() throws {
    let extra = JSONObject([("bos_token", "B"), ("mine", [1, 2]), ("messages", "no")])
    #expect(try render("{{ bos_token }}{{ mine }}{{ messages }}", extra: extra, bosToken: "<s>") == "B[1, 2][]")
  }

  @Test func reasoningIsFoundUnderEveryNameTemplatesReadItBy() throws {
    let source = "{{ messages[0].thinking }}/{{ messages[0].reasoning_content }}/{{ messages[0] | list }}"
    for name in ["reasoning_content", "thinking", "reasoning"] {
      let text = try render(source, messages: [.object(JSONObject([("role", "assistant"), (name, "why")]))])
      #expect(text.hasPrefix("why/why/['thinking', 'role', "))
    }
    #expect(try render(source, messages: [["role": "user", "thinking": .null]]) == "None//['role', 'thinking']")
  }

  @Test func aMessageThatIsNoObjectIsRefusedByItsPosition() {
    #expect(throws: ChatTemplateError.messageNotObject(index: 1, kind: "a string")) {
      try render("{{ messages }}", messages: [["role": "user"], "hello"])
    }
  }

  @Test func theTimeIsTheOneGiven() throws {
    let template = try ChatTemplate("{{ strftime_now('%A %d %B %Y, %H:%M') }}")
    let leapDay = CalendarTime(year: 2024, month: 2, day: 29, hour: 23, minute: 5)
    #expect(try template.render(JSONObject(), now: leapDay) == "Thursday 29 February 2024, 23:05")
    let text = try ChatTemplate("{{ strftime_now('%Y') }}").render(JSONObject())
    #expect((Int(text) ?? 0) >= 2025)
  }

  @Test func namesAreComparedByCodePointsNotByCanonicalEquivalence() throws {
    let message: JSONValue = .object(JSONObject([("caf\u{E9}", "one"), ("cafe\u{301}", "two")]))
    #expect(try render("{{ messages[0]['cafe\u{301}'] }}", messages: [message]) == "two")
    #expect(try render("{{ 'caf\u{E9}' == 'cafe\u{301}' }} {{ 'e\u{301}' | length }}") == "False 2")
  }

  @Test func numbersTooWideFor64BitsPassThrough() throws {
    let tools = try JSONValue(parsing: "[{\"maximum\": 18446744073709551615, \"minimum\": -0, \"step\": 1e-7}]")
    let text = try render("{{ tools[0] | tojson }}", tools: tools)
    #expect(text == "{\"maximum\": 18446744073709551615, \"minimum\": 0, \"step\": 1e-07}")
    #expect(throws: ChatTemplateError.self) { try render("{{ tools[0].maximum + 1 }}", tools: tools) }
  }
}
