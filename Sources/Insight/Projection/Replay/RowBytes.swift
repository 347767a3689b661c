import ExpertParallelism

/// Bytes of a row that travels to an expert, and of a sum that comes back.
package struct RowBytes: Sendable, Equatable {
  package var token: Int
  package var sum: Int

  package init(token: Int, sum: Int) { (self.token, self.sum) = (token, sum) }

  package init(_ wire: WireFormat) { self.init(token: wire.tokenByteCount, sum: wire.sumByteCount) }
}
