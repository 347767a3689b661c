import Kernels
import Tensors

/// Cosines and sines of a batch's positions, `[rows, dims / 2]`, and the factors of queries there: computed once a step
/// for all layers that turn by them.
final class RotaryAngles {
  private let description: RotaryDescription
  private let frequencies: [Float]
  private let compute: Compute
  private let cosines: RowStorage<Float>
  private let sines: RowStorage<Float>
  /// `[rows, 1]`, where queries grow with their position.
  private let queryFactors: RowStorage<Float>?

  init(_ description: RotaryDescription, compute: Compute) {
    self.description = description
    self.compute = compute
    frequencies = description.inverseFrequencies
    cosines = RowStorage(columns: description.dims / 2)
    sines = RowStorage(columns: description.dims / 2)
    queryFactors = description.queryScaling.map { _ in RowStorage(columns: 1) }
  }

  func reserve(rows: Int) {
    cosines.reserve(rows: rows)
    sines.reserve(rows: rows)
    queryFactors?.reserve(rows: rows)
  }

  /// Computes the worker's share of a batch's angles.
  func prepare(_ batch: DecoderBatch, worker: Int) {
    let (cosines, sines) = (cosines.view(rows: batch.tokens.count), sines.view(rows: batch.tokens.count))
    let factors = queryFactors?.view(rows: batch.tokens.count)
    for chunk in batch.chunks {
      for i in compute.share(of: chunk.count, worker: worker) {
        description.angles(
          at: chunk.startPosition + i, frequencies: frequencies, cosine: cosines[chunk.firstRow + i],
          sine: sines[chunk.firstRow + i])
        if let factors, let scaling = description.queryScaling {
          factors[chunk.firstRow + i].pointee = scaling.factor(at: chunk.startPosition + i)
        }
      }
    }
  }

  func tape(rows: Int) -> RotaryTape {
    RotaryTape(
      cosines: cosines.view(rows: rows), sines: sines.view(rows: rows), dims: description.dims,
      interleaved: description.interleaved, queryFactors: queryFactors?.view(rows: rows))
  }

  /// `[rows, 1]`: what all of a query is multiplied by, of the batch's rows; nil where that is 1.
  func queryFactors(rows: Int) -> MatrixView<Float>? { queryFactors?.view(rows: rows) }

  /// Turns a vector by a position that need not be a row's.
  func rotate(_ x: UnsafeMutablePointer<Float>, at position: Int) {
    let half = description.dims / 2
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * half) { angles in
      guard let cosine = angles.baseAddress else { return }
      let sine = cosine + half
      description.angles(at: position, frequencies: frequencies, cosine: cosine, sine: sine)
      compute.rotate(
        x, heads: 1, headStride: description.dims, dims: description.dims, cosine: cosine, sine: sine,
        interleaved: description.interleaved)
    }
  }

  /// Turns `heads` vectors back by the position of the batch's row `row`: by the sines with their signs changed.
  func rotateBack(_ x: UnsafeMutablePointer<Float>, heads: Int, stride: Int, row: Int) {
    let half = description.dims / 2
    withUnsafeTemporaryAllocation(of: Float.self, capacity: half) { sines in
      guard let sine = sines.baseAddress else { return }
      let own = self.sines.view(rows: row + 1)[row]
      for i in 0..<half { sine[i] = -own[i] }
      compute.rotate(
        x, heads: heads, headStride: stride, dims: description.dims, cosine: cosines.view(rows: row + 1)[row],
        sine: sine, interleaved: description.interleaved)
    }
  }

  /// Turns `heads` vectors, `stride` apart, by the position of the batch's row `row`; `interleaved`: how dimensions are
  /// paired, where it is not as the description has it.
  func rotate(_ x: UnsafeMutablePointer<Float>, heads: Int, stride: Int, row: Int, interleaved: Bool? = nil) {
    compute.rotate(
      x, heads: heads, headStride: stride, dims: description.dims, cosine: cosines.view(rows: row + 1)[row],
      sine: sines.view(rows: row + 1)[row], interleaved: interleaved ?? description.interleaved)
  }
}
