import Checkpoints

/// What ranks compare to know that they see the same data.
enum DataFingerprint {
  private static let pieceTokens = 1 << 20

  /// Reads all tokens of all stores. Throws for a token that is outside the vocabulary.
  static func digest(
    _ groups: [[any TokenStore]], length: Int, packing: Packing, parts: [Double], padding: Int32?
  ) throws -> [UInt8] {
    var hash = SHA256()
    hash.update(Array("martinet data 1 \(packing.rawValue)".utf8))
    hash.update(count: length)
    hash.update(count: Int(padding ?? -1))
    hash.update(count: groups.count)
    for (group, part) in zip(groups, parts) {
      hash.update(count: Int(bitPattern: UInt(part.bitPattern)))
      hash.update(count: group.count)
      for store in group { try add(store, to: &hash) }
    }
    return hash.finish()
  }

  private static func add(_ store: any TokenStore, to hash: inout SHA256) throws {
    hash.update(count: store.tokenCount)
    switch store.documents {
    case .rows(let length): hash.update(count: length)
    case .starts(let starts):
      hash.update(count: -starts.count)
      hash.update(count: Int(truncatingIfNeeded: sum(starts).value))
    }
    hash.update(count: Int(truncatingIfNeeded: try sum(store).value))
  }

  /// Of the tokens as 32-bit integers, whatever a file stores.
  private static func sum(_ store: any TokenStore) throws -> TensorSum {
    var sum = TensorSum()
    var piece = [Int32](repeating: 0, count: min(pieceTokens, store.tokenCount))
    for first in stride(from: 0, to: store.tokenCount, by: pieceTokens) {
      let count = min(pieceTokens, store.tokenCount - first)
      try piece.withUnsafeMutableBufferPointer { piece in
        let tokens = UnsafeMutableBufferPointer(rebasing: piece[..<count])
        try store.read(into: tokens, from: first)
        sum += TensorSum(UnsafeRawBufferPointer(tokens), at: first * 4)
      }
    }
    return sum
  }

  private static func sum(_ numbers: [Int]) -> TensorSum { numbers.withUnsafeBytes { TensorSum($0, at: 0) } }
}
