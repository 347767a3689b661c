import Fabric
import MoEModel
import Tensors

/// What one rank's tokens ask of each rank in one layer: a token once per destination, with its visits there.
///
/// Built anew for each layer from the router's decisions, without allocating once its buffers have grown.
final class DispatchPlan {
  /// What goes to one rank; valid until the next `build`.
  struct Destination {
    /// Local tokens that go there, ascending.
    var tokens: UnsafeBufferPointer<Int32>
    /// For each token, the number of its experts there.
    var visitCounts: UnsafeBufferPointer<Int32>
    /// Experts and weights, token by token, ascending in expert.
    var experts: UnsafeBufferPointer<Int32>
    var weights: UnsafeBufferPointer<Float>
    /// Rows that will come back, in the order of the visits they sum.
    var returnCount: Int
  }

  /// Where a rank's part of the lists ends; while they are written, where the next element goes.
  private struct Cursor: BitwiseCopyable {
    var token: Int32 = 0
    var visit: Int32 = 0
    var returned: Int32 = 0
    var lastToken: Int32 = -1
  }

  /// For each local token, the partial outputs that will be added up for it.
  let totals = PartialTable()
  private let hostOfRank: [Int]
  /// By host, that is its lowest rank: tokens that go to some rank of it.
  private let hosts: AlignedBuffer<Cursor>
  /// By rank, and one more: where its part begins.
  private let starts: AlignedBuffer<Cursor>
  private let cursors: AlignedBuffer<Cursor>
  // Rank by rank.
  private let tokens = GrowingList<Int32>()
  private let visitCounts = GrowingList<Int32>()
  private let experts = GrowingList<Int32>()
  private let weights = GrowingList<Float>()

  /// `hostOfRank` is the lowest rank of each rank's host.
  init(hostOfRank: [Int]) {
    self.hostOfRank = hostOfRank
    hosts = AlignedBuffer(count: hostOfRank.count)
    starts = AlignedBuffer(count: hostOfRank.count + 1)
    cursors = AlignedBuffer(count: hostOfRank.count + 1)
  }

  /// Tokens that go to some rank of a host; hosts by their lowest rank.
  func rowsToHost(_ host: Int) -> Int { Int(hosts.pointer[host].token) }

  func destination(_ rank: Int) -> Destination {
    let (first, end) = (starts.pointer[rank], starts.pointer[rank + 1])
    func part<Element>(_ list: GrowingList<Element>, _ first: Int32, _ end: Int32) -> UnsafeBufferPointer<Element> {
      UnsafeBufferPointer(start: list.elements + Int(first), count: Int(end - first))
    }
    return Destination(
      tokens: part(tokens, first.token, end.token), visitCounts: part(visitCounts, first.token, end.token),
      experts: part(experts, first.visit, end.visit), weights: part(weights, first.visit, end.visit),
      returnCount: Int(cursors.pointer[rank].returned))
  }

  /// Sorts `rows` tokens' decisions by destination: the rank that `placement` gives an expert to.
  func build(_ decisions: RouterDecisions, rows: Int, placement: ExpertPlacement) {
    count(decisions, rows: rows, owners: placement.ownerIndices)
    let topK = decisions.topK
    tokens.removeAll()
    visitCounts.removeAll()
    experts.removeAll()
    weights.removeAll()
    let total = starts.pointer[hostOfRank.count]
    let (tokens, visitCounts) = (tokens.extend(by: Int(total.token)), visitCounts.extend(by: Int(total.token)))
    let (experts, weights) = (experts.extend(by: rows * topK), weights.extend(by: rows * topK))
    var writer = totals.begin(totals: rows, parts: rows * topK)
    let (owners, nodes, cursors) = (placement.ownerIndices, placement.nodes, cursors.pointer)
    for row in 0..<rows {
      let (chosen, factors) = (decisions.experts.pointer + row * topK, decisions.weights.pointer + row * topK)
      var node: Int32 = -1
      for i in 0..<topK {
        let expert = chosen[i]
        let rank = owners[Int(expert)]
        let cursor = cursors + Int(rank)
        if cursor.pointee.lastToken != Int32(row) {
          cursor.pointee.lastToken = Int32(row)
          tokens[Int(cursor.pointee.token)] = Int32(row)
          visitCounts[Int(cursor.pointee.token)] = 0
          cursor.pointee.token += 1
        }
        visitCounts[Int(cursor.pointee.token) - 1] += 1
        experts[Int(cursor.pointee.visit)] = expert
        weights[Int(cursor.pointee.visit)] = factors[i]
        cursor.pointee.visit += 1
        // No other rank's expert lies between two of one node.
        guard nodes[Int(expert)] != node else { continue }
        node = nodes[Int(expert)]
        writer.add(id: expert, rank: rank, index: cursor.pointee.returned)
        cursor.pointee.returned += 1
      }
      writer.endTotal()
    }
    totals.end(writer)
  }

  /// Finds where each rank's part begins.
  private func count(_ decisions: RouterDecisions, rows: Int, owners: UnsafePointer<Int32>) {
    let (cursors, hosts, ranks) = (cursors.pointer, hosts.pointer, hostOfRank.count)
    cursors.update(repeating: Cursor(), count: ranks)
    hosts.update(repeating: Cursor(), count: ranks)
    func count(_ row: Int32, at cursor: UnsafeMutablePointer<Cursor>) -> Bool {
      guard cursor.pointee.lastToken != row else { return false }
      cursor.pointee.lastToken = row
      cursor.pointee.token += 1
      return true
    }
    hostOfRank.withUnsafeBufferPointer { hostOfRank in
      for row in 0..<rows {
        let chosen = decisions.experts.pointer + row * decisions.topK
        for i in 0..<decisions.topK {
          let rank = Int(owners[Int(chosen[i])])
          cursors[rank].visit += 1
          if count(Int32(row), at: cursors + rank) { _ = count(Int32(row), at: hosts + hostOfRank[rank]) }
        }
      }
    }
    var next = Cursor()
    for rank in 0..<ranks {
      let found = cursors[rank]
      (starts.pointer[rank], cursors[rank]) = (next, next)
      next.token += found.token
      next.visit += found.visit
    }
    starts.pointer[ranks] = next
  }
}
