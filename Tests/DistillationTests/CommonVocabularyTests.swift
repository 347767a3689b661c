import JSON
import Testing
import Tokenization

@testable import Distillation

struct CommonVocabularyTests {
  private func tokenizer(_ tokens: [String], added: [(String, Int)] = []) throws -> Tokenizer {
    let vocabulary = JSONObject(tokens.enumerated().map { ($1, JSONValue.int($0)) })
    let special = added.map { content, id -> JSONValue in
      [
        "id": .int(id), "content": .string(content), "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
      ]
    }
    return try Tokenizer(
      json: [
        "version": "1.0", "added_tokens": .array(special), "normalizer": .null, "pre_tokenizer": .null,
        "post_processor": .null, "decoder": .null,
        "model": ["type": "BPE", "vocab": .object(vocabulary), "merges": .array([])],
      ], config: nil)
  }

  private func side(_ tokenizer: Tokenizer?, _ rows: Int) -> CommonVocabulary.Side {
    CommonVocabulary.Side(tokenizer, rows: rows)
  }

  @Test func rowsThatFillUpOneOfTheEmbeddingsDoNotCount() throws {
    let tokenizer = try tokenizer(["a", "b", "c"], added: [("<end>", 3)])
    for (student, teacher) in [(4, 4), (4, 64), (64, 4), (32, 64)] {
      let common = try CommonVocabulary(student: side(tokenizer, student), teacher: side(tokenizer, teacher))
      #expect(common.size == min(student, teacher))
    }
  }

  @Test func theFirstTokenThatDiffersIsNamed() throws {
    let own = try tokenizer(["a", "b", "c"])
    func error(_ other: Tokenizer) -> DistillationError? {
      do throws(DistillationError) {
        _ = try CommonVocabulary(student: side(own, 8), teacher: side(other, 8))
        return nil
      } catch { return error }
    }
    #expect(error(try tokenizer(["a", "x", "y"])) == .otherToken(id: 1, student: "b", teacher: "x"))
    #expect(error(try tokenizer(["a", "b"])) == .otherToken(id: 2, student: "c", teacher: nil))
    let more = try tokenizer(["a", "b", "c"], added: [("<think>", 5)])
    #expect(error(more) == .otherToken(id: 5, student: nil, teacher: "<think>"))
    let words = error(more)?.description ?? ""
    #expect(words.contains("token 5") && words.contains("<think>"))
    // They look alike, and are other bytes.
    let (composed, apart) = (try tokenizer(["\u{E9}"]), try tokenizer(["e\u{301}"]))
    #expect(throws: DistillationError.self) {
      try CommonVocabulary(student: side(composed, 1), teacher: side(apart, 1))
    }
  }

  @Test func tokensWithoutARowAreAnError() throws {
    let tokenizer = try tokenizer(["a", "b", "c"])
    #expect(throws: DistillationError.fewRows(model: "the teacher", rows: 2, tokens: 3)) {
      try CommonVocabulary(student: side(tokenizer, 3), teacher: side(tokenizer, 2))
    }
    #expect(throws: DistillationError.fewRows(model: "the student", rows: 2, tokens: 3)) {
      try CommonVocabulary(student: side(tokenizer, 2), teacher: side(tokenizer, 3))
    }
  }

  @Test func withoutTokenizersSizesMustBeEqual() throws {
    let tokenizer = try tokenizer(["a", "b", "c"])
    #expect(try CommonVocabulary(student: side(nil, 7), teacher: side(tokenizer, 7)).size == 7)
    #expect(throws: DistillationError.otherSize(student: 7, teacher: 8, without: "the student")) {
      try CommonVocabulary(student: side(nil, 7), teacher: side(tokenizer, 8))
    }
    #expect(throws: DistillationError.otherSize(student: 7, teacher: 8, without: "the teacher")) {
      try CommonVocabulary(student: side(tokenizer, 7), teacher: side(nil, 8))
    }
  }
}
