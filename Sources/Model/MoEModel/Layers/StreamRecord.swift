import Tensors

/// What is kept of several residual streams (`StreamMixer`) for the backward pass: of half a layer, or of what the last
/// norm reads.
final class StreamRecord {
  /// All of them before it, `[rows, streams · hidden]`.
  let streams: RowStorage<Float>
  /// What its function gave of them, before any number became a weight, `[rows, weights]`.
  let weights: RowStorage<Float>
  /// What the half gave to them, `[rows, hidden]`.
  let update: RowStorage<Float>

  /// Without `updates` of what gives none.
  convenience init(_ shape: HyperConnections, hiddenSize: Int, updates: Bool) {
    self.init(
      streams: RowStorage(columns: shape.streams * hiddenSize),
      weights: RowStorage(columns: updates ? shape.weightCount : shape.streams),
      update: RowStorage(columns: updates ? hiddenSize : 0))
  }

  /// Of what the last norm reads; nil where nothing is kept, or there is one stream.
  static func ofHead(_ description: DecoderDescription, _ kept: KeptActivations) -> StreamRecord? {
    guard kept != .none, case .hyper(let shape) = description.residual else { return nil }
    return StreamRecord(shape, hiddenSize: description.hiddenSize, updates: false)
  }

  init(streams: RowStorage<Float>, weights: RowStorage<Float>, update: RowStorage<Float>) {
    (self.streams, self.weights, self.update) = (streams, weights, update)
  }

  /// The same with streams of its own, and the memory of this one for what follows from them.
  var withStreamsOfItsOwn: StreamRecord {
    StreamRecord(streams: RowStorage(columns: streams.columns), weights: weights, update: update)
  }

  func reserve(rows: Int) {
    for storage in [streams, weights, update] { storage.reserve(rows: rows) }
  }

  func tape(rows: Int) -> StreamTape {
    StreamTape(streams: streams(rows), weights: weights(rows), update: update(rows))
  }
}

/// Of half a layer between several residual streams, or of what the last norm reads of them.
package struct StreamTape {
  /// Before it, `[rows, streams · hidden]`.
  package let streams: MatrixView<Float>
  /// What the weights' function gave, `[rows, weights]`.
  package let weights: MatrixView<Float>
  /// What the half gave, `[rows, hidden]`; no columns of what gives nothing.
  package let update: MatrixView<Float>
}
