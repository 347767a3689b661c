import Bytes
internal import CChecksum

/// A sum over stored bytes of one tensor, whichever way they are cut and in whatever order the pieces come.
///
/// It guards against accidents, such as another checkpoint or a damaged file, and not against attackers. `CChecksum.h`
/// defines it.
package struct TensorSum: Sendable, Equatable {
  package private(set) var value: UInt64
  /// How many bytes were summed.
  package private(set) var byteCount: Int

  package init() { (value, byteCount) = (0, 0) }

  package init(value: UInt64, byteCount: Int) { (self.value, self.byteCount) = (value, byteCount) }

  /// That of `bytes`, the first of which is the tensor's byte `offset`.
  package init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    value = bytes.baseAddress.map { cc_sum($0, bytes.count, UInt64(truncatingIfNeeded: offset)) } ?? 0
    byteCount = bytes.count
  }

  /// Takes in other bytes of the same tensor.
  package static func += (sum: inout TensorSum, other: TensorSum) {
    sum.value &+= other.value
    sum.byteCount &+= other.byteCount
  }

  /// The value in sixteen hexadecimal digits.
  package var text: String { Digits.hexadecimal(value) }
}
