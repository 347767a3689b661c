/// Why one model cannot learn from another.
package enum DistillationError: Error, Equatable, CustomStringConvertible {
  /// The first id that stands for another token; nil for none.
  case otherToken(id: Int, student: String?, teacher: String?)
  /// Without both tokenizers, sizes are all that can be compared.
  case otherSize(student: Int, teacher: Int, without: String)
  /// The tokenizers have more tokens than one of the models has rows.
  case fewRows(model: String, rows: Int, tokens: Int)
  case badOption(String)

  package var description: String {
    switch self {
    case .otherToken(let id, let student, let teacher):
      """
      the teacher has another vocabulary: token \(id) is \(Self.words(teacher)) there and \(Self.words(student)) \
      here; a student learns from a teacher with the same tokenizer.json (give a --model with it, or a --shape, \
      which gets the teacher's)
      """
    case .otherSize(let student, let teacher, let without):
      """
      the vocabularies cannot be compared, as \(without) has no tokenizer, and their sizes differ: \(student) \
      tokens here, \(teacher) in the teacher's; put tokenizer.json into both folders
      """
    case .fewRows(let model, let rows, let tokens):
      """
      the tokenizer has \(tokens) tokens, and \(model) has an embedding of \(rows) only: it is not this model's \
      tokenizer
      """
    case .badOption(let words): words
    }
  }

  private static func words(_ token: String?) -> String { token?.debugDescription ?? "none" }
}
