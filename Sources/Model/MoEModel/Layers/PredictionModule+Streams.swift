import Kernels
import Machine
import Tensors

// A module after a model whose residual stream is several.
extension PredictionModule {
  /// Writes the layer's input: to each stream `projection · norm(the model's stream)`, as the last layer left it, and
  /// to that `embeddingProjection · norm(embedding of the next token)`, which is the same for all.
  func join(_ hidden: MatrixView<Float>, _ projection: PackedMatrix) {
    let (rows, size) = (hidden.rowCount, stream.hiddenSize)
    let count = hidden.columns / size
    guard rows > 0, let own = embeddingProjection else { return }
    stateRows.reserve(rows: rows * count)
    own.rows.reserve(rows: rows)
    own.normed.reserve(rows: rows)
    rounded = rounded.reserving(rows: rows * count)
    let roundedEmbeddings = own.rounded.reserving(rows: rows)
    embeddingProjection = (own.normed, roundedEmbeddings, own.rows)
    let (embeddings, states, projected) = (own.normed(rows), stateRows(rows * count), own.rows(rows))
    let raw = embeddingRows(rows)
    let (input, rounded) = (stream.hidden, rounded)
    compute.pool.run { worker in
      for row in compute.share(of: rows, worker: worker) {
        norm(raw[row], weights.embeddingNorm, into: embeddings[row])
        roundedEmbeddings.round(compute, row: row, embeddings[row])
      }
      for piece in compute.share(of: rows * count, worker: worker) {
        norm(hidden[piece / count] + piece % count * size, weights.hiddenNorm, into: states[piece])
        rounded.round(compute, row: piece, states[piece])
      }
      compute.pool.barrier(worker: worker)
      projection.multiply(compute, worker: worker, roundedEmbeddings.rows(of: embeddings), into: projected)
      weights.projection.multiply(
        compute, worker: worker, rounded.rows(of: states),
        into: MatrixView(input.start, rows: rows * count, columns: size))
      compute.pool.barrier(worker: worker)
      for piece in compute.share(of: rows * count, worker: worker) {
        compute.add(projected[piece / count], to: input[piece / count] + piece % count * size, count: size)
      }
    }
  }
}
