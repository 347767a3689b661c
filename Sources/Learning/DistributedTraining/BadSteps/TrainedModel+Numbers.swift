import Fabric
import Kernels
import Machine
import Synchronization
import Tensors
import Training

/// A training's numbers as a whole: how many, and whether all of them are numbers.
extension TrainedModel {
  /// Bytes of this rank's masters and of what the optimiser keeps.
  package var keptByteCount: Int {
    parameters.reduce(0) { $0 + $1.own.count * $1.rule.parts.count * MemoryLayout<Float>.stride }
  }

  /// The first of this model's numbers, in the order of the table, that has an infinity or no number in it, as in "the
  /// weights of model.norm.weight"; the same on all ranks, nil where all are finite. Reads all that is kept once.
  /// Collective.
  func firstNotFinite() throws -> String? {
    var found: [UInt8] = []
    search: for parameter in parameters where !parameter.own.isEmpty {
      for part in parameter.rule.parts
      where !isBelow(parameter.limit(of: part), parameter.numbers(part), count: parameter.own.count) {
        found = Array("\(part == .master ? "the weights" : "the \(part.rawValue)") of \(parameter.name)".utf8)
        break search
      }
    }
    // Ranks have other parameters, but each goes through its own in the table's order: any of them tells the place.
    return try communicator.allGather(found).first { !$0.isEmpty }.map { String(decoding: $0, as: UTF8.self) }
  }

  private func isBelow(_ limit: UInt32, _ numbers: AlignedBuffer<Float>, count: Int) -> Bool {
    let isBad = Atomic(false)
    compute.pool.run { worker in
      let share = compute.share(of: count, worker: worker)
      if !Self.isBelow(limit, numbers.pointer + share.lowerBound, count: share.count) {
        isBad.store(true, ordering: .relaxed)
      }
    }
    return !isBad.load(ordering: .relaxed)
  }

  /// The bits of +∞.
  static let infinity = UInt32(0x7F80_0000)

  /// Whether the bits of all magnitudes are below `limit`; sixteen numbers at a time.
  static func isBelow(_ limit: UInt32, _ numbers: UnsafePointer<Float>, count: Int) -> Bool {
    let magnitude = UInt32(0x7FFF_FFFF)
    var most = SIMD16<UInt32>()
    var i = 0
    while i + 16 <= count {
      let bits = UnsafeRawPointer(numbers + i).loadUnaligned(as: SIMD16<UInt32>.self) & magnitude
      most = pointwiseMax(most, bits)
      i += 16
    }
    return most.max() < limit && (i..<count).allSatisfy { numbers[$0].bitPattern & magnitude < limit }
  }
}

extension TrainedParameter {
  /// The bits of the least magnitude that cannot be saved: ∞, and for what is exported in bf16 whatever is rounded to
  /// it.
  fileprivate func limit(of part: StatePart) -> UInt32 {
    part == .master && isRounded ? 0x7F7F_8000 : TrainedModel.infinity
  }
}
