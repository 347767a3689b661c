import Gradients
import MoEModel

/// What experts keep of their visits (`ExpertTape`, `ExpertBackward`, `VisitBatch`), and messages to and from them.
extension TrainingMemory {
  /// Shared memory that all channels of one kind of a host have together.
  private static let channelBytes = Double(512 << 20)

  mutating func addExperts(_ layout: TrainingLayout, _ rank: Int) {
    guard let moe = layout.description.moe, moe.expertCount > 0 else { return }
    let owned = Double(layout.ownsExperts(rank))
    let (hidden, width) = (Double(layout.description.hiddenSize), Double(moe.expertIntermediateSize))
    let tokens = Double(layout.terms.sequences) * Double(layout.terms.sequenceLength)
    let visits = tokens * Double(moe.topK) * owned / Double(moe.expertCount)
    let rows = Self.reserved(visits)
    // Inputs, gate, up, their product; weight and order.
    let layers = layout.terms.recomputes ? 1 : Double(layout.description.moeLayers.count)
    add(.experts, floats: layers * rows * (hidden + 3 * width + 3))
    let isRounded = layout.terms.products == .bfloat16
    if isRounded { add(.experts, rows * 2 * hidden) }
    // Outputs there, and back with gradients by weights; gradients by outputs, gate and up.
    let returned = Double((layout.description.hiddenSize + moe.topK + 15) / 16 * 16)
    add(.experts, floats: rows * (2 * hidden + returned + 2 * width))
    // Lists of visits, there and back.
    add(.experts, 2 * rows * 48)
    let own = Self.reserved(layout.rows(of: rank))
    add(.experts, 2 * own * (8 + 28 * Double(moe.topK)))
    guard owned > 0 else { return }
    // Blocks of visits on their way into the last product (`ExpertBank+Blocks.swift`), by worker.
    if isRounded { add(.experts, Double(layout.terms.workerCount) * Double(ExpertBank.blockVisits) * 2 * width) }
    // Gate and up of a run of visits, of which nothing is kept there, for layers with too few for blocks.
    add(.experts, Self.reserved(64 + visits / owned) * (isRounded ? 10 : 8) * width)
  }

  mutating func addMessages(_ layout: TrainingLayout, _ rank: Int) {
    guard let moe = layout.description.moe, layout.terms.rankCount > 1 else { return }
    let (hidden, topK) = (Double(layout.description.hiddenSize), Double(moe.topK))
    let own = (layout.rows(of: rank), layout.chance(ofSome: layout.ownsExperts(rank)), layout.returnedRows(by: rank))
    // Peers that own as many experts in as many subtrees are alike.
    var known: [Int: (chance: Double, returned: Double)] = [:]
    for peer in 0..<layout.terms.rankCount where peer != rank {
      let experts = layout.ownsExperts(peer)
      let theirs = known[experts] ?? (layout.chance(ofSome: experts), layout.returnedRows(by: peer))
      known[experts] = theirs
      let (out, back) = (own.0 * theirs.chance, own.0 * theirs.returned)
      let (arriving, returned) = (layout.rows(of: peer) * own.1, layout.rows(of: peer) * own.2)
      // Forward and backward, each with channels of its own.
      let forwardBytes: Double = layout.terms.products == .bfloat16 ? 2 : 4
      for (output, bytesOfNumber) in [(hidden, forwardBytes), (hidden + topK, 4)] {
        func dispatch(_ tokens: Double) -> Double { tokens * (bytesOfNumber * hidden + 4 + 8 * topK) }
        let kinds = [(dispatch(out), dispatch(arriving)), (4 * output * returned, 4 * output * back)]
        for (sent, received) in kinds {
          if layout.shareHost(rank, peer) {
            let sharers = Double(min(layout.terms.ranksPerHost, layout.terms.rankCount))
            let room = Self.channelBytes / (sharers * sharers)
            for bytes in [sent, received] { add(.messages, bytes <= room ? bytes : 1.5 * bytes) }
          } else {
            // Room for what arrives is made for the most that could.
            add(.messages, 1.5 * (sent + (received == dispatch(arriving) ? dispatch(layout.rows(of: peer)) : received)))
          }
        }
      }
    }
  }
}
