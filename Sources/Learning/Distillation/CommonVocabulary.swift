import Tokenization

/// The tokens that a student and its teacher have in common: of both models' rows of the embedding the first so many,
/// each the same token. Rows beyond it fill up an embedding, stand for nothing, and are neither learnt nor compared.
package struct CommonVocabulary: Sendable, Equatable {
  package let size: Int

  /// A side of the comparison.
  package struct Side {
    package var tokenizer: Tokenizer?
    /// Rows of the model's embedding.
    package var rows: Int

    package init(_ tokenizer: Tokenizer?, rows: Int) { (self.tokenizer, self.rows) = (tokenizer, rows) }
  }

  /// Throws where an id stands for another token, or where the tokenizers have tokens that one of the models does not
  /// have.
  package init(student: Side, teacher: Side) throws(DistillationError) {
    guard let own = student.tokenizer, let other = teacher.tokenizer else {
      guard student.rows == teacher.rows else {
        throw .otherSize(
          student: student.rows, teacher: teacher.rows,
          without: student.tokenizer == nil ? "the student" : "the teacher")
      }
      size = student.rows
      return
    }
    for id in 0..<max(own.vocabularySize, other.vocabularySize) {
      let (here, there) = (own.token(id), other.token(id))
      guard Self.areEqual(here, there) else { throw .otherToken(id: id, student: here, teacher: there) }
    }
    for (model, rows) in [("the student", student.rows), ("the teacher", teacher.rows)]
    where rows < own.vocabularySize {
      throw .fewRows(model: model, rows: rows, tokens: own.vocabularySize)
    }
    size = min(student.rows, teacher.rows)
  }

  /// By their bytes: texts that look alike are other tokens.
  private static func areEqual(_ a: String?, _ b: String?) -> Bool {
    guard let a, let b else { return a == nil && b == nil }
    return a.utf8.elementsEqual(b.utf8)
  }
}
