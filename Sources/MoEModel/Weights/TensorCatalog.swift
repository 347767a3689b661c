import Checkpoints

/// Where tensors are looked up by name.
package protocol TensorCatalog {
  /// The tensor of this name; nil where there is none. Its shape may differ from the expected one.
  func tensor(_ name: String, expectedShape: [Int]) throws -> TensorEntry?
  /// Whether there is a tensor of this name, for names that not every checkpoint has.
  func holds(_ name: String) -> Bool
}

extension CheckpointFolder: TensorCatalog {
  package func tensor(_ name: String, expectedShape: [Int]) -> TensorEntry? { tensor(name) }
  package func holds(_ name: String) -> Bool { tensor(name) != nil }
}
