import CKernels
import Machine
import Tensors

/// This machine's limits, measured on the workers that do the real work.
extension Compute {
  /// Bytes per second all workers together read from memory, each from its own `bytesPerWorker`, the best of `rounds`.
  package func probeRead(bytesPerWorker: Int = 256 << 20, rounds: Int = 3) -> Double {
    let size = Swift.max(bytesPerWorker / 1024 * 1024, 1024)
    let buffers = (0..<workerCount).map { _ in UncheckedBuffer() }
    pool.run { worker in
      // Touched by its reader first, so that it lies on the reader's node.
      buffers[worker].memory = AlignedBuffer<UInt8>(count: size)
    }
    var best = 0.0
    for _ in 0..<rounds {
      let start = ContinuousClock.now
      pool.run { worker in
        guard let memory = buffers[worker].memory else { return }
        buffers[worker].sum &+= ck_probe_read(isa, memory.pointer, size)
      }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      best = Swift.max(best, Double(size * workerCount) / seconds)
    }
    return best
  }

  /// What the processor multiplies, in the instructions this build uses for it.
  package enum Arithmetic: String, Sendable, CaseIterable {
    case float32 = "f32"
    case bfloat16 = "bf16"
    case int8
  }

  /// Operations per second (2 per product) all workers together do, operands in registers, the best of `rounds` of
  /// `iterations` each; nil where the processor has no instructions for it.
  package func probeArithmetic(_ arithmetic: Arithmetic, iterations: UInt64 = 4_000_000, rounds: Int = 3) -> Double? {
    let counts = (0..<workerCount).map { _ in UncheckedBuffer() }
    var best = 0.0
    for _ in 0..<rounds {
      let start = ContinuousClock.now
      pool.run { worker in
        counts[worker].sum =
          switch arithmetic {
          case .float32: ck_probe_fma(isa, iterations)
          case .bfloat16: ck_probe_bf16(isa, iterations)
          case .int8: ck_probe_int8(isa, iterations)
          }
      }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      let operations = counts.reduce(0) { $0 + $1.sum }
      best = Swift.max(best, Double(operations) / seconds)
    }
    return best > 0 ? best : nil
  }

  /// Operations per second in the fastest arithmetic for products of rows in `format`.
  package func probeArithmetic(of format: RowFormat) -> Double {
    let own: Double? =
      switch format {
      case .float32: nil
      case .bfloat16: probeArithmetic(.bfloat16)
      case .int8: probeArithmetic(.int8)
      }
    return own ?? probeArithmetic(.float32) ?? 0
  }
}

/// One worker's own place to put things.
private final class UncheckedBuffer: @unchecked Sendable {
  var memory: AlignedBuffer<UInt8>?
  var sum: UInt64 = 0
}
