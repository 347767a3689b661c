import Tensors

/// Where one tensor lies: row-major, little-endian, `byteCount` bytes from `byteOffset` of its file.
package struct TensorEntry: Sendable, Equatable {
  package let name: String
  package let type: ElementType
  package let shape: [Int]
  /// Position in `CheckpointFolder.files`.
  package let fileIndex: Int
  /// From the start of the file; not necessarily a multiple of the element's size.
  package let byteOffset: Int
  package let byteCount: Int

  package var elementCount: Int { byteCount / type.byteCount }
}
