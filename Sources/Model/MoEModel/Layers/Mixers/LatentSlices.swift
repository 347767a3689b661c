import Kernels
import Machine
import Tensors

/// How ranks share out latent attention: the columns of latents, of all heads' values and of the output.
struct LatentSlices {
  /// Of the query's latent; nil where queries have none, and are projected by head.
  let queryLatent: RowSlices?
  /// Of latent and rotary key.
  let keyValue: RowSlices
  let values: RowSlices
  let output: RowSlices
  /// What queries and latents are multiplied with.
  let next: NextWeights?

  /// Completes the latents, and what the layer's indexer has projected, in one exchange; all workers call it when they
  /// have met after `SliceGatherer.prepare`, and may read all of it afterwards.
  func gather(
    queryLatent query: MatrixView<Float>, keyValue key: MatrixView<Float>, _ indexer: Indexer?, _ compute: Compute,
    worker: Int
  ) {
    if worker == 0 {
      queryLatent?.note(query)
      keyValue.note(key)
      indexer?.noteProjections(rows: key.rowCount)
    }
    keyValue.gatherer.run(fetching: next, worker: worker)
    compute.pool.barrier(worker: worker)
  }
}
