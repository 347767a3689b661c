import Checkpoints

/// Where tensors are looked up by name.
package protocol TensorCatalog {
  /// The tensor of this name; nil where there is none. Its shape may differ from the expected one.
  func tensor(_ name: String, expectedShape: [Int]) throws -> TensorEntry?
}

extension CheckpointFolder: TensorCatalog {
  package func tensor(_ name: String, expectedShape: [Int]) -> TensorEntry? { tensor(name) }
}
