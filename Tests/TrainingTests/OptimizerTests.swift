import Gradients
import JSON
import Kernels
import Machine
import MoEModel
import Tensors
import TestSupport
import Testing
import Training

/// Updates of weights.
@Suite struct OptimizerTests {
  private func update(
    _ step: AdamW.Step, _ weights: inout [Float], _ first: inout [Float], _ second: inout [Float], _ gradient: [Float],
    factor: Float = 1, range: Range<Int>? = nil
  ) {
    let range = range ?? 0..<weights.count
    weights.withUnsafeMutableBufferPointer { w in
      first.withUnsafeMutableBufferPointer { m in
        second.withUnsafeMutableBufferPointer { v in
          gradient.withUnsafeBufferPointer { g in
            let at = range.lowerBound
            step.update(
              weights: w.baseAddress! + at, firstMoment: m.baseAddress! + at, secondMoment: v.baseAddress! + at,
              gradient: g.baseAddress! + at, factor: factor, count: range.count)
          }
        }
      }
    }
  }

  @Test func adamWDoesWhatPyTorchDoes() throws {
    let values = try #require(try TrainingFixtures.values()["adamw"])
    var weights = try #require(values["start"]).floats
    var (first, second) = ([Float](repeating: 0, count: weights.count), [Float](repeating: 0, count: weights.count))
    let optimizer = AdamW()
    let gradients = try #require(values["gradients"]?.array).map(\.floats)
    let after = try #require(values["after"]?.array).map(\.doubles)
    for (i, gradient) in gradients.enumerated() {
      let step = optimizer.step(i + 1, learningRate: values["learning_rate"]?.double ?? 0, decays: true)
      update(step, &weights, &first, &second, gradient)
      // Some roundings of a number near 1.
      for (w, expected) in zip(weights, after[i]) { #expect(abs(Double(w) - expected) < 5e-7, "step \(i + 1)") }
    }
    for (m, expected) in zip(first, values["first_moment"]!.doubles) { #expect(abs(Double(m) - expected) < 1e-7) }
    for (v, expected) in zip(second, values["second_moment"]!.doubles) { #expect(abs(Double(v) - expected) < 1e-7) }
  }

  @Test func adamWIsTheFormulaToTheBit() {
    var generator = SeededGenerator(4)
    let count = 1000
    let start = generator.floats(count)
    var (weights, first, second) = (start, generator.floats(count), generator.floats(count, in: 0...2))
    let (m0, v0, g) = (first, second, generator.floats(count))
    let step = AdamW().step(3, learningRate: 1e-3, decays: false)
    update(step, &weights, &first, &second, g, factor: 0.5)
    let (c1, c2): (Double, Double) = (1 - 0.9 * 0.9 * 0.9, 1 - (0.95 * 0.95) * 0.95)
    for i in 0..<count {
      let scaled = g[i] * 0.5
      let m = Float(0.9) * m0[i] + Float(1 - 0.9) * scaled
      let v = Float(0.95) * v0[i] + Float(1 - 0.95) * scaled * scaled
      let w = start[i] - Float(1e-3 / c1) * (m / (v.squareRoot() / Float(c2.squareRoot()) + Float(1e-8)))
      #expect(weights[i].bitPattern == w.bitPattern && first[i] == m && second[i] == v)
    }
  }

  @Test func anyDivisionOfTheElementsGivesTheSameBits() {
    var generator = SeededGenerator(5)
    let count = 137
    let (w, m, v, g) = (
      generator.floats(count), generator.floats(count), generator.floats(count, in: 0...1), generator.floats(count)
    )
    let step = AdamW().step(7, learningRate: 3e-3, decays: true)
    var whole = (w, m, v)
    update(step, &whole.0, &whole.1, &whole.2, g)
    for cut in 1..<count {
      var parts = (w, m, v)
      for range in [0..<cut, cut..<count] { update(step, &parts.0, &parts.1, &parts.2, g, range: range) }
      #expect(parts == whole)
    }
  }

  @Test func muonDoesWhatTheFormulaDoesInDoublePrecision() throws {
    for values in try #require(try TrainingFixtures.values()["muon"]?.array) {
      let (rows, columns) = (values["rows"]!.exactInt!, values["columns"]!.exactInt!)
      let weights = AlignedBuffer(values["start"]!.floats)
      let momentum = AlignedBuffer<Float>(count: rows * columns)
      let scratch = MuonScratch()
      for gradient in values["gradients"]!.array! {
        let buffer = AlignedBuffer(gradient.floats)
        Muon().update(
          weights: MatrixView(weights.pointer, rows: rows, columns: columns),
          momentum: MatrixView(momentum.pointer, rows: rows, columns: columns),
          gradient: MatrixView(buffer.pointer, rows: rows, columns: columns), factor: 1,
          learningRate: values["learning_rate"]!.double!, products: PlainProducts(), scratch: scratch)
      }
      for (w, expected) in zip(weights.buffer, values["weights"]!.doubles) {
        #expect(abs(Double(w) - expected) < 1e-5, "\(rows) × \(columns)")
      }
      for (m, expected) in zip(momentum.buffer, values["momentum"]!.doubles) {
        #expect(abs(Double(m) - expected) < 1e-6)
      }
    }
  }

  @Test func muonHasTheSameBitsOnEveryInstructionSetAndWorker() throws {
    let (rows, columns) = (40, 300)
    var generator = SeededGenerator(6)
    let (start, sums, gradient) = (
      generator.floats(rows * columns), generator.floats(rows * columns), generator.floats(rows * columns)
    )
    var found: [[Float]] = []
    for set in InstructionSet.supported {
      let compute = GradientCompute(Compute(pool: try WorkerPool(workerCount: 2), instructionSet: set))
      for worker in 0..<2 {
        let (w, m, g) = (AlignedBuffer(start), AlignedBuffer(sums), AlignedBuffer(gradient))
        func view(_ buffer: AlignedBuffer<Float>) -> MatrixView<Float> {
          MatrixView(buffer.pointer, rows: rows, columns: columns)
        }
        Muon().update(
          weights: view(w), momentum: view(m), gradient: view(g), factor: 0.5, learningRate: 0.02,
          products: WorkerProducts(compute, worker: worker), scratch: MuonScratch())
        found.append(Array(w.buffer))
      }
    }
    #expect(found.allSatisfy { $0 == found[0] } && found[0].allSatisfy(\.isFinite) && found[0] != start)
  }

  @Test(arguments: [ProductPrecision.float32, .bfloat16])
  func squaresHaveTheBitsOfWholeProducts(precision: ProductPrecision) throws {
    var generator = SeededGenerator(7)
    for set in InstructionSet.supported {
      let compute = GradientCompute(
        Compute(pool: try WorkerPool(workerCount: 1), instructionSet: set), precision: precision)
      let products = WorkerProducts(compute, worker: 0)
      for (rows, columns) in [(1, 1), (47, 20), (48, 64), (49, 7), (97, 300)] {
        let matrix = AlignedBuffer(generator.floats(rows * columns))
        let (whole, square) = (AlignedBuffer<Float>(count: rows * rows), AlignedBuffer<Float>(count: rows * rows))
        let view = MatrixView(matrix.pointer, rows: rows, columns: columns)
        products.multiply(view, transposed: view, into: MatrixView(whole.pointer, rows: rows, columns: rows))
        products.square(view, into: MatrixView(square.pointer, rows: rows, columns: rows))
        #expect(Array(whole.buffer) == Array(square.buffer), "\(set), \(rows) × \(columns)")
      }
    }
  }

  /// Products of rounded numbers still bring singular values near 1: every diagonal element of O Oᵀ is.
  @Test func muonBringsSingularValuesNearOneInBF16Too() throws {
    let (rows, columns) = (40, 300)
    var generator = SeededGenerator(6)
    let compute = GradientCompute(Compute(pool: try WorkerPool(workerCount: 1)), precision: .bfloat16)
    let gradient = AlignedBuffer(generator.floats(rows * columns))
    let (products, scratch) = (WorkerProducts(compute, worker: 0), MuonScratch())
    defer { withExtendedLifetime((gradient, scratch)) {} }
    let found = NewtonSchulz.deepSeekV4.orthogonalize(
      MatrixView(gradient.pointer, rows: rows, columns: columns), products: products, scratch: scratch)
    for i in 0..<rows {
      for j in 0..<rows {
        let sum = (0..<columns).reduce(0.0) { $0 + Double(found[i][$1]) * Double(found[j][$1]) }
        #expect(abs(sum - (i == j ? 1 : 0)) < 0.02, "\(i), \(j)")
      }
    }
  }

  @Test func muonLeavesAMatrixWithoutGradientsToDecay() {
    let (weights, momentum, gradient) = (
      AlignedBuffer<Float>([1, 2, 3, 4]), AlignedBuffer<Float>(count: 4), AlignedBuffer<Float>(count: 4)
    )
    func view(_ buffer: AlignedBuffer<Float>) -> MatrixView<Float> { MatrixView(buffer.pointer, rows: 2, columns: 2) }
    Muon().update(
      weights: view(weights), momentum: view(momentum), gradient: view(gradient), factor: 1, learningRate: 0.5,
      products: PlainProducts(), scratch: MuonScratch())
    #expect(Array(weights.buffer) == [1, 2, 3, 4].map { $0 * Float(0.95) })
  }

  @Test func numbersThatAreNoSettingsAreRefused() {
    func adam(_ change: (inout AdamW) -> Void) -> String {
      var adam = AdamW()
      change(&adam)
      return message { try adam.check() }
    }
    #expect(adam { _ in }.isEmpty && adam { $0.epsilon = 1e-20 }.isEmpty)
    #expect(adam { $0.beta1 = 1 }.contains("beta 1 is 1.0") && adam { $0.beta2 = .nan }.contains("beta 2"))
    #expect(adam { $0.epsilon = 0 }.contains("epsilon") && adam { $0.epsilon = 1e-60 }.contains("fp32"))
    #expect(adam { $0.decay = -1 }.contains("decay") && adam { $0.decay = .infinity }.contains("decay"))
    func muon(_ change: (inout Muon) -> Void) -> String {
      var muon = Muon()
      change(&muon)
      return message { try muon.check() }
    }
    #expect(muon { _ in }.isEmpty && muon { $0.momentum = 1 }.contains("momentum"))
    #expect(muon { $0.scale = 0 }.contains("scale") && muon { $0.decay = .nan }.contains("decay"))
    #expect(message { try GradientNorm.check(maximum: 0) }.contains("norm"))
    #expect(message { try GradientNorm.check(maximum: nil) }.isEmpty)
  }

  @Test func everyParameterHasTheRuleOfItsRole() throws {
    for name in TrainingFixtures.goldens {
      for spec in ParameterTable(try TrainingFixtures.model(name).description, predicts: true) {
        let rule = OptimizerKind.muon.rule(of: spec)
        switch spec.role {
        case .selectionBias: #expect(rule == .balance && OptimizerKind.adamW.rule(of: spec) == .balance)
        case .embedding, .head, .router, .sharedGate, .prediction(.embedding), .prediction(.head):
          #expect(rule == .adamW)
        case .indexQuery, .indexKey, .indexKeyNorm, .indexKeyNormBias, .indexWeights:
          #expect(rule == .frozen && OptimizerKind.adamW.rule(of: spec) == .frozen)
        default: #expect(rule == (spec.isMatrix ? .muon : .adamW), "\(spec.id)")
        }
        #expect(spec.decays == spec.isMatrix)
      }
    }
  }
}
