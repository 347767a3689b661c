import JSON
import Testing

@testable import Benchmarking

/// The tokenizer of checkpoints of random weights.
struct SyntheticTokenizerTests {
  @Test(arguments: [258, 259, 285, 1000, 2000]) func everyIDHasATokenAndEveryMergeMakesOne(size: Int) throws {
    let model = try #require(try SyntheticTokenizer(vocabularySize: size).tokenizer["model"])
    let vocabulary = try #require(model["vocab"]?.object)
    #expect(vocabulary.members.compactMap { $0.value.exactInt }.sorted() == Array(0..<size))
    let merges = try #require(model["merges"]?.array)
    #expect(merges.count == size - 258)
    for merge in merges {
      let parts = merge.array?.compactMap(\.string) ?? []
      #expect(parts.count == 2 && parts.allSatisfy { vocabulary[$0] != nil } && vocabulary[parts.joined()] != nil)
    }
  }

  @Test func aVocabularyWithoutRoomForAllBytesIsRefused() {
    let error = #expect(throws: MakeCheckpointError.self) { try SyntheticTokenizer(vocabularySize: 257) }
    #expect("\(error!)".contains("vocab_size = 257") && "\(error!)".contains("258"))
  }
}
