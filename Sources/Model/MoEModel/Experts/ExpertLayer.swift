import Kernels

/// Whatever computes the routed experts of a mixture layer: on this rank alone, or across ranks.
package protocol ExpertLayer: AnyObject {
  /// For each of `rows` tokens, writes the sum over its chosen experts e, along `CombineTree`, of
  /// weight(e) · expert(e)(x) to `output`; `input`, in the form the experts meet it, and `output` are `[rows, hidden]`.
  ///
  /// Collective where experts are spread over ranks: every rank calls it for every mixture layer of every step, with
  /// no rows if it has none. `meanwhile` is run once, at a moment when tokens may be travelling.
  func run(
    layer: Int, rows: Int, input: Rows, decisions: RouterDecisions, output: UnsafeMutablePointer<Float>,
    meanwhile: () -> Void
  ) throws
}

/// One token's visit to one expert.
package struct ExpertVisit: BitwiseCopyable {
  /// Which of the input rows it reads.
  package var row: Int32
  package var expert: Int32
  package var weight: Float

  package init(row: Int32, expert: Int32, weight: Float) {
    self.row = row
    self.expert = expert
    self.weight = weight
  }
}
