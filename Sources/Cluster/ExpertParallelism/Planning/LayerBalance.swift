import Fabric
import Glibc

/// One layer while its placement is being planned: who holds what, and what each rank is expected to do.
struct LayerBalance {
  /// By expert: ranks that hold it, the owner first.
  private(set) var holders: [[Int]]
  /// By rank: the experts it holds.
  private var held: [[Int]]
  private let visits: [Double]
  /// Mean visits of an expert in a step; nil where nobody counted steps.
  private let perStep: [Double]?
  /// By rank: expected visits, and distinct experts of a step.
  private var rankVisits: [Double]
  private var rankExperts: [Double]
  private var total = 0.0

  init(owners: [Int], rankCount: Int, visits: [Double], steps: Double?) {
    holders = owners.map { [$0] }
    held = Array(repeating: [], count: rankCount)
    self.visits = visits
    perStep = steps.flatMap { steps in steps > 0 ? visits.map { $0 / steps } : nil }
    (rankVisits, rankExperts) = (Array(repeating: 0, count: rankCount), Array(repeating: 0, count: rankCount))
    total = visits.reduce(0, +)
    for (expert, owner) in owners.enumerated() {
      held[owner].append(expert)
      rankVisits[owner] += visits[expert]
      rankExperts[owner] += distinct(expert)
    }
  }

  private var rankCount: Int { held.count }

  /// Visits that each holder of an expert gets: senders share them out as evenly as they can.
  func share(_ expert: Int) -> Double { visits[expert] / Double(holders[expert].count) }

  /// How probable it is that a holder of the expert is asked for it in a step.
  private func distinct(_ expert: Int) -> Double {
    perStep.map { 1 - exp(-$0[expert] / Double(holders[expert].count)) } ?? 1
  }

  func holds(_ expert: Int, _ rank: Int) -> Bool { holders[expert].contains(rank) }

  /// Of one rank, over the mean of all: the greater of visits and distinct experts.
  func cost(_ rank: Int, visits addedVisits: Double = 0, experts addedExperts: Double = 0) -> Double {
    let mean = rankExperts.reduce(0, +) / Double(rankCount)
    let visitCost = total > 0 ? (rankVisits[rank] + addedVisits) * Double(rankCount) / total : 1
    return max(visitCost, mean > 0 ? (rankExperts[rank] + addedExperts) / mean : 1)
  }

  /// How much more than the mean the busiest rank has: of visits, and of distinct experts.
  var factors: (visits: Double, experts: Double) {
    let mean = rankExperts.reduce(0, +) / Double(rankCount)
    return (
      total > 0 ? (rankVisits.max() ?? 0) * Double(rankCount) / total : 1,
      mean > 0 ? (rankExperts.max() ?? 0) / mean : 1
    )
  }

  /// The greater of both.
  var factor: Double { max(factors.visits, factors.experts) }

  /// Gives an expert one holder more.
  mutating func addReplica(of expert: Int, on rank: Int) {
    change(expert, by: -1)
    holders[expert].append(rank)
    held[rank].append(expert)
    change(expert, by: 1)
  }

  /// Adds what an expert costs to each of its holders, or takes it away.
  private mutating func change(_ expert: Int, by sign: Double) {
    for rank in holders[expert] {
      rankVisits[rank] += sign * share(expert)
      rankExperts[rank] += sign * distinct(expert)
    }
  }

  /// Two experts that ranks hold in each other's place.
  private struct Exchange {
    var given: Int
    var taken: Int
    var from: Int
  }

  /// What counts of costs that hardly differ: a pair of neighbours in the combine tree more or less on one rank.
  private static let neighbourWorth = 0.002
  /// Costs below this are even; the least by which an exchange must lower the greatest.
  private static let evenCost = 1.01
  private static let leastGain = 1e-4

  /// Exchanges experts between the busiest rank and others until that lowers the greatest cost no more.
  mutating func level() {
    for _ in 0..<(4 * holders.count) {
      guard let busiest = (0..<rankCount).max(by: { cost($0) < cost($1) }), cost(busiest) > Self.evenCost,
        let exchange = bestExchange(of: busiest)
      else { return }
      move(exchange.given, from: busiest, to: exchange.from)
      move(exchange.taken, from: exchange.from, to: busiest)
    }
  }

  private func bestExchange(of busiest: Int) -> Exchange? {
    let mean = rankExperts.reduce(0, +) / Double(rankCount)
    let (visitScale, expertScale) = (total > 0 ? Double(rankCount) / total : 0, mean > 0 ? 1 / mean : 0)
    var (best, least) = (nil as Exchange?, cost(busiest) - Self.leastGain)
    for given in held[busiest] {
      let (givenVisits, givenExperts) = (share(given), distinct(given))
      for rank in 0..<rankCount where rank != busiest && !holds(given, rank) {
        for taken in held[rank] where !holds(taken, busiest) {
          let (visits, experts) = (givenVisits - share(taken), givenExperts - distinct(taken))
          // Of both ranks, as `cost` has it.
          var cost = max((rankVisits[busiest] - visits) * visitScale, (rankExperts[busiest] - experts) * expertScale)
          cost = max(cost, (rankVisits[rank] + visits) * visitScale, (rankExperts[rank] + experts) * expertScale)
          guard cost < least + 2 * Self.neighbourWorth else { continue }
          cost +=
            Self.neighbourWorth
            * Double(
              neighbours(given, busiest) + neighbours(taken, rank) - neighbours(given, rank)
                - neighbours(taken, busiest))
          guard cost < least else { continue }
          (best, least) = (Exchange(given: given, taken: taken, from: rank), cost)
        }
      }
    }
    return best
  }

  /// Whether the other expert of the smallest subtree around an expert is on a rank: 1 or 0.
  private func neighbours(_ expert: Int, _ rank: Int) -> Int {
    let other = expert ^ 1
    return other < holders.count && holds(other, rank) ? 1 : 0
  }

  private mutating func move(_ expert: Int, from: Int, to: Int) {
    guard let place = holders[expert].firstIndex(of: from), let at = held[from].firstIndex(of: expert) else { return }
    change(expert, by: -1)
    holders[expert][place] = to
    held[from].remove(at: at)
    held[to].append(expert)
    change(expert, by: 1)
  }

  var placement: ExpertPlacement {
    ExpertPlacement(
      owners: holders.map { Rank($0[0]) }, replicas: holders.map { $0.dropFirst().map { Rank($0) } },
      rankCount: rankCount)
  }
}
