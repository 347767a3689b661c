import Fabric
import MoEModel
import Tensors
import Training

/// One parameter in training: this rank's part of its numbers, and the values that the passes compute with.
///
/// A routed expert's is wholly its owner's. Of all others each rank owns a *slice*: fp32 masters, what the optimiser
/// keeps, and the sums of gradients (ZeRO-1: Rajbhandari and others, 2020); Muon's matrices belong to one rank each.
final class TrainedParameter {
  let spec: ParameterSpec
  let name: String
  let rule: UpdateRule
  /// Elements by owner. Those that divide a parameter do so at blocks of `SquareSum`.
  let slices: [Range<Int>]
  /// This rank's.
  let own: Range<Int>
  /// Of each part that is kept, `[own]`.
  private var state: [StatePart: AlignedBuffer<Float>] = [:]
  /// The sum of gradients, `[own]`.
  let gradient: AlignedBuffer<Float>
  /// All elements as the passes see them: what is exported, rounded, and the parameter's offset.
  let values: AlignedBuffer<Float>

  init(_ spec: ParameterSpec, name: String, rule: UpdateRule, slices: [Range<Int>], rank: Rank) {
    (self.spec, self.name, self.rule, self.slices) = (spec, name, rule, slices)
    own = slices[rank.index]
    gradient = AlignedBuffer(count: own.count)
    values = AlignedBuffer(count: spec.elementCount)
    for part in rule.parts { state[part] = AlignedBuffer(count: own.count) }
  }

  /// Whether it is exported, and so computed with, in bf16.
  var isRounded: Bool { !spec.role.isFull }

  /// This rank's part of some numbers of the parameter, `[own]`; the parameter's rule must have it.
  func numbers(_ part: StatePart) -> AlignedBuffer<Float> {
    guard let found = state[part] else { preconditionFailure("\(name) has no \(part)") }
    return found
  }
}

/// Who owns which elements of the parameters that every rank computes with.
struct SliceOwners {
  let rankCount: Int
  /// Elements of whole matrices that each rank was given so far.
  private var taken: [Int]

  init(rankCount: Int) {
    self.rankCount = rankCount
    taken = Array(repeating: 0, count: rankCount)
  }

  /// Even slices; or all for the rank that has least of what cannot be divided.
  mutating func slices(of spec: ParameterSpec, rule: UpdateRule) -> [Range<Int>] {
    let count = spec.elementCount
    switch rule {
    case .adamW:
      let blocks = (count + SquareSum.blockLength - 1) / SquareSum.blockLength
      return (0..<rankCount).map { rank in
        func bound(_ rank: Int) -> Int { min(blocks * rank / rankCount * SquareSum.blockLength, count) }
        return bound(rank)..<bound(rank + 1)
      }
    case .muon:
      let owner = taken.indices.min { (taken[$0], $0) < (taken[$1], $1) } ?? 0
      taken[owner] += count
      return Self.all(count, of: owner, rankCount: rankCount)
    case .balance, .frozen: return Self.all(count, of: 0, rankCount: rankCount)
    }
  }

  static func all(_ count: Int, of owner: Int, rankCount: Int) -> [Range<Int>] {
    (0..<rankCount).map { $0 < owner ? 0..<0 : $0 == owner ? 0..<count : count..<count }
  }
}
