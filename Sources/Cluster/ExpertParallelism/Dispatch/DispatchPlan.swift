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
    /// Visits and weights, token by token, ascending in expert.
    var visits: UnsafeBufferPointer<VisitWord>
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
  private let own: Rank
  private let hostOfRank: [Int]
  /// By rank: its place on its host.
  private let places: AlignedBuffer<Int32>
  private let sharing: VisitSharing
  /// By host, that is its lowest rank: tokens that go to some rank of it.
  private let hosts: AlignedBuffer<Cursor>
  /// By rank, and one more: where its part begins.
  private let starts: AlignedBuffer<Cursor>
  private let cursors: AlignedBuffer<Cursor>
  // Rank by rank.
  private let tokens = GrowingList<Int32>()
  private let visitCounts = GrowingList<Int32>()
  private let visits = GrowingList<VisitWord>()
  private let weights = GrowingList<Float>()
  /// By visit of the local tokens: who computes it, and where it is sent.
  private let owners = GrowingList<Int32>()
  private let receivers = GrowingList<Int32>()
  /// By visit of one token: whether a subtree of its owner's begins, and a row of its receiver's.
  private let subtreeMarks = GrowingList<UInt8>()
  private let rowMarks = GrowingList<UInt8>()

  /// The plan of rank `own`'s tokens; `hostOfRank` is the lowest rank of each rank's host.
  init(own: Rank, hostOfRank: [Int]) {
    (self.own, self.hostOfRank) = (own, hostOfRank)
    let gateways = Gateways(hostOfRank: hostOfRank)
    places = AlignedBuffer(hostOfRank.indices.map { Int32(gateways.place(of: Rank($0))) } + [0])
    sharing = VisitSharing(rankCount: hostOfRank.count)
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
      visits: part(visits, first.visit, end.visit), weights: part(weights, first.visit, end.visit),
      returnCount: Int(cursors.pointer[rank].returned))
  }

  /// Sorts `rows` tokens' decisions by destination: `receivers` says by rank where what it computes is sent; nil where
  /// that is to itself.
  func build(
    _ decisions: RouterDecisions, rows: Int, placement: ExpertPlacement, receivers table: UnsafePointer<Int32>?
  ) {
    let topK = decisions.topK
    let (owners, receivers) = assign(decisions, rows: rows, placement, table)
    count(receivers, rows: rows, topK: topK)
    self.subtreeMarks.removeAll()
    self.rowMarks.removeAll()
    let subtreeMarks = self.subtreeMarks.extend(by: topK)
    let rowMarks = table == nil ? subtreeMarks : self.rowMarks.extend(by: topK)
    tokens.removeAll()
    visitCounts.removeAll()
    visits.removeAll()
    weights.removeAll()
    let total = starts.pointer[hostOfRank.count]
    let (tokens, visitCounts) = (tokens.extend(by: Int(total.token)), visitCounts.extend(by: Int(total.token)))
    let (visits, weights) = (visits.extend(by: rows * topK), weights.extend(by: rows * topK))
    var writer = totals.begin(totals: rows, parts: rows * topK)
    let (cursors, places) = (cursors.pointer, places.pointer)
    for row in 0..<rows {
      let (chosen, factors) = (decisions.experts.pointer + row * topK, decisions.weights.pointer + row * topK)
      let (owners, receivers) = (owners + row * topK, receivers + row * topK)
      PartialSubtrees.mark(chosen, places: owners, count: topK, into: subtreeMarks)
      if table != nil { PartialSubtrees.mark(chosen, places: receivers, count: topK, into: rowMarks) }
      for i in 0..<topK {
        let cursor = cursors + Int(receivers[i])
        if cursor.pointee.lastToken != Int32(row) {
          cursor.pointee.lastToken = Int32(row)
          tokens[Int(cursor.pointee.token)] = Int32(row)
          visitCounts[Int(cursor.pointee.token)] = 0
          cursor.pointee.token += 1
        }
        visitCounts[Int(cursor.pointee.token) - 1] += 1
        visits[Int(cursor.pointee.visit)] = VisitWord(
          expert: chosen[i], place: places[Int(owners[i])], beginsSubtree: subtreeMarks[i] == 1,
          beginsRow: rowMarks[i] == 1)
        weights[Int(cursor.pointee.visit)] = factors[i]
        cursor.pointee.visit += 1
        guard rowMarks[i] == 1 else { continue }
        writer.add(id: chosen[i], rank: receivers[i], index: cursor.pointee.returned)
        cursor.pointee.returned += 1
      }
      writer.endTotal()
    }
    totals.end(writer)
  }

  /// Finds who computes each visit, and where it is sent.
  private func assign(
    _ decisions: RouterDecisions, rows: Int, _ placement: ExpertPlacement, _ table: UnsafePointer<Int32>?
  ) -> (owners: UnsafePointer<Int32>, receivers: UnsafePointer<Int32>) {
    let count = rows * decisions.topK
    self.owners.removeAll()
    self.receivers.removeAll()
    let owners = self.owners.extend(by: count)
    sharing.assign(decisions.experts.pointer, count: count, from: own.index, placement, into: owners)
    guard let table else { return (UnsafePointer(owners), UnsafePointer(owners)) }
    let receivers = self.receivers.extend(by: count)
    for visit in 0..<count { receivers[visit] = table[Int(owners[visit])] }
    return (UnsafePointer(owners), UnsafePointer(receivers))
  }

  /// Finds where each rank's part begins.
  private func count(_ receivers: UnsafePointer<Int32>, rows: Int, topK: Int) {
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
        for i in (row * topK)..<((row + 1) * topK) {
          let rank = Int(receivers[i])
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
