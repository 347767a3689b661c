import Tensors

/// The tables of layers that route by token: which experts each token goes to.
package struct TokenExpertTable: Sendable {
  package let expertCount: Int
  package let topK: Int
  /// What the tensor is called, for messages.
  let tensor: String

  package init(_ moe: MoEDescription, tensor: String) {
    (expertCount, topK, self.tensor) = (moe.expertCount, moe.topK, tensor)
  }

  /// Throws for numbers that no expert has, and for a token that goes to one expert twice. `stored`: whole tokens,
  /// `[tokens, topK]`.
  package func check(_ stored: UnsafeBufferPointer<Float>) throws(ModelError) {
    for (i, value) in stored.enumerated() {
      guard value >= 0, value < Float(expertCount), value == value.rounded(.down) else {
        throw .invalidTokenExperts(
          tensor: tensor, token: i / topK,
          "the expert \(Int(exactly: value).map { "\($0)" } ?? "\(value)"), of \(expertCount)")
      }
      let own = i / topK * topK
      if stored[own..<i].contains(value) {
        throw .invalidTokenExperts(tensor: tensor, token: i / topK, "the expert \(Int(value)) twice")
      }
    }
  }

  /// Writes the experts of each token in ascending order, `[tokens, topK]`, from numbers that were checked.
  func write(_ stored: UnsafePointer<Float>, into table: AlignedBuffer<Int32>) {
    for i in 0..<table.count { table.buffer[i] = Int32(exactly: stored[i]) ?? 0 }
    for first in stride(from: 0, to: table.count, by: topK) {
      var row = UnsafeMutableBufferPointer(start: table.pointer + first, count: topK)
      row.sort()
    }
  }
}
