import ExpertParallelism
import Fabric
import MoEModel
import Telemetry
import Tensors

/// How the tokens of a dispatch benchmark choose their experts.
package enum SyntheticRouting: String, CaseIterable {
  /// Every set of experts is as probable as any other.
  case uniform
  /// Expert e is chosen in proportion to 1 / (e' + 1), where e' runs over all experts in an order of its own.
  case zipf
  /// Every token chooses experts of rank 0 only, as far as it has enough.
  case oneRank = "one-rank"
  /// As the tokens of a file did that `--record-routing` wrote.
  case recorded

  /// `count` tokens' decisions, distinct experts in ascending order; the same for the same `seed`.
  func decisions(count: Int, topK: Int, placement: ExpertPlacement, seed: UInt64) -> RouterDecisions {
    let expertCount = placement.expertCount
    let decisions = RouterDecisions(capacity: max(count, 1), topK: topK)
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func random(_ limit: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state >> 11) % max(limit, 1)
    }
    // Rank 0's first, and as many of the others' as a token needs beside them.
    let (own, others) = (placement.experts(of: Rank(0)), (0..<expertCount).filter { placement.owners[$0] != Rank(0) })
    let first = own + others.prefix(max(0, topK - own.count))
    // Weights of experts scattered over the ids, so that the popular ones are not all on one rank.
    let harmonic = (0..<expertCount).map { 1 / Double(($0 * 7919) % expertCount + 1) }
    let total = harmonic.reduce(0, +)
    func draw() -> Int32 {
      switch self {
      case .uniform, .recorded: return Int32(random(expertCount))
      case .oneRank: return Int32(first[random(first.count)])
      case .zipf:
        var rest = Double(random(1 << 30)) / Double(1 << 30) * total
        for (expert, weight) in harmonic.enumerated() {
          rest -= weight
          if rest < 0 { return Int32(expert) }
        }
        return Int32(expertCount - 1)
      }
    }
    for token in 0..<count {
      var chosen: Set<Int32> = []
      while chosen.count < topK { chosen.insert(draw()) }
      for (i, expert) in chosen.sorted().enumerated() {
        decisions.experts.pointer[token * topK + i] = expert
        decisions.weights.pointer[token * topK + i] = 1 / Float(topK)
      }
    }
    return decisions
  }

  /// `count` decisions out of a record, of one layer after another; `seed` says where to begin.
  static func decisions(count: Int, from record: RoutingRecord, seed: UInt64) -> RouterDecisions {
    let decisions = RouterDecisions(capacity: max(count, 1), topK: record.topK)
    let tokens = record.rows.count
    for token in 0..<count {
      let at = Int(seed % UInt64(tokens)) * count + token
      let choices = record.choices(row: at % tokens, layer: at / tokens % record.layers.count)
      for (i, expert) in choices.enumerated() {
        decisions.experts.pointer[token * record.topK + i] = expert
        decisions.weights.pointer[token * record.topK + i] = 1 / Float(record.topK)
      }
    }
    return decisions
  }
}
