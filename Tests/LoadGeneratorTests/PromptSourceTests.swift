import JSON
import LoadGenerator
import Testing

@Suite struct PromptSourceTests {
  private func ids(_ prompt: LoadPrompt) -> [Int32] { if case .ids(let ids) = prompt { ids } else { [] } }

  @Test func randomPromptsAreIdsOfTheVocabulary() throws {
    let prompts = try PromptSource.random(length: 64).prompts(50, seed: 5, vocabularySize: 100).map(ids)
    #expect(prompts.allSatisfy { $0.count == 64 && $0.allSatisfy { (0..<100).contains($0) } })
    #expect(Set(prompts).count == 50 && Set(prompts.joined()).count == 100)
    #expect(try PromptSource.random(length: 64).prompts(50, seed: 5, vocabularySize: 100).map(ids) == prompts)
    #expect(try PromptSource.random(length: 64).prompts(50, seed: 6, vocabularySize: 100).map(ids) != prompts)
  }

  @Test func sharedPrefixesAreFollowedByTailsOfTheirOwn() throws {
    let prompts = try PromptSource.sharedPrefix(prefix: 100, tail: 10).prompts(20, seed: 1, vocabularySize: 1000).map(
      ids)
    #expect(Set(prompts.map { Array($0[..<100]) }).count == 1)
    #expect(Set(prompts.map { Array($0[100...]) }).count == 20 && prompts.allSatisfy { $0.count == 110 })
  }

  @Test func givenPromptsAreUsedEquallyOften() throws {
    let given = (0..<3).map { LoadPrompt.text("\($0)") }
    let prompts = try PromptSource.given(given).prompts(9, seed: 1, vocabularySize: 1)
    for prompt in given { #expect(prompts.count { $0 == prompt } == 3) }
    #expect(try PromptSource.given(given).prompts(2, seed: 1, vocabularySize: 1).count == 2)
    #expect(throws: LoadError.noPrompts) { _ = try PromptSource.given([]).prompts(1, seed: 1, vocabularySize: 1) }
  }

  @Test func stretchesLieWithinTheirTexts() throws {
    let texts: [[Int32]] = [Array(0..<50), [1, 2], Array(100..<110)]
    let prompts = try PromptSource.stretches(texts, length: 10).prompts(200, seed: 2, vocabularySize: 1).map(ids)
    for prompt in prompts {
      #expect(zip(prompt, prompt.dropFirst()).allSatisfy { $1 == $0 + 1 } && (prompt.last! < 50 || prompt == texts[2]))
    }
    #expect(prompts.contains(texts[2]) && prompts.contains { $0.last == 49 })
    #expect(throws: LoadError.shortTexts(tokens: 50, length: 51)) {
      _ = try PromptSource.stretches(texts, length: 51).prompts(1, seed: 1, vocabularySize: 1)
    }
  }

  @Test func linesOfADataSetAreReadOrRefused() throws {
    func prompt(_ text: String) throws -> LoadPrompt {
      try LoadPrompt(try #require(try JSONValue(parsing: text).object), line: 3)
    }
    #expect(try prompt(#"{"prompt":"a"}"#) == .text("a") && prompt(#"{"text":"b","name":1}"#) == .text("b"))
    #expect(try prompt(#"{"prompt":[1,2]}"#) == .ids([1, 2]))
    #expect(
      try prompt(#"{"messages":[{"role":"user","content":"c"}]}"#) == .messages([["role": "user", "content": "c"]]))
    for text in [
      "{}", #"{"prompt":[1.5]}"#, #"{"prompt":[-1]}"#, #"{"prompt":[3000000000]}"#, #"{"text":7}"#, #"{"prompt":null}"#,
    ] {
      #expect(throws: LoadError.self, "\(text)") { _ = try prompt(text) }
    }
  }
}
