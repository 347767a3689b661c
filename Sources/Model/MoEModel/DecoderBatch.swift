/// What one rank feeds through the model in one step: a run of new tokens from each of some sequences.
package struct DecoderBatch {
  /// What is wanted of a chunk's rows: logits of the last or of all, or hidden states after the last norm.
  package enum Outputs: UInt8, Sendable { case none, last, all, lastState, allStates }

  /// One sequence's part of the batch.
  package struct Chunk {
    /// The chunk's first row of the batch, and its number of tokens.
    package var firstRow: Int
    package var count: Int
    /// Position, in its sequence, of the chunk's first token.
    package var startPosition: Int
    /// Addresses of the sequence's cache blocks in layer 0, enough for all its positions after this step.
    package var blocks: UnsafePointer<UnsafeRawPointer?>
    /// Which of its rows want logits or states.
    package var outputs: Outputs
    /// The sequence's slot of recurrent states, which goes on from its state before the chunk; nil in models without.
    package var state: UnsafeMutablePointer<Float>?

    package init(
      firstRow: Int, count: Int, startPosition: Int, blocks: UnsafePointer<UnsafeRawPointer?>, outputs: Outputs,
      state: UnsafeMutablePointer<Float>? = nil
    ) {
      (self.firstRow, self.count, self.startPosition) = (firstRow, count, startPosition)
      (self.blocks, self.outputs, self.state) = (blocks, outputs, state)
    }
  }

  /// A place for a sequence's recurrent state as it is after some tokens of a chunk.
  package struct Snapshot {
    /// The chunk's place in the batch.
    package var chunk: Int
    /// Tokens of the chunk that are in it, at least one.
    package var count: Int
    /// A slot of recurrent states that no chunk works in.
    package var state: UnsafeMutablePointer<Float>

    package init(chunk: Int, count: Int, state: UnsafeMutablePointer<Float>) {
      (self.chunk, self.count, self.state) = (chunk, count, state)
    }
  }

  package var tokens: [Int32] = []
  package var chunks: [Chunk] = []
  /// By chunk, and then by ascending count.
  package var snapshots: [Snapshot] = []
  package init() {}

  /// Empties it; its arrays keep their memory.
  package mutating func clear() {
    tokens.removeAll(keepingCapacity: true)
    chunks.removeAll(keepingCapacity: true)
    snapshots.removeAll(keepingCapacity: true)
  }

  /// Replaces `rows` by the rows that want logits, and `states` by those that want states, in order.
  func findOutputRows(_ rows: inout [Int], states: inout [Int]) {
    rows.removeAll(keepingCapacity: true)
    states.removeAll(keepingCapacity: true)
    for chunk in chunks {
      let end = chunk.firstRow + chunk.count
      switch chunk.outputs {
      case .none: break
      case .last: rows.append(end - 1)
      case .all: rows.append(contentsOf: chunk.firstRow..<end)
      case .lastState: states.append(end - 1)
      case .allStates: states.append(contentsOf: chunk.firstRow..<end)
      }
    }
  }
}
