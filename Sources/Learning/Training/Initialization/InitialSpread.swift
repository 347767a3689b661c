/// How far a new model's weights spread: the standard deviation of each matrix's elements.
package enum InitialSpread: Sendable, Equatable {
  /// One for all matrices, as configurations' `initializer_range` has it and as DeepSeek-V3 was made (0.006).
  case constant(Double)
  /// `factor / √columns` of each matrix, so that sums keep their size whatever the width; the embedding, of which rows
  /// are looked up, has the factor itself, unless it is the head, too.
  case byWidth(Double)

  /// What narrow models train well from (0.006 suits a hidden size of 7168).
  package static let standard = InitialSpread.byWidth(0.6)

  /// The number that the spread is told by.
  package var factor: Double {
    switch self {
    case .constant(let deviation): deviation
    case .byWidth(let factor): factor
    }
  }
}
