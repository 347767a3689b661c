import Telemetry

/// What a step is expected to take for all that is no routed expert where each sequence has a home (`spread`), and where
/// ranks share out every matrix (`sliced`), in seconds: what `--layout auto` decides by when a run starts, and what plans and
/// projections say that it would.
package struct LayoutEstimate: Sendable, Equatable {
  package let spread: Double
  package let sliced: Double
  /// Of the second, messages between ranks, and how many exchanges that is.
  package let gathered: Double
  package let exchangeCount: Int

  /// Slices must be expected to take less than this share of the time: what is expected is not exact.
  private static let gain = 0.9

  /// Whether slices are expected to be the faster.
  package var isSliced: Bool { sliced < Self.gain * spread }

  /// `readSeconds`: what one rank takes to read all that is no routed expert. `streams` sequences get a token each.
  /// `link`: the slowest way that messages take; nil where nobody is to be told anything.
  package init(_ work: ModelWork, readSeconds: Double, ranks: Int, streams: Int, link: LinkModel?) {
    /// Of messages of so many bytes from each rank to each other.
    func exchange(_ bytes: Double) -> Double {
      let bytes = Int(min(bytes, 1e15))
      return link?.seconds(bytes, messages: ranks - 1, bytesAtOnce: bytes * (ranks - 1)) ?? 0
    }
    gathered = work.exchanges.reduce(0) {
      $0 + Double($1.count) * exchange(Double(streams) * $1.byteCounts(ranks: ranks).all / Double(ranks))
    }
    exchangeCount = work.exchanges.reduce(0) { $0 + $1.count }
    // A token's row there, and one back.
    let dispatched = 2 * Double(work.mixtureLayers) * exchange(Double(streams * work.hiddenSize * 4))
    spread = readSeconds + dispatched
    sliced = readSeconds / Double(ranks) + gathered
  }

  /// The reason, of a step of so many sequences.
  package func words(streams: Int) -> String {
    func milliseconds(_ seconds: Double) -> String { "\((seconds * 1e5).rounded() / 100) ms" }
    return
      "for a step of \(streams) sequence\(streams == 1 ? "" : "s"): apart from routed experts it is expected to take "
      + "\(milliseconds(sliced)) sliced and \(milliseconds(spread)) spread; \(exchangeCount) exchanges between ranks take "
      + milliseconds(gathered)
  }
}
