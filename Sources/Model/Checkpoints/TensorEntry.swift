import Tensors

/// Where one tensor lies: row-major, little-endian, `byteCount` bytes from `byteOffset` of its file.
package struct TensorEntry: Sendable, Equatable {
  package let name: String
  package let type: ElementType
  package let shape: [Int]
  /// Which of the checkpoint's files, counted from 0.
  package let fileIndex: Int
  /// From the start of the file; not necessarily a multiple of the element's size.
  package let byteOffset: Int
  package let byteCount: Int

  package init(name: String, type: ElementType, shape: [Int], fileIndex: Int, byteOffset: Int, byteCount: Int) {
    (self.name, self.type, self.shape) = (name, type, shape)
    (self.fileIndex, self.byteOffset, self.byteCount) = (fileIndex, byteOffset, byteCount)
  }

  package var elementCount: Int {
    let (length, bytes) = type.block
    return byteCount / bytes * length + byteCount % bytes * length / bytes
  }

  /// Bytes of a tensor, or nil when the product of its non-zero dimensions overflows, an answer that does not
  /// depend on the dimensions' order, when the last byte would not be full, or when a row would end inside a block.
  package static func byteCount(of shape: [Int], _ type: ElementType) -> Int? {
    let (length, bytes) = type.block
    var product = bytes * 8
    for dimension in shape where dimension != 0 {
      let (next, overflowed) = product.multipliedReportingOverflow(by: dimension)
      if overflowed { return nil }
      product = next
    }
    if shape.contains(0) { return 0 }
    if type.isBlocked, (shape.last ?? 1) % length != 0 { return nil }
    return product % (8 * length) == 0 ? product / (8 * length) : nil
  }
}
