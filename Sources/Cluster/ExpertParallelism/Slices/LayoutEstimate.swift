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
  /// nil where that is nothing. `dividesExperts`: whether slices are of routed experts too; else each is some rank's.
  package init(
    _ work: ModelWork, readSeconds: Double, hostOfRank: [Int], streams: Int, dividesExperts: Bool, far: LinkModel?,
    near: LinkModel?
  ) {
    let ranks = hostOfRank.count
    let onHost = hostOfRank.count { $0 == hostOfRank.first }
    let exchanges = (dividesExperts ? work.exchanges : Self.exchangesOfWholeExperts(work)).filter {
      !$0.isWithinHost || onHost > 1
    }
    /// Of messages of so many bytes, to so many ranks at once.
    func seconds(_ bytes: Double, peers: Int, _ link: LinkModel?) -> Double {
      let bytes = Int(min(bytes, 1e12))
      return peers > 0 ? link?.seconds(bytes, messages: peers, bytesAtOnce: bytes * peers) ?? 0 : 0
    }
    let stages = ranks > 0 ? SliceRoutes(hostOfRank: hostOfRank).stages(of: 0) : []
    gathered = exchanges.reduce(0) { sum, exchange in
      guard !exchange.isWithinHost else {
        let own = Double(streams) * exchange.byteCounts(ranks: onHost).all / Double(onHost)
        return sum + Double(exchange.count) * seconds(own, peers: onHost - 1, near)
      }
      let own = Double(streams) * exchange.byteCounts(ranks: ranks).all / Double(max(ranks, 1))
      return sum + Double(exchange.count)
        * stages.reduce(0) { sum, stage in
          let isNear = stage.peers.allSatisfy { hostOfRank[$0.rank] == hostOfRank[0] }
          return sum + seconds(own * Double(stage.origins.count), peers: stage.peers.count, isNear ? near : far)
        }
    }
    exchangeCount = exchanges.reduce(0) { $0 + $1.count }
    // A row of each of a rank's own sequences there, and one back.
    let own = (streams + max(ranks, 1) - 1) / max(ranks, 1)
    let dispatched =
      2 * Double(work.moeLayers) * seconds(Double(own * work.hiddenSize * 4), peers: ranks - 1, far ?? near)
    spread = readSeconds + dispatched
    sliced = readSeconds / Double(max(ranks, 1)) + gathered
  }

  /// What ranks tell each other where routed experts are some rank's, whole: nothing of what lies between their gate
  /// and down, and of what comes out of them partial outputs, which are taken to be as many as a token's experts. (They
  /// are fewer where neighbours in the combine tree are one rank's.)
  private static func exchangesOfWholeExperts(_ work: ModelWork) -> [RowExchange] {
    let topK = work.exchanges.first { $0.stage == .expertInner }?.pieces.first?.rows ?? 0
    return work.exchanges.compactMap { exchange in
      var rest = exchange
      switch exchange.stage {
      case .expertInner:
        // A shared expert's part has an exchange of its own.
        rest.pieces.removeFirst(min(1, rest.pieces.count))
        return rest.pieces.isEmpty ? nil : rest
      case .expertOutput:
        // The shared expert's columns go with them.
        if work.shared == 0 { rest.pieces = [] }
        rest.pieces.append(.init(columns: work.hiddenSize, rows: topK, isWhole: true))
        return rest
      default: return rest
      }
    }
  }

  /// The reason, of a step of `streams` sequences.
  package func words(streams: Int) -> String {
    func milliseconds(_ seconds: Double) -> String { "\((seconds * 1e5).rounded() / 100) ms" }
    return
      """
      for a step of \(streams) sequence\(streams == 1 ? "" : "s"): apart from routed experts it is expected to take \
      \(milliseconds(sliced)) sliced and \(milliseconds(spread)) spread; \(exchangeCount) exchanges between ranks \
      take \(milliseconds(gathered))
      """
  }
}
