import CKernels
import Foundation

/// Memory for a kernel's arrays in which a step too far is found: reading or writing past an array's last float ends
/// the test run, since an unreadable page begins there; writing before its first is found by `isIntact`.
///
/// It is unmapped by hand, not by `deinit`: the optimiser may end an object's life while a kernel holds its pointer.
final class GuardedArena {
  private var mappings: [(start: UnsafeMutableRawPointer, byteCount: Int)] = []

  func floats(_ values: [Float]) -> GuardedFloats {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let used = (values.count + GuardedFloats.canaryCount) * MemoryLayout<Float>.stride
    let readable = (used + page - 1) / page * page
    let mapping = mmap(nil, readable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    precondition(mapping != MAP_FAILED && mprotect(mapping + readable, page, PROT_NONE) == 0)
    mappings.append((mapping, readable + page))
    let start = (mapping + (readable - used)).assumingMemoryBound(to: Float.self)
    start.initialize(repeating: GuardedFloats.canary, count: GuardedFloats.canaryCount)
    let pointer = start + GuardedFloats.canaryCount
    pointer.initialize(from: values, count: values.count)
    return GuardedFloats(pointer: pointer, count: values.count)
  }

  /// Room for `count` 16-bit numbers, the last of which is the last before the unreadable page.
  func halves(_ count: Int) -> UnsafeMutablePointer<UInt16> {
    let floats = floats([Float](repeating: .nan, count: (count + 1) / 2))
    return UnsafeMutableRawPointer(floats.pointer).assumingMemoryBound(to: UInt16.self) + count % 2
  }

  fileprivate func unmap() {
    for mapping in mappings { munmap(mapping.start, mapping.byteCount) }
    mappings = []
  }
}

/// Runs `body` with memory that lasts until it returns.
func withGuardedArena<Result>(_ body: (GuardedArena) throws -> Result) rethrows -> Result {
  let memory = GuardedArena()
  defer { memory.unmap() }
  return try body(memory)
}

/// Floats in guarded memory, valid as long as that.
struct GuardedFloats {
  let pointer: UnsafeMutablePointer<Float>
  let count: Int
  fileprivate static let canary: Float = -0x1.c0ffeep+70
  fileprivate static let canaryCount = 16

  var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
  var isIntact: Bool { (1...Self.canaryCount).allSatisfy { pointer[-$0] == Self.canary } }
}

/// What one kernel call wrote, by the reference and by another instruction set, into equal buffers.
struct KernelResults {
  let reference: [Float]
  let agree: Bool

  /// Runs `call` twice on buffers holding `initial`.
  init(_ isa: ck_isa, _ initial: [Float], _ call: (ck_isa, UnsafeMutablePointer<Float>) -> Void) {
    (reference, agree) = withGuardedArena { memory in
      let expected = memory.floats(initial)
      let actual = memory.floats(initial)
      call(CK_ISA_REFERENCE, expected.pointer)
      call(isa, actual.pointer)
      let values = expected.values
      return (values, expected.isIntact && actual.isIntact && values.hasSameBits(as: actual.values))
    }
  }
}

extension [Float] {
  /// Equal bits, any NaN being equal to any other.
  func hasSameBits(as other: [Float]) -> Bool {
    count == other.count && zip(self, other).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
  }

  /// The same numbers on every run, in [-1, 1).
  static func random(_ count: Int, seed: UInt64 = 1) -> [Float] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x2545_F491_4F6C_DD1D
    return (0..<count).map { _ in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
    }
  }

  /// Random numbers in [-scale, scale) with special ones at both ends, where they meet full vectors and tails.
  static func randomWithSpecials(_ count: Int, scale: Float) -> [Float] {
    let specials: [Float] = [0, -0.0, .infinity, -.infinity, .nan, 0x1p-140, -0x1p-140, 1e38, -1e38, 88.9, -104]
    var values = random(count).map { $0 * scale }
    for (i, special) in specials.enumerated() where count > 2 * specials.count {
      values[i] = special
      values[count - 1 - i] = special
    }
    return values
  }
}
