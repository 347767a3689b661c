import CGradients
import Kernels
import Machine
import Tensors

/// What a backward pass computes with on this rank: its `Compute`, and scratch of each worker for products and for
/// attention.
///
/// What needs no scratch is beside the forward pass's operations, on `Compute`.
package final class GradientCompute: @unchecked Sendable {
  package let compute: Compute
  /// Of products that are not told otherwise.
  package let precision: ProductPrecision
  private var scratch: [AlignedBuffer<Float>]

  package init(_ compute: Compute, precision: ProductPrecision = .float32) {
    (self.compute, self.precision) = (compute, precision)
    scratch = []
    reserve(floats: cg_product_scratch())
  }

  /// Makes room for attention over sequences of up to `tokens` tokens: outside of what the workers run.
  package func reserve(tokens: Int) { reserve(floats: cg_attention_scratch(tokens)) }

  /// Likewise for the gated delta rule over sequences of up to `tokens` tokens, with keys of `keyDims` numbers.
  package func reserve(tokens: Int, keyDims: Int) { reserve(floats: cg_delta_scratch(tokens, keyDims)) }

  /// Bytes of one worker's scratch with room for attention over so many tokens and, with `keyDims`, for the delta rule.
  package static func scratchByteCount(tokens: Int, keyDims: Int = 0) -> Int {
    let delta = keyDims > 0 ? cg_delta_scratch(tokens, keyDims) : 0
    return max(cg_attention_scratch(tokens), delta) * MemoryLayout<Float>.stride
  }

  /// Floats of each.
  var scratchCount: Int { scratch[0].count }

  func scratch(_ worker: Int) -> UnsafeMutablePointer<Float> { scratch[worker].pointer }

  private func reserve(floats: Int) {
    if let first = scratch.first, first.count >= floats { return }
    let made = (0..<compute.workerCount).map { _ in Place() }
    // Touched by its user first, so that it lies on the user's node.
    compute.pool.run { worker in made[worker].memory = AlignedBuffer(count: floats) }
    scratch = made.compactMap(\.memory)
  }

  /// Where one worker leaves its scratch.
  private final class Place: @unchecked Sendable {
    var memory: AlignedBuffer<Float>?
  }
}

/// What a product's operands are rounded to; sums are fp32.
package enum ProductPrecision: String, Sendable, CaseIterable {
  case float32 = "f32"
  /// Nearest even, subnormals to zero.
  case bfloat16 = "bf16"
}

extension Compute {
  var isa: ck_isa { ck_isa(instructionSet.number) }
}
