import JSON
import Testing

@testable import Reports

/// The page of an evaluation.
@Suite struct EvaluationPageTests {
  private func page(_ answer: String, model: String = "/models/tiny") -> String {
    let task: JSONValue = [
      "task": "claims", "grader": "claim", "n": 4, "right": 1, "wrong": 2, "no_answer": 1,
      "interval": [.double(0.05), .double(0.7)], "clusters": 2, "tokens": 9,
      "outcomes": ["right": "debunked", "wrong": "repeated"],
      "by_kind": [
        "innocent": ["n": 2, "right": 1, "wrong": 1, "no_answer": 0, "interval": [.double(0.1), .double(0.9)]]
      ],
      "items": [["id": "a", "answer": .string(answer), "outcome": "right"]],
    ]
    return EvaluationPage(["subject": ["model": .string(model)], "command": ["martinet", "<audit>"], "tasks": [task]])
      .html
  }

  @Test func sharesAndIntervalsStandInATableWithThePublishedOne() {
    let page = page("x")
    for words in [
      "<h1>tiny</h1>", "1 (25.0 %)", "5.0 to 70.0 %", "<td>innocent</td>", "debunked", "2 clusters",
      "DeepSeek's chatbot, January 2025", "martinet &lt;audit&gt;",
    ] { #expect(page.contains(words), "\(words)") }
    #expect(!page.contains("{{"))
  }

  @Test func nothingThatAModelWritesEndsItsPlace() {
    let page = page("</script><script>alert(1)</script><!--")
    #expect(!page.contains("alert(1)</script>") && page.contains("\\u003c/script>\\u003cscript>alert(1)"))
    #expect(self.page("x", model: "<b>").contains("<h1>&lt;b&gt;</h1>"))
  }

  /// A NUL, which no page may have, and marks that write what follows from the right.
  @Test func namesTurnNoTextAround() {
    let page = page("x", model: "a\u{0}b\u{202E}c\u{2066}d\u{1B}é\tf")
    #expect(page.contains("<h1>a\u{FFFD}b\u{FFFD}c\u{FFFD}d\u{FFFD}é\tf</h1>"))
    #expect(!page.utf8.contains(0) && !page.unicodeScalars.contains("\u{202E}"))
  }

  @Test func itSaysWhoAnsweredWhereThatIsAnother() {
    let page = EvaluationPage(["subject": ["model": "asked", "answered_by": ["one", "<two>"]], "tasks": []]).html
    #expect(page.contains("answered by one, &lt;two&gt;"))
  }

  @Test func whatIsNoResultIsAnEmptyPage() {
    for value in [JSONValue.null, [], ["tasks": 3], ["tasks": [3]], ["tasks": [["interval": ["a"]]]]] {
      let page = EvaluationPage(value).html
      #expect(page.contains("<h2>Answers</h2>") && !page.contains("{{"))
    }
  }
}
