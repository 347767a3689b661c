import Kernels

/// Brings a layer's tokens to the experts they chose, wherever those live, and their outputs back.
///
/// A layer calls `dispatch`, has its experts take the flight forward, and calls `combine` and `complete`. Between the
/// first two, while tokens travel, it may compute whatever does not need them. Collective where experts are spread over
/// ranks: every rank makes the same calls for every MoE layer of every step, with no rows if it has none.
package protocol ExpertDispatcher: AnyObject {
  associatedtype Flight: ExpertFlight

  /// Whether workers fetch weights while outputs come back.
  var fetches: Bool { get }

  /// Sends the first `count` of `rows`, `[count, hidden]`, in the form the experts meet them, to the experts that
  /// `decisions` name. Rows and decisions stay as they are until `combine` returns.
  func dispatch(_ rows: Rows, count: Int, _ decisions: RouterDecisions, layer: Int) throws -> Flight

  /// Writes, for each row, the sum over its experts e, along `CombineTree`, of weight(e) · expert(e)(row) to `output`,
  /// `[count, hidden]`. While messages of other ranks are waited for, workers fetch what is multiplied with `next`.
  func combine(_ flight: Flight, into output: UnsafeMutablePointer<Float>, next: NextWeights?) throws

  /// Gives all ranks the rows that `combine` wrote, where each rank has some columns of them: what else belongs to
  /// these columns is added before. `next` as in `combine`.
  func complete(_ flight: Flight, _ output: UnsafeMutablePointer<Float>, next: NextWeights?) throws

  /// Ends the use of a flight, whose memory another layer may take over.
  func release(_ flight: Flight)
}

extension ExpertDispatcher {
  package var fetches: Bool { false }

  package func complete(_ flight: Flight, _ output: UnsafeMutablePointer<Float>, next: NextWeights?) throws {}

  /// The same where nothing is fetched.
  package func combine(_ flight: Flight, into output: UnsafeMutablePointer<Float>) throws {
    try combine(flight, into: output, next: nil)
  }
}

/// One layer's tokens on their way: where they went, what they visit, what came of it.
package protocol ExpertFlight: AnyObject {
  /// The next visits to this rank's experts to be computed; nil after the last.
  func next() throws -> VisitBatch?

  /// Takes the outputs of a batch that `next` gave: those of other ranks' tokens leave for home.
  func finish(_ batch: VisitBatch) throws
}
