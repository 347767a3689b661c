import Tensors

/// Gives each visit of one rank's tokens in one layer to one of the ranks that hold its expert.
///
/// Where an expert has one holder there is no choice. Visits to experts with replicas come after those, in the order of
/// tokens and ids, each to the holder that has least of these tokens' visits so far; to the sender itself also where it
/// has one more, as nothing travels then; of equals to the first one after the sender in the order of ranks, so that
/// senders with few tokens do not all ask the same. An expert gives the same rows wherever it runs: bits do not depend
/// on it.
package final class VisitSharing {
  /// By rank: visits given to it so far.
  private let loads: AlignedBuffer<Int32>
  private let rankCount: Int

  /// Among `rankCount` ranks.
  package init(rankCount: Int) {
    self.rankCount = rankCount
    loads = AlignedBuffer(count: max(rankCount, 1))
  }

  /// owners `[count]` := the rank that each visit goes to, of visits to `experts` `[count]`; `sender` is the rank whose
  /// tokens they are.
  package func assign(
    _ experts: UnsafePointer<Int32>, count: Int, from sender: Int, _ placement: ExpertPlacement,
    into owners: UnsafeMutablePointer<Int32>
  ) {
    let first = placement.ownerIndices
    guard placement.hasReplicas else {
      for i in 0..<count { owners[i] = first[Int(experts[i])] }
      return
    }
    let loads = loads.pointer
    loads.update(repeating: 0, count: rankCount)
    for i in 0..<count where placement.holders(of: experts[i]).count == 1 {
      owners[i] = first[Int(experts[i])]
      loads[Int(owners[i])] += 1
    }
    for i in 0..<count {
      let holders = placement.holders(of: experts[i])
      guard holders.count > 1 else { continue }
      var (best, bestCost) = (Int(holders[0]), cost(of: Int(holders[0]), from: sender))
      for holder in holders.dropFirst() {
        let cost = cost(of: Int(holder), from: sender)
        if cost < bestCost { (best, bestCost) = (Int(holder), cost) }
      }
      owners[i] = Int32(best)
      loads[best] += 1
    }
  }

  /// Of a rank that a visit may go to: the visits it has, one less where nothing need travel, and then its distance.
  private func cost(of rank: Int, from sender: Int) -> (visits: Int32, distance: Int) {
    let distance = rank >= sender ? rank - sender : rank + rankCount - sender
    return (loads.pointer[rank] - (rank == sender ? 1 : 0), distance)
  }
}
