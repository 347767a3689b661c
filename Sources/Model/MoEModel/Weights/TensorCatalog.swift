import Checkpoints

/// Where tensors are looked up by name.
package protocol TensorCatalog {
  /// The tensor of this name; nil where there is none. Its shape may differ from the expected one.
  func tensor(_ name: String, expectedShape: [Int]) throws -> TensorEntry?
  /// Whether there is a tensor of this name, for names that not every checkpoint has.
  func holds(_ name: String) -> Bool
}

/// A checkpoint whose tensors' names lack the prefix that others' have.
struct UnprefixedCatalog: TensorCatalog {
  let base: any TensorCatalog

  private func stored(_ name: String) -> String {
    name.hasPrefix(TensorNaming.prefix) ? String(name.dropFirst(TensorNaming.prefix.count)) : name
  }
  func tensor(_ name: String, expectedShape: [Int]) throws -> TensorEntry? {
    try base.tensor(stored(name), expectedShape: expectedShape)
  }
  func holds(_ name: String) -> Bool { base.holds(stored(name)) }
}

extension CheckpointFolder: TensorCatalog {
  package func tensor(_ name: String, expectedShape: [Int]) -> TensorEntry? { tensor(name) }
  package func holds(_ name: String) -> Bool { tensor(name) != nil }
}
