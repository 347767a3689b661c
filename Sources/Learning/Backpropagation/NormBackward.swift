import Gradients
import Kernels
import Machine
import Tensors

/// The backward pass of an RMSNorm over a batch, leaf by leaf: gradients by a leaf's rows, then by the weight, while
/// these rows are in the second-level cache, then what becomes of the former.
package struct NormBackward {
  /// What went in, and the gradient by what came out, `[rows, vectors · stride]`, of which the first `count` numbers of
  /// each vector have a norm.
  let input: MatrixView<Float>
  let gradient: MatrixView<Float>
  /// Where the gradient by the input goes; `gradient` itself, perhaps.
  let target: MatrixView<Float>
  /// Whether it is added to what is there.
  let adds: Bool
  let vectors: Int
  let count: Int
  let weight: UnsafePointer<Float>
  let epsilon: Float

  /// Memory that passes share: grown where needed.
  final class Scratch {
    fileprivate var scales = AlignedBuffer<Float>(count: 1)
    fileprivate var rows = AlignedBuffer<Float>(count: 1)
    /// By leaf with rows, `[leaves, count]`: the gradients by the weight.
    fileprivate(set) var weights = AlignedBuffer<Float>(count: 1)

    fileprivate func reserve(scales: Int, rows: Int, weights: Int) {
      if self.scales.count < scales { self.scales = AlignedBuffer(count: scales * 3 / 2) }
      if self.rows.count < rows { self.rows = AlignedBuffer(count: rows) }
      if self.weights.count < weights { self.weights = AlignedBuffer(count: weights * 3 / 2) }
    }
  }

  private var stride: Int { input.columns / vectors }
  private var width: Int { vectors * count }

  /// Whether workers take whole leaves, where that leaves none of them without work for long, or meet in each; and of
  /// how many leaves there are gradients at a time.
  package static func parts(leaves: Int, workers: Int) -> (apart: Bool, parts: Int) {
    let apart = workers == 1 || leaves >= 4 * workers
    return (apart, apart ? workers : 2)
  }

  /// Computes everything for `leaves`, none of which is empty; gradients by the weight are in `scratch` then.
  func run(_ leaves: [Range<Int>], _ compute: Compute, _ scratch: Scratch) {
    let longest = leaves.reduce(0) { max($0, $1.count) }
    let (apart, parts) = Self.parts(leaves: leaves.count, workers: compute.workerCount)
    scratch.reserve(
      scales: input.rowCount * vectors, rows: parts * longest * width, weights: leaves.count * count)
    let (scales, rows, weights) = (scratch.scales.pointer, scratch.rows.pointer, scratch.weights.pointer)
    compute.pool.run { worker in
      for place in apart ? compute.share(of: leaves.count, worker: worker) : leaves.indices {
        // Where workers meet, one may be at the next leaf while others are at the end of this one.
        let (leaf, own) = (leaves[place], apart ? worker : place % 2)
        let made = MatrixView(rows + own * longest * width, rows: leaf.count, columns: width)
        let share = apart ? 0..<leaf.count : compute.share(of: leaf.count, worker: worker)
        let columns = apart ? 0..<count : lines(compute, worker: worker)
        differentiate(leaf, share, into: made, scales, compute)
        if !apart { compute.pool.barrier(worker: worker) }
        weigh(leaf, columns, into: weights + place * count, scales, compute)
        if !apart { compute.pool.barrier(worker: worker) }
        for row in share { end(leaf.lowerBound + row, made[row], compute) }
      }
    }
  }

  /// The numbers of the weight that are a worker's, in whole lines of a cache.
  private func lines(_ compute: Compute, worker: Int) -> Range<Int> {
    let share = compute.share(of: (count + 15) / 16, worker: worker)
    return min(16 * share.lowerBound, count)..<min(16 * share.upperBound, count)
  }

  private func differentiate(
    _ leaf: Range<Int>, _ share: Range<Int>, into made: MatrixView<Float>, _ scales: UnsafeMutablePointer<Float>,
    _ compute: Compute
  ) {
    guard let place = share.first else { return }
    if vectors == 1 {
      let row = leaf.lowerBound + place
      return compute.rmsNormGradient(
        input[row], stride: input.stride, gradient: gradient[row], gradientStride: gradient.stride, rows: share.count,
        count: count, weight: weight, epsilon: epsilon, out: made[place], outStride: made.stride, scales: scales + row)
    }
    for place in share {
      let row = leaf.lowerBound + place
      compute.rmsNormGradient(
        input[row], stride: stride, gradient: gradient[row], gradientStride: stride, rows: vectors, count: count,
        weight: weight, epsilon: epsilon, out: made[place], outStride: count,
        scales: scales + row * vectors)
    }
  }

  private func weigh(
    _ leaf: Range<Int>, _ columns: Range<Int>, into sum: UnsafeMutablePointer<Float>, _ scales: UnsafePointer<Float>,
    _ compute: Compute
  ) {
    guard !columns.isEmpty else { return }
    let (row, first) = (leaf.lowerBound, columns.lowerBound)
    compute.rmsNormWeightGradient(
      VectorRows(input[row] + first, rowStride: input.stride, vectorStride: stride),
      gradient: VectorRows(gradient[row] + first, rowStride: gradient.stride, vectorStride: stride),
      rows: leaf.count, vectors: vectors, count: columns.count, scales: scales + row * vectors,
      out: sum + first)
  }

  private func end(_ row: Int, _ made: UnsafeMutablePointer<Float>, _ compute: Compute) {
    for vector in 0..<vectors {
      let (from, to) = (made + vector * count, target[row] + vector * stride)
      if adds { compute.add(from, to: to, count: count) } else { to.update(from: from, count: count) }
    }
  }
}
