import Tensors

/// In which order one rank's experts compute their visits: sorted by expert, and shared out among workers.
final class ExpertOrder {
  /// One expert's visits.
  struct Group {
    var expert: Int
    /// Places in the order.
    var first: Int
    var count: Int
  }

  /// Groups that all workers compute together, whose intermediate results stay in the cache.
  struct Run {
    var groups: Range<Int>
    var first: Int
    var count: Int
  }

  /// The most visits of an expert that one worker computes alone: with more, arithmetic takes so long that barriers
  /// hardly matter, and the last expert to finish does.
  static let claimVisits = 16

  /// Visits after which a run ends: two rows of 2048 floats each fill half of a second-level cache of 1 MiB, shared by
  /// two workers or more.
  private static let runVisits = 64

  private(set) var groups: [Group] = []
  private(set) var runs: [Run] = []
  /// Groups that one worker computes alone; they belong to no run.
  private(set) var claimable: [Group] = []
  /// The visit at each place of the order, and the place of each visit.
  private(set) var visitAt = AlignedBuffer<Int32>(count: 1)
  private(set) var placeOf = AlignedBuffer<Int32>(count: 1)
  private var expertCounts: [Int]
  private let workerCount: Int
  private let mayClaim: Bool

  /// `mayClaim` says whether one worker may compute an expert alone: where all share a NUMA node.
  init(expertCount: Int, workerCount: Int, mayClaim: Bool) {
    (self.workerCount, self.mayClaim) = (workerCount, mayClaim)
    expertCounts = Array(repeating: 0, count: expertCount)
  }

  /// Orders visits by expert (counting sort, stable).
  func sort(_ visits: UnsafeBufferPointer<ExpertVisit>) {
    if visitAt.count < visits.count {
      visitAt = AlignedBuffer(count: visits.count * 3 / 2)
      placeOf = AlignedBuffer(count: visits.count * 3 / 2)
    }
    for e in expertCounts.indices { expertCounts[e] = 0 }
    for visit in visits { expertCounts[Int(visit.expert)] += 1 }
    groups.removeAll(keepingCapacity: true)
    runs.removeAll(keepingCapacity: true)
    claimable.removeAll(keepingCapacity: true)
    let limit = claimLimit(visits.count)
    var first = 0
    for e in expertCounts.indices where expertCounts[e] > 0 {
      let group = Group(expert: e, first: first, count: expertCounts[e])
      if group.count <= limit { claimable.append(group) } else { addToRun(group) }
      expertCounts[e] = first
      first += group.count
    }
    for v in 0..<visits.count {
      let e = Int(visits[v].expert)
      visitAt.pointer[expertCounts[e]] = Int32(v)
      placeOf.pointer[v] = Int32(expertCounts[e])
      expertCounts[e] += 1
    }
  }

  /// The most visits an expert may have for one worker to compute it alone; 0 when all work is to be split.
  private func claimLimit(_ visits: Int) -> Int {
    guard mayClaim else { return 0 }
    // The last to finish may be late by a whole expert: it must be a small part of each worker's work.
    let limit = min(visits / (4 * workerCount), Self.claimVisits)
    let count = expertCounts.lazy.filter { $0 > 0 && $0 <= limit }.count
    return count >= 8 * workerCount ? limit : 0
  }

  private func addToRun(_ group: Group) {
    if let last = runs.last, last.count < Self.runVisits, last.first + last.count == group.first {
      runs[runs.count - 1].groups = last.groups.lowerBound..<(groups.count + 1)
      runs[runs.count - 1].count += group.count
    } else {
      runs.append(Run(groups: groups.count..<(groups.count + 1), first: group.first, count: group.count))
    }
    groups.append(group)
  }
}
