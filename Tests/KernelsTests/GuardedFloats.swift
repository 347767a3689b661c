import CKernels
import Foundation

/// Floats that end where an unreadable page begins, with canaries before them: reading or writing past the last one
/// ends the test run, writing before the first one is found by `isIntact`.
final class GuardedFloats {
  let pointer: UnsafeMutablePointer<Float>
  let count: Int
  private let mapping: UnsafeMutableRawPointer
  private let byteCount: Int
  private static let canary: Float = -0x1.c0ffeep+70
  private static let canaryCount = 16

  init(_ values: [Float]) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let used = (values.count + Self.canaryCount) * MemoryLayout<Float>.stride
    let readable = (used + page - 1) / page * page
    count = values.count
    byteCount = readable + page
    mapping = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    precondition(mapping != MAP_FAILED && mprotect(mapping + readable, page, PROT_NONE) == 0)
    let start = (mapping + (readable - used)).assumingMemoryBound(to: Float.self)
    start.initialize(repeating: Self.canary, count: Self.canaryCount)
    pointer = start + Self.canaryCount
    pointer.initialize(from: values, count: values.count)
  }

  deinit { munmap(mapping, byteCount) }

  var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
  var isIntact: Bool { (1...Self.canaryCount).allSatisfy { pointer[-$0] == Self.canary } }
}

/// What one kernel call wrote, by the reference and by another instruction set, into equal buffers.
struct KernelResults {
  let reference: [Float]
  let agree: Bool

  /// Runs `call` twice on buffers holding `initial`.
  init(_ isa: ck_isa, _ initial: [Float], _ call: (ck_isa, UnsafeMutablePointer<Float>) -> Void) {
    let expected = GuardedFloats(initial), actual = GuardedFloats(initial)
    call(CK_ISA_REFERENCE, expected.pointer)
    call(isa, actual.pointer)
    reference = expected.values
    agree = expected.isIntact && actual.isIntact && reference.hasSameBits(as: actual.values)
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

extension ck_isa {
  static let supported = [CK_ISA_REFERENCE, CK_ISA_AVX2, CK_ISA_AVX512, CK_ISA_NEON].filter { ck_isa_supported($0) }
  static let supportedBesideReference = supported.filter { $0 != CK_ISA_REFERENCE }
}
