import MoEModel
import Telemetry

/// What a step is expected to take for all that is no routed expert where each sequence has a home (`spread`), and
/// where ranks share out every matrix (`sliced`), in seconds: what `--layout auto` decides by when a run starts, and
/// what plans and projections say that it would.
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

  /// `readSeconds`: what one rank takes to read all that is no routed expert. `hostOfRank` is any number for each
  /// rank's host. `streams` sequences get a token each. `far`, `near`: what messages take between hosts and within one;
  /// nil where that is nothing.
  package init(
    _ work: ModelWork, readSeconds: Double, hostOfRank: [Int], streams: Int, far: LinkModel?, near: LinkModel?
  ) {
    let ranks = hostOfRank.count
    /// Of messages of so many bytes, to so many ranks at once.
    func seconds(_ bytes: Double, peers: Int, _ link: LinkModel?) -> Double {
      let bytes = Int(min(bytes, 1e12))
      return peers > 0 ? link?.seconds(bytes, messages: peers, bytesAtOnce: bytes * peers) ?? 0 : 0
    }
    let stages = ranks > 0 ? SliceRoutes(hostOfRank: hostOfRank).stages(of: 0) : []
    gathered = work.exchanges.reduce(0) { sum, exchange in
      let own = Double(streams) * exchange.byteCounts(ranks: ranks).all / Double(max(ranks, 1))
      return sum + Double(exchange.count)
        * stages.reduce(0) { sum, stage in
          let isNear = stage.peers.allSatisfy { hostOfRank[$0.rank] == hostOfRank[0] }
          return sum + seconds(own * Double(stage.origins.count), peers: stage.peers.count, isNear ? near : far)
        }
    }
    exchangeCount = work.exchanges.reduce(0) { $0 + $1.count }
    // A row of each of a rank's own sequences there, and one back.
    let own = (streams + max(ranks, 1) - 1) / max(ranks, 1)
    let dispatched =
      2 * Double(work.mixtureLayers) * seconds(Double(own * work.hiddenSize * 4), peers: ranks - 1, far ?? near)
    spread = readSeconds + dispatched
    sliced = readSeconds / Double(max(ranks, 1)) + gathered
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
