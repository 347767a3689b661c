import Foundation
import Tensors

/// Times `sgemm` of OpenBLAS on the same sizes, if this host has it: what a library without our formats and our order
/// of sums makes of fp32 weights. The program is not linked with it.
package final class OpenBLASBenchmark {
  /// `cblas_sgemm`: order, two transpositions, m, n, k, alpha, a, its stride, b, its stride, beta, c, its stride.
  private typealias Product =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>, Int32, UnsafePointer<Float>, Int32, Float,
      UnsafeMutablePointer<Float>, Int32
    ) -> Void
  private typealias SetThreads = @convention(c) (Int32) -> Void

  private let library: UnsafeMutableRawPointer
  private let product: Product

  /// Nil where the library is not installed. It may use `threads` threads.
  package init?(threads: Int) {
    guard let library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL) else { return nil }
    guard let product = dlsym(library, "cblas_sgemm"), let setThreads = dlsym(library, "openblas_set_num_threads")
    else {
      dlclose(library)
      return nil
    }
    self.library = library
    self.product = unsafeBitCast(product, to: Product.self)
    unsafeBitCast(setThreads, to: SetThreads.self)(Int32(clamping: threads))
  }

  deinit { dlclose(library) }

  /// Seconds of one product of `inputRows` rows `[columns]` with weights `[rows, columns]`, of weights too many to stay
  /// in a cache, the best of three rounds.
  package func seconds(rows: Int, columns: Int, inputRows: Int) -> Double {
    let size = rows * columns
    let count = max(1, KernelBenchmark.footprint / 4 / size)
    let weights = AlignedBuffer<Float>(count: count * size)
    let x = AlignedBuffer<Float>(count: inputRows * columns)
    let y = AlignedBuffer<Float>(count: inputRows * rows)
    weights.buffer.update(repeating: 0.03)
    for i in 0..<x.count { x.pointer[i] = Float(i % 17) * 0.125 - 1 }
    let (rowMajor, plain, transposed): (Int32, Int32, Int32) = (101, 111, 112)
    var best = Double.infinity
    for _ in 0..<3 {
      let start = ContinuousClock.now
      for matrix in 0..<count {
        product(
          rowMajor, plain, transposed, Int32(inputRows), Int32(rows), Int32(columns), 1, x.pointer, Int32(columns),
          weights.pointer + matrix * size, Int32(columns), 0, y.pointer, Int32(rows))
      }
      best = min(best, (ContinuousClock.now - start) / .seconds(1) / Double(count))
    }
    return best
  }
}
