import StructuredOutput
import Tokenization

extension TokenVocabulary {
  /// The tokens of a model with `size` rows of embedding as grammars see them: ids that the tokenizer does not know
  /// have no text.
  package convenience init(_ tokenizer: Tokenizer, size: Int, endTokens: Set<Int32>) {
    self.init(
      tokens: (0..<size).map { tokenizer.tokenBytes($0) },
      special: Set((0..<size).filter { tokenizer.isSpecial($0) }.map { Int32($0) }), endTokens: endTokens)
  }
}
