import Kernels
import Machine
import Tensors

/// One rank's recurrent states: slots, each of which holds what all layers keep of one sequence, or of the beginning of
/// one. Which slot is for what is rank 0's to decide, as it is of cache blocks. Where ranks share out heads, each has
/// the matrices of its own.
///
/// Behind them are *spare* slots, for the length of a step: what a sequence's state is after each of its drafts, lest
/// some are wrong. Those are each rank's own to give out.
///
/// Memory is `[slot][layer]`, each layer's part of a size of its own and at the start of a cache line.
package final class StateCache {
  package let slotCount: Int
  /// Slots behind these.
  package let spareCount: Int
  private let slotNumbers: Int
  private let memory: ReservedMemory

  /// Bytes of one slot over all layers on this rank; 0 where no layer keeps a state.
  package static func slotByteCount(_ description: DecoderDescription) -> Int { 4 * numbers(description).total }

  /// Floats of a slot, and where each layer's begin.
  static func numbers(_ description: DecoderDescription) -> (offsets: [Int], total: Int) {
    var offsets: [Int] = []
    var total = 0
    for attention in description.ownAttentions {
      offsets.append(total)
      total += (attention.stateCount + 15) / 16 * 16
    }
    return (offsets, total)
  }

  /// Reserves room for `slotCount` states and `spareCount` more; the kernel supplies memory as it is first used. Throws
  /// `MemoryError`.
  package init(_ description: DecoderDescription, slotCount: Int, spareCount: Int = 0) throws {
    slotNumbers = Self.numbers(description).total
    // A rank without heads has slots of the same numbers as others, with nothing in them.
    (self.slotCount, self.spareCount) = description.isRecurrent ? (slotCount, spareCount) : (0, 0)
    let (bytes, overflows) = (4 * slotNumbers).multipliedReportingOverflow(by: self.slotCount + self.spareCount)
    memory = try ReservedMemory(byteCount: overflows ? Int.max : bytes)
  }

  /// Where the numbers of a slot, from 0 to below `slotCount`, begin.
  package func address(ofSlot slot: Int32) -> UnsafeMutablePointer<Float> {
    memory.base.assumingMemoryBound(to: Float.self) + Int(slot) * slotNumbers
  }

  /// The first number of a spare slot.
  package func address(ofSpare spare: Int) -> UnsafeMutablePointer<Float> {
    memory.base.assumingMemoryBound(to: Float.self) + (slotCount + spare) * slotNumbers
  }

  /// Makes a slot the state before any token.
  package func clear(_ slot: Int32, _ compute: Compute) {
    let target = address(ofSlot: slot)
    compute.pool.run { worker in
      let share = compute.share(of: slotNumbers, worker: worker)
      (target + share.lowerBound).update(repeating: 0, count: share.count)
    }
  }

  /// Makes `slot` what `source` is, both being numbers of slots.
  package func copy(_ source: Int32, to slot: Int32, _ compute: Compute) {
    guard source != slot else { return }
    copy(address(ofSlot: source), to: address(ofSlot: slot), compute)
  }

  /// The same of slots by their memory, `[slotNumbers]` each.
  package func copy(
    _ from: UnsafeMutablePointer<Float>, to target: UnsafeMutablePointer<Float>, _ compute: Compute
  ) {
    compute.pool.run { worker in
      let share = compute.share(of: slotNumbers, worker: worker)
      (target + share.lowerBound).update(from: from + share.lowerBound, count: share.count)
    }
  }
}

/// One layer's part of a recurrent state.
struct LayerState {
  /// Floats from a slot's start.
  let offset: Int

  func base(_ slot: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> { slot + offset }
}
