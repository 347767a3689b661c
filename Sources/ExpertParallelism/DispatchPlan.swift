import Fabric
import MoEModel
import Tensors

/// What one rank's tokens ask of each rank in one layer: a token once per destination, with its visits there.
///
/// Built anew for each layer from the router's decisions, without allocating once its buffers have grown.
final class DispatchPlan {
  struct Destination {
    /// Local tokens that go there, ascending.
    var tokens: [Int32] = []
    /// For each token, the number of its experts there.
    var visitCounts: [Int32] = []
    /// Experts and weights, token by token, ascending in expert.
    var experts: [Int32] = []
    var weights: [Float] = []
    /// For each row that will come back, any one of the expert ids it sums, and the local token it belongs to.
    var returnedIDs: [Int32] = []
    var returnedTokens: [Int32] = []

    mutating func clear() {
      tokens.removeAll(keepingCapacity: true)
      visitCounts.removeAll(keepingCapacity: true)
      experts.removeAll(keepingCapacity: true)
      weights.removeAll(keepingCapacity: true)
      returnedIDs.removeAll(keepingCapacity: true)
      returnedTokens.removeAll(keepingCapacity: true)
    }
  }

  let placement: ExpertPlacement
  private(set) var destinations: [Destination]
  /// Tokens that go to some rank of each host, other than this rank's own; hosts by their lowest rank.
  private(set) var rowsToHost: [Int]
  private let hostOfRank: [Int]
  /// The last token that went to each host.
  private var lastToken: [Int32]

  init(placement: ExpertPlacement, hostOfRank: [Int]) {
    self.placement = placement
    self.hostOfRank = hostOfRank
    rowsToHost = Array(repeating: 0, count: placement.rankCount)
    lastToken = Array(repeating: -1, count: placement.rankCount)
    destinations = Array(repeating: Destination(), count: placement.rankCount)
  }

  /// Sorts `rows` tokens' decisions by destination.
  func build(_ decisions: RouterDecisions, rows: Int) {
    for rank in destinations.indices {
      destinations[rank].clear()
      rowsToHost[rank] = 0
      lastToken[rank] = -1
    }
    for row in 0..<rows {
      let experts = decisions.experts.pointer + row * decisions.topK
      let weights = decisions.weights.pointer + row * decisions.topK
      for i in 0..<decisions.topK {
        let rank = placement.owner(of: experts[i]).index
        add(expert: experts[i], weight: weights[i], token: Int32(row), to: rank)
      }
    }
  }

  private func add(expert: Int32, weight: Float, token: Int32, to rank: Int) {
    let isNew = destinations[rank].tokens.last != token
    if isNew {
      destinations[rank].tokens.append(token)
      destinations[rank].visitCounts.append(0)
      let host = hostOfRank[rank]
      if lastToken[host] != token {
        lastToken[host] = token
        rowsToHost[host] += 1
      }
    }
    if isNew || !placement.sharesNode(destinations[rank].experts.last!, expert) {
      destinations[rank].returnedIDs.append(expert)
      destinations[rank].returnedTokens.append(token)
    }
    destinations[rank].visitCounts[destinations[rank].visitCounts.count - 1] += 1
    destinations[rank].experts.append(expert)
    destinations[rank].weights.append(weight)
  }
}
