import Gradients
import Kernels
import Machine
import MoEModel
import Tensors
import Training

/// What part of this machine's arithmetic a model's training can make use of (MFU): a short measurement of the products
/// that its gradients are made of, in the model's own shapes as far as they are small.
package struct UtilizationProbe {
  /// How often the numbers that enter and leave a token's products are moved or made by all that is no product: norms,
  /// activations, copies, sums, messages, new panels, optimisers. It follows from the demonstration model's shape, one
  /// rank of one thread, AdamW, 32 sequences of 256 tokens, on an AMD EPYC with AVX-512: a token took 172 µs, its
  /// products 103 µs at the speed that is measured here; 38 700 numbers enter and leave them, and one was moved in 0.28
  /// ns. The same machine's AVX2 moves numbers as fast and multiplies half as fast: products are then three quarters of
  /// a step.
  private static let passes = 6.4
  /// Where nothing was measured, as in plans for other machines: the demonstration model's training reached 56 % with
  /// AVX2; a little less.
  package static let assumed = 0.5
  /// How much faster whole steps were with products in bf16 than in fp32, on an AMD EPYC with AVX-512 BF16 (1.28 to
  /// 1.33 times); its operations are twice as many in bf16.
  private static let (bfloat16Gain, bfloat16Operations) = (1.3, 2.0)

  /// The same of operations in what products are computed in: of more of them a smaller part, since all else takes as
  /// long as before.
  package static func assumed(_ products: ProductPrecision) -> Double {
    products == .bfloat16 ? assumed * bfloat16Gain / bfloat16Operations : assumed
  }

  private struct Product: Hashable {
    var rows: Int
    var columns: Int
    var tokens: Int
    /// Each worker computes one of its own, as it does an expert's.
    var isExpert: Bool
  }

  /// Sides of products that are measured; longer ones are as fast.
  private static let (sideLimit, tokenLimit, productLimit) = (512, 256, 6)
  private let gradients: GradientCompute
  private let rounds: Int

  package init(_ compute: Compute, products: ProductPrecision = .float32, rounds: Int = 4) {
    (gradients, self.rounds) = (GradientCompute(compute, precision: products), rounds)
  }

  /// Operations a second of this rank's workers, in bf16 where they have it and products are, and the part of them that
  /// steps of `layout` are to reach. The peak is probed again with each product, since other programs may come and go.
  package func measure(_ layout: TrainingLayout) -> (peak: Double, utilization: Double) {
    var peak = probePeak(iterations: 4_000_000, rounds: 3)
    guard peak > 0 else { return (0, Self.assumed(gradients.precision)) }
    let work = Self.work(layout)
    let most = work.sorted { ($1.value, $0.key.rows) < ($0.value, $1.key.rows) }.prefix(Self.productLimit)
    let measured = most.reduce(0) { $0 + $1.value }
    var seconds = 0.0
    for (product, operations) in most {
      seconds += operations / rate(product)
      peak = max(peak, probePeak(iterations: 1_000_000, rounds: 2))
    }
    guard measured > 0, seconds > 0 else { return (peak, Self.assumed(gradients.precision)) }
    let account = TrainingWork(layout.description, sequenceLength: layout.terms.sequenceLength)
    let attention = attentionSeconds(layout)
    let products = 6 * Double(account.activeElements)
    // Recomputation is a third of the operations once more, which are not counted.
    let again = layout.terms.recomputes ? 4.0 / 3 : 1
    let others = Self.passes * Self.numbers(layout) * numberSeconds(columns: layout.description.hiddenSize)
    let perToken = (products * seconds / measured + attention + others) * again
    return (peak, min(1, account.operations / (perToken * peak)))
  }

  private func probePeak(iterations: UInt64, rounds: Int) -> Double {
    func probe(_ arithmetic: Compute.Arithmetic) -> Double? {
      gradients.compute.probeArithmetic(arithmetic, iterations: iterations, rounds: rounds)
    }
    return (gradients.precision == .bfloat16 ? probe(.bfloat16) : nil) ?? probe(.float32) ?? 0
  }

  /// Operations of a token's products, by their shape.
  private static func work(_ layout: TrainingLayout) -> [Product: Double] {
    let (description, terms) = (layout.description, layout.terms)
    var work: [Product: Double] = [:]
    func add(_ spec: ParameterSpec, tokens: Int, times: Double, isExpert: Bool) {
      guard spec.isMatrix else { return }
      let product = Product(
        rows: min(spec.rows, sideLimit), columns: min(spec.columns, sideLimit), tokens: max(1, min(tokens, tokenLimit)),
        isExpert: isExpert)
      work[product, default: 0] += times * Double(spec.elementCount)
    }
    for shared in layout.shared where shared.spec.role != .embedding || description.tiedEmbeddings {
      add(shared.spec, tokens: terms.sequenceLength, times: 1, isExpert: false)
    }
    if let moe = description.moe {
      let visits = terms.sequences * min(terms.sequenceLength, 1 << 24) / max(1, moe.expertCount) * moe.topK
      for spec in layout.expert { add(spec, tokens: visits, times: Double(moe.topK), isExpert: true) }
    }
    return work
  }

  /// Numbers that enter and leave the products of a token in one pass, and its share of the weights that a step renews.
  static func numbers(_ layout: TrainingLayout) -> Double {
    let (description, terms) = (layout.description, layout.terms)
    func sides(_ spec: ParameterSpec) -> Double { spec.isMatrix ? Double(spec.rows) + Double(spec.columns) : 0 }
    var numbers = 0.0
    for shared in layout.shared where shared.spec.role != .embedding || description.tiedEmbeddings {
      numbers += sides(shared.spec)
    }
    for spec in layout.expert { numbers += sides(spec) * Double(description.moe?.topK ?? 0) }
    let work = TrainingWork(description, sequenceLength: terms.sequenceLength)
    let tokens = Double(max(1, terms.sequences)) * Double(max(1, terms.sequenceLength))
    return numbers + Double(work.parameterCount) / tokens
  }

  /// Seconds in which all workers together move one number: a norm's gradient, a copy and a sum, of rows beyond what
  /// the caches of a core hold.
  private func numberSeconds(columns: Int) -> Double {
    let columns = max(1, min(columns, 1 << 12))
    let (workers, rows) = (gradients.compute.workerCount, max(1, (1 << 18) / columns))
    let memory = (0..<workers).map { _ in (0..<5).map { _ in Self.numbers(rows * columns) } }
    let seconds = best {
      gradients.compute.pool.run { worker in
        let (compute, buffers) = (gradients.compute, memory[worker])
        let (x, dy, dx, sum) = (buffers[0].pointer, buffers[1].pointer, buffers[2].pointer, buffers[3].pointer)
        compute.rmsNormGradient(
          x, stride: columns, gradient: dy, gradientStride: columns, rows: rows, count: columns, weight: dy,
          epsilon: 1e-6, out: dx, outStride: columns, scales: buffers[4].pointer)
        for row in 0..<rows { (sum + row * columns).update(from: dx + row * columns, count: columns) }
        for row in 0..<rows { compute.add(x + row * columns, to: sum + row * columns, count: columns) }
      }
    }
    withExtendedLifetime(memory) {}
    return seconds / Double(workers * rows * columns)
  }

  /// Operations a second of all workers: of a weight's gradient, and of its input's.
  private func rate(_ product: Product) -> Double {
    let workers = gradients.compute.workerCount
    let (rows, columns, tokens) = (product.rows, product.columns, product.tokens)
    let copies = product.isExpert ? workers : 1
    let memory = (0..<copies).map { _ in
      (dy: Self.numbers(tokens * rows), x: Self.numbers(tokens * columns), w: Self.numbers(rows * columns))
    }
    let seconds = best {
      gradients.compute.pool.run { worker in
        let (dy, x, w) = memory[product.isExpert ? worker : 0]
        let left = StridedMatrix(dy.pointer, rows: tokens, columns: rows, rowStride: rows)
        let weights = MatrixView(w.pointer, rows: rows, columns: columns)
        let inputs = MatrixView(x.pointer, rows: tokens, columns: columns)
        if product.isExpert {
          gradients.multiplyAll(left.transposed, by: StridedMatrix(inputs), into: weights, worker: worker)
          gradients.multiplyAll(left, by: StridedMatrix(weights), into: inputs, worker: worker)
        } else {
          gradients.multiply(left.transposed, by: StridedMatrix(inputs), into: weights, worker: worker)
          gradients.compute.pool.barrier(worker: worker)
          gradients.multiply(left, by: StridedMatrix(weights), into: inputs, worker: worker)
        }
      }
    }
    withExtendedLifetime(memory) {}
    return 4 * Double(copies) * Double(rows * columns) * Double(tokens) / seconds
  }

  /// Seconds that the products between tokens take for one token: each worker has a head.
  private func attentionSeconds(_ layout: TrainingLayout) -> Double {
    var known: [[Int]: Double] = [:]
    let length = max(1, min(layout.terms.sequenceLength, 2 * Self.tokenLimit))
    return layout.description.layers.reduce(0) { sum, layer in
      let (heads, keys, values, forward): (Int, Int, Int, Int)
      switch layer.attention {
      case .latent(let shape):
        (heads, keys, values) = (shape.headCount, shape.queryDims, shape.valueDims)
        forward = 2 * shape.latentRank + shape.rotaryDims
      case .grouped(let shape):
        (heads, keys, values, forward) = (shape.headCount, shape.headDims, shape.headDims, 2 * shape.headDims)
      case .delta(let shape):
        let shapes = [shape.keyDims, shape.valueDims, 1]
        let seconds = known[shapes] ?? ruleSeconds(length, shape)
        known[shapes] = seconds
        return sum + seconds * Double(shape.valueHeadCount) / Double(gradients.compute.workerCount) / Double(length)
      // A key is the value, too. Measured over all positions of a short sequence, as many as window and entries.
      case .compressed(let shape):
        (heads, keys, values, forward) = (shape.headCount, shape.headDims, shape.headDims, 2 * shape.headDims)
      }
      let seconds = known[[keys, values]] ?? headSeconds(length, keys: keys, values: values)
      known[[keys, values]] = seconds
      // Backward there are three products over a query's dimensions, and two over a value's; forward latents are met as
      // they are. Longer sequences have more keys for each token.
      let both = 1 + Double(forward) / Double(3 * keys + 2 * values)
      let full = Double(min(layout.terms.sequenceLength, layer.slidingWindow ?? .max))
      let workers = Double(gradients.compute.workerCount)
      return sum + seconds * both * Double(heads) / workers / Double(length) * max(1, full / Double(length))
    }
  }

  /// Of one head of one sequence's gradient, on all workers at once.
  private func headSeconds(_ tokens: Int, keys: Int, values: Int) -> Double {
    gradients.reserve(tokens: tokens)
    let workers = gradients.compute.workerCount
    let memory = (0..<workers).map { _ in (0..<8).map { _ in Self.numbers(tokens * max(keys, values)) } }
    let calls = memory.map { buffers in
      func rows(_ place: Int, _ columns: Int) -> MatrixView<Float> {
        MatrixView(buffers[place].pointer, rows: tokens, columns: columns)
      }
      return AttentionGradient(
        query: rows(0, keys), key: rows(1, keys), value: rows(2, values), output: rows(3, values),
        outputGradient: rows(4, values), queryGradient: rows(5, keys), keyGradient: rows(6, keys),
        valueGradient: rows(7, values), scale: 0.1)
    }
    let seconds = best { gradients.compute.pool.run { worker in gradients.attend(calls[worker], worker: worker) } }
    withExtendedLifetime(memory) {}
    return seconds
  }

  /// Of one head of one sequence of gated DeltaNet, forward and back, on all workers at once.
  private func ruleSeconds(_ tokens: Int, _ shape: GatedDelta) -> Double {
    gradients.reserve(tokens: tokens, keyDims: shape.keyDims)
    let (keys, values, compute) = (shape.keyDims, shape.valueDims, gradients.compute)
    let memory = (0..<compute.workerCount).map { _ in
      [keys, keys, values, values, 1, 1, keys, keys, values, 1, 1].map { Self.numbers(tokens * $0) }
        + [AlignedBuffer<Float>(count: Compute.deltaStateCount(keyDims: keys, valueDims: values))]
    }
    let panels = 0..<Compute.deltaPanels(valueDims: values)
    let seconds = best {
      compute.pool.run { worker in
        let own = memory[worker]
        func rows(_ place: Int, _ columns: Int) -> MatrixView<Float> {
          MatrixView(own[place].pointer, rows: tokens, columns: columns)
        }
        own[11].buffer.update(repeating: 0)
        compute.deltaRule(
          state: own[11].pointer, keyDims: keys, valueDims: values, panels: panels,
          DeltaTokens(
            query: own[0].pointer, key: own[1].pointer, keyStride: keys, value: own[2].pointer, valueStride: values,
            decay: own[4].pointer, beta: own[5].pointer, gateStride: 1, out: own[8].pointer, outStride: values),
          count: tokens)
        gradients.recall(
          DeltaGradient(
            query: rows(0, keys), key: rows(1, keys), value: rows(2, values), outputGradient: rows(3, values),
            decay: rows(4, 1), beta: rows(5, 1), queryGradient: rows(6, keys), keyGradient: rows(7, keys),
            valueGradient: rows(8, values), decayGradient: rows(9, 1), betaGradient: rows(10, 1), adding: false),
          worker: worker)
      }
    }
    withExtendedLifetime(memory) {}
    return seconds
  }

  private func best(_ body: () -> Void) -> Double {
    body()
    var best = Double.infinity
    for _ in 0..<rounds {
      let start = ContinuousClock.now
      body()
      best = min(best, (ContinuousClock.now - start) / .seconds(1))
    }
    return max(best, 1e-9)
  }

  private static func numbers(_ count: Int) -> AlignedBuffer<Float> {
    let buffer = AlignedBuffer<Float>(count: count)
    for i in 0..<count { buffer.pointer[i] = Float(i % 17) * 0.0625 - 0.5 }
    return buffer
  }
}
