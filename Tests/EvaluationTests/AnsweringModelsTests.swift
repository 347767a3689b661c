import Testing

@testable import Evaluation

/// Who the server says answered.
@Suite struct AnsweringModelsTests {
  private func others(_ asked: String, _ names: [String?]) -> [String] {
    let answering = AnsweringModels()
    for name in names { answering.note(name) }
    return answering.others(than: asked)
  }

  @Test func namesAreComparedWholeAndShownShort() {
    let long = String(repeating: "a", count: 300)
    #expect(others(long, [long, nil, long]).isEmpty)
    #expect(others(long, [long + "b"]) == [String(repeating: "a", count: 200) + "…"])
    // They are told apart where their beginnings are not.
    #expect(others(long, [long, long + "b"]).count == 1)
    #expect(others("a\u{1B}[2Jb", ["a\u{1B}[2Jb"]).isEmpty)
    #expect(others("a[2Jb", ["a\u{1B}[2Jb"]) == ["a[2Jb"])
    #expect(others(String(repeating: "é", count: 200), [String(repeating: "é", count: 201)]).first?.last == "…")
  }

  @Test func fewOfManyNamesAreTold() {
    #expect(others("m", ["m", "n", "l"]) == ["l", "m", "n"])
    #expect(others("m", [nil]).isEmpty)
    #expect(others("m", (0..<100).map { "model \($0)" }).count == 8)
  }
}
