import Fabric
import MoEModel
import TreeReduction

/// What ranks tell each other in a step.
extension TrainingLayout {
  /// Bytes that the ranks of one host send to others' in a step, and messages one after another: gradients of what
  /// every rank computes with go to the owners of slices, and new values from there to all; tokens and outputs go to
  /// experts and back, forward and backward. Of the first rank, times the ranks of its host.
  package var exchange: (bytes: Double, messages: Int) {
    let peers = (0..<terms.rankCount).filter { !shareHost(0, $0) }
    guard !peers.isEmpty else { return (0, 0) }
    let parts = Double(tree.parts.count { $0.owner == Rank(0) })
    var bytes = 0.0
    for parameter in shared {
      let theirs = peers.reduce(0) { $0 + Double(parameter.slices[$1]) }
      bytes += theirs * 4 * parts + Double(parameter.slices[0]) * 2 * Double(peers.count)
    }
    var messages = 2 * shared.count
    if let moe = description.moe {
      let (hidden, topK) = (Double(description.hiddenSize), Double(moe.topK))
      let returned = returnedRows(by: 0)
      var rows = 0.0
      for peer in peers {
        // A token's row there, twice; outputs from here, with gradients by weights on the way back.
        rows += self.rows(of: 0) * chance(ofSome: ownsExperts(peer)) * 2 * 4 * hidden
        rows += self.rows(of: peer) * returned * 4 * (2 * hidden + topK)
      }
      bytes += rows * Double(description.moeLayers.count)
      messages += 4 * description.moeLayers.count
    }
    return (bytes * Double(min(terms.ranksPerHost, terms.rankCount)), messages)
  }
}
