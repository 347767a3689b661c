import Kernels

/// How rows travel between ranks.
///
/// Tokens travel in the form in which the experts' matrices meet them: rounded at home or rounded there, a product is
/// the same, so that no result depends on where an expert lives. Sums come back in fp32, unless a user trades bits for
/// bytes.
package struct WireFormat: Sendable, Equatable {
  /// How partial outputs come back.
  package enum Sums: String, Sendable, CaseIterable {
    case float32 = "f32"
    /// Rounded to nearest even: half the bytes, and results that depend on which rank owns which expert.
    case bfloat16 = "bf16"

    package var rowFormat: RowFormat { self == .float32 ? .float32 : .bfloat16 }
  }

  package let hiddenSize: Int
  /// Columns of what comes back: those of the hidden state, unless experts return more beside it.
  package let outputSize: Int
  /// What the experts meet.
  package let tokens: RowFormat
  package let sums: Sums

  /// Rows of `hiddenSize` numbers go as `tokens`, outputs of `outputSize` numbers (nil: as many) come back as `sums`.
  package init(hiddenSize: Int, tokens: RowFormat, sums: Sums = .float32, outputSize: Int? = nil) {
    (self.hiddenSize, self.tokens, self.sums) = (hiddenSize, tokens, sums)
    self.outputSize = outputSize ?? hiddenSize
  }

  /// The same with sums in fp32.
  var withExactSums: WireFormat { WireFormat(hiddenSize: hiddenSize, tokens: tokens, outputSize: outputSize) }

  /// Bytes of a token's row, and of a sum's.
  package var tokenByteCount: Int { tokens.formByteCount(columns: hiddenSize) }
  package var sumByteCount: Int { sums.rowFormat.formByteCount(columns: outputSize) }

  func dispatchByteCount(tokens: Int, visits: Int) -> Int {
    DispatchMessage.rowsOffset(tokens: tokens, visits: visits) + tokens * tokenByteCount
  }

  /// Bytes of the longest message of a step in which a rank has so many tokens, all of whose `topK` visits may be one
  /// other rank's, which returns up to `rows` for each; `Int.max` where they cannot be counted.
  package func longestMessage(tokens: Int, topK: Int, rows: Int) -> Int {
    let (visits, tooMany) = tokens.multipliedReportingOverflow(by: max(topK, rows, 1))
    let (bytes, tooLong) = visits.multipliedReportingOverflow(by: sumByteCount + tokenByteCount + 64)
    guard !tooMany, !tooLong, bytes < Int.max / 2 else { return .max }
    return max(dispatchByteCount(tokens: tokens, visits: tokens * topK), combineByteCount(rows: tokens * rows))
  }

  func combineByteCount(rows: Int) -> Int { CombineMessage.headerBytes + rows * sumByteCount }
}
