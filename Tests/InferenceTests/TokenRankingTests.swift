import EngineAPI
import Kernels
import Machine
import TestSupport
import Testing

@testable import Inference

/// Tokens in order without sorting them all, and what is drawn by that, against the plain way.
struct TokenRankingTests {
  private func logits(_ count: Int, spread: Float, _ generator: inout SeededGenerator) -> [Float] {
    (0..<count).map { i in
      switch i % 17 {
      case 3: -.infinity
      // Many equal ones.
      case 5, 6: Float(Int.random(in: -3...3, using: &generator))
      default: Float.random(in: -1...1, using: &generator) * spread
      }
    }
  }

  private func order(_ logits: [Float]) -> [Int32] {
    logits.indices.sorted { (-logits[$0], $0) < (-logits[$1], $1) }.map { Int32($0) }
  }

  @Test(arguments: [0, 0.5, 4, 30, 1e4, 3e38] as [Float])
  func allTokensComeOnceAndInOrder(spread: Float) {
    var generator = SeededGenerator(3)
    for count in [1, 2, 7, 300] {
      let ranking = TokenRanking(count: count)
      for reach in [0, 1e-30, 1, 4, 1e38] as [Float] {
        let logits = [Float(spread)] + logits(count - 1, spread: spread, &generator)
        let found = logits.withUnsafeBufferPointer { buffer in
          ranking.begin(buffer.baseAddress!, highest: logits.max()!, reach: reach)
          var found: [Int32] = []
          while let token = ranking.next() { found.append(token) }
          return found
        }
        #expect(found == order(logits), "\(count) tokens, reach \(reach)")
      }
    }
  }

  /// All tokens sorted, each one's weight by itself.
  private func plain(_ logits: [Float], _ parameters: SamplingParameters, draw: Double) -> Int32 {
    let (order, temperature) = (order(logits), Double(parameters.temperature))
    let highest = Double(logits.max()!)
    let weights = logits.map { Double(exponential(Float((Double($0) - highest) / temperature))) }
    let limit = parameters.topK > 0 ? min(parameters.topK, logits.count) : logits.count
    let mass =
      limit < logits.count ? order[..<limit].reduce(0) { $0 + weights[Int($1)] } : weights.reduce(0, +)
    var (kept, sum): ([Int32], Double) = ([], 0)
    for token in order[..<limit] {
      let weight = weights[Int(token)]
      if !kept.isEmpty, weight < Double(parameters.minP) || weight == 0 { break }
      kept.append(token)
      sum += weight
      if parameters.topP < 1, sum >= Double(parameters.topP) * mass { break }
    }
    let isFiltered = parameters.topP < 1 || parameters.minP > 0
    if !isFiltered {
      var sum = 0.0
      for token in kept {
        sum += weights[Int(token)]
        if sum > draw * mass { return token }
      }
    }
    var rest = draw * sum
    for token in kept {
      rest -= weights[Int(token)]
      if rest < 0 { return token }
    }
    return kept[kept.count - 1]
  }

  @Test(arguments: InstructionSet.supported)
  func whatIsDrawnIsWhatSortingAllWouldDraw(isa: InstructionSet) throws {
    var generator = SeededGenerator(7)
    let compute = Compute(pool: try WorkerPool(workerCount: 1), instructionSet: isa)
    let sampler = Sampler(compute: compute, vocabularySize: 203)
    for round in 0..<1500 {
      let logits = [1] + logits(202, spread: [0.01, 1, 5, 40].randomElement(using: &generator)!, &generator)
      var parameters = SamplingParameters()
      parameters.temperature = [0.05, 0.7, 1, 1, 3, 100].randomElement(using: &generator)!
      parameters.topK = [0, 0, 1, 20, 202, 203, 1000].randomElement(using: &generator)!
      parameters.topP = [1, 1, 0.95, 0.3].randomElement(using: &generator)!
      parameters.minP = [0, 0, 0.05, 0.6].randomElement(using: &generator)!
      parameters.seed = UInt64(round)
      let draw = Sampler.uniform(seed: parameters.seed, draw: 2)
      let token = try sampler.sample(logits, parameters, history: [0, 1, 2], promptCount: 1)
      #expect(token == plain(logits, parameters, draw: draw), "round \(round): \(parameters)")
    }
  }
}
