import ChatTemplates
import Foundation
import JSON
import Testing

/// What Jinja printed for the cases of `Recorded/`, made by `Recorded/record.py`.
struct Recorded {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Recorded")
  /// The time `record.py` fixes.
  static let now = CalendarTime(year: 2026, month: 7, day: 6, hour: 15, minute: 4, second: 9)

  let inputs: JSONValue
  let outcomes: JSONValue

  init() throws {
    inputs = try JSONValue(parsing: Data(contentsOf: Self.folder.appending(path: "conversations.json")))
    outcomes = try JSONValue(parsing: Data(contentsOf: Self.folder.appending(path: "recorded.json")))
  }

  static func template(_ name: String) throws -> String {
    try String(contentsOf: folder.appending(path: "templates/\(name)"), encoding: .utf8)
  }
}

/// The text `body` renders, or nil where it refuses to.
private func outcome(_ body: () throws -> String) -> String? { try? body() }

private func same(_ a: String?, _ b: String?) -> Bool {
  switch (a, b) {
  case (nil, nil): true
  case (let a?, let b?): a.utf8.elementsEqual(b.utf8)
  default: false
  }
}

@Suite struct RecordedRenderTests {
  @Test func expressionsAndStatementsPrintWhatJinjaPrints() throws {
    let recorded = try Recorded()
    let variables = try #require(recorded.inputs["variables"]?.object)
    let cases = try #require(recorded.outcomes["cases"]?.array)
    #expect(cases.count > 900)
    for each in cases {
      let source = try #require(each["template"]?.string)
      let got = outcome { try ChatTemplate(source).render(variables, now: Recorded.now) }
      #expect(same(got, each["text"]?.string), "\(source.debugDescription): \(got ?? "an error")")
    }
  }

  @Test func templatesInTheStyleOfPublishedOnesPrintWhatJinjaPrints() throws {
    let recorded = try Recorded()
    let conversations = try #require(recorded.inputs["conversations"]?.array)
    let tools = try #require(recorded.inputs["tools"])
    let renders = try #require(recorded.outcomes["renders"]?.array)
    #expect(renders.count > 500)
    var templates: [String: ChatTemplate] = [:]
    for each in renders {
      let name = try #require(each["template"]?.string)
      let template = try templates[name] ?? ChatTemplate(Recorded.template(name))
      templates[name] = template
      let index = try #require(each["conversation"]?.exactInt)
      let variables = JSONObject([
        ("bos_token", "<s>"), ("eos_token", "</s>"), ("messages", conversations[index]),
        ("tools", each["tools"] == true ? tools : .null), ("documents", .null),
        ("add_generation_prompt", each["prompt"] ?? .null),
      ])
      let got = outcome { try template.render(variables, now: Recorded.now) }
      #expect(same(got, each["text"]?.string), "\(name), conversation \(index): \(got ?? "an error")")
    }
  }

  @Test func goldenConversationsRenderAsTransformersRenderedThem() throws {
    let goldens = Recorded.folder.appending(path: "../../Fixtures/goldens").standardizedFileURL
    var count = 0
    for folder in try FileManager.default.contentsOfDirectory(at: goldens, includingPropertiesForKeys: nil) {
      let configuration = try JSONValue(
        parsing: Data(contentsOf: folder.appending(path: "tokenizer_config.json")))
      let golden = try JSONValue(parsing: Data(contentsOf: folder.appending(path: "goldens.json")))
      let template = try ChatTemplate(#require(configuration["chat_template"]?.string))
      for chat in golden["chat"]?.array ?? [] {
        let text = try template.render(
          messages: #require(chat["messages"]?.array),
          addGenerationPrompt: chat["add_generation_prompt"] == true,
          bosToken: configuration["bos_token"]?.string, eosToken: configuration["eos_token"]?.string)
        #expect(same(text, chat["text"]?.string), "\(folder.lastPathComponent): \(text)")
        count += 1
      }
    }
    #expect(count >= 50)
  }
}
