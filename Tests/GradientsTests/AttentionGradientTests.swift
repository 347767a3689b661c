import Foundation
import Gradients
import Kernels
import Tensors
import Testing

/// One head's attention over random numbers, rows of which lie apart from each other.
private struct AttentionCase: HeadCase {
  var tokens: Int, keyDims: Int, valueDims: Int
  var window: Int?
  var sink: Float?
  /// Values are the first columns of the keys.
  var latent = false
  var scale: Float = 0.4

  var description: String {
    "\(tokens) tokens, \(keyDims)/\(valueDims), window \(window ?? 0), sink \(sink ?? 0), latent \(latent)"
  }

  var query: [Double] { numbers(1, keyDims) }
  var key: [Double] { numbers(2, keyDims) }
  var value: [Double] { latent ? [] : numbers(3, valueDims) }
  var outputGradient: [Double] { numbers(4, valueDims) }

  private func numbers(_ seed: UInt64, _ dims: Int) -> [Double] {
    [Float].random(tokens * dims, seed: seed, in: -1...1).doubles
  }

  private func value(_ key: [Double], _ value: [Double], _ t: Int, _ d: Int) -> Double {
    latent ? key[t * keyDims + d] : value[t * valueDims + d]
  }

  /// Positions from `begin` to t, their probabilities, and the sink's.
  private func probabilities(
    _ query: [Double], _ key: [Double], _ t: Int, sink: Double?
  ) -> (begin: Int, p: [Double], ofSink: Double) {
    let begin = max(0, t + 1 - (window ?? tokens))
    let scores = (begin...t).map { j in
      (0..<keyDims).reduce(0) { $0 + query[t * keyDims + $1] * key[j * keyDims + $1] } * Double(scale)
    }
    let highest = max(scores.max()!, sink ?? -.infinity)
    let weights = scores.map { exp($0 - highest) }
    let sum = weights.reduce(0, +) + (sink.map { exp($0 - highest) } ?? 0)
    return (begin, weights.map { $0 / sum }, sink.map { exp($0 - highest) / sum } ?? 0)
  }

  func outputs(_ query: [Double], _ key: [Double], _ value: [Double], sink: Double?) -> [Double] {
    (0..<tokens).flatMap { t in
      let row = probabilities(query, key, t, sink: sink)
      return (0..<valueDims).map { d in
        row.p.indices.reduce(0) { $0 + row.p[$1] * self.value(key, value, row.begin + $1, d) }
      }
    }
  }

  /// Gradients by query, key, value and sink, from the formula.
  func twin() -> [[Double]] {
    let (query, key, value, dout) = (self.query, self.key, self.value, outputGradient)
    let out = outputs(query, key, value, sink: sink.map(Double.init))
    var dquery = [Double](repeating: 0, count: query.count)
    var dkey = [Double](repeating: 0, count: key.count)
    var dvalue = [Double](repeating: 0, count: value.count)
    var dsink = 0.0
    for t in 0..<tokens {
      let row = probabilities(query, key, t, sink: sink.map(Double.init))
      let mean = (0..<valueDims).reduce(0) { $0 + dout[t * valueDims + $1] * out[t * valueDims + $1] }
      dsink -= row.ofSink * mean
      for (i, p) in row.p.enumerated() {
        let j = row.begin + i
        let byP = (0..<valueDims).reduce(0) { $0 + dout[t * valueDims + $1] * self.value(key, value, j, $1) }
        let byScore = p * (byP - mean) * Double(scale)
        for d in 0..<keyDims {
          dquery[t * keyDims + d] += byScore * key[j * keyDims + d]
          dkey[j * keyDims + d] += byScore * query[t * keyDims + d]
        }
        for d in 0..<valueDims {
          if latent {
            dkey[j * keyDims + d] += p * dout[t * valueDims + d]
          } else {
            dvalue[j * valueDims + d] += p * dout[t * valueDims + d]
          }
        }
      }
    }
    return [dquery, dkey, dvalue, sink == nil ? [] : [dsink]]
  }

  /// The same from finite differences.
  func differences() -> [[Double]] {
    let (query, key, value, dout) = (self.query, self.key, self.value, outputGradient)
    func loss(_ query: [Double], _ key: [Double], _ value: [Double], _ sink: Double?) -> Double {
      zip(outputs(query, key, value, sink: sink), dout).reduce(0) { $0 + $1.0 * $1.1 }
    }
    let own = sink.map(Double.init)
    return [
      Twin.differences(of: { loss($0, key, value, own) }, at: query),
      Twin.differences(of: { loss(query, $0, value, own) }, at: key),
      Twin.differences(of: { loss(query, key, $0, own) }, at: value),
      own.map { Twin.differences(of: { loss(query, key, value, $0[0]) }, at: [$0]) } ?? [],
    ]
  }

  func gradients(_ compute: GradientCompute, worker: Int) -> [[Float]]? {
    gradients(compute, worker: worker) { _ in }
  }

  /// `poison` is called with the queries first.
  func gradients(
    _ compute: GradientCompute, worker: Int, poison: (_ query: MatrixView<Float>) -> Void
  ) -> [[Float]]? {
    let sinkBuffer = AlignedBuffer([sink ?? 0, 7])
    let out = outputs(query, key, value, sink: sink.map(Double.init))
    let memory = [query, key, value, out, outputGradient, query, query, out].map(spread)
    poison(view(memory[0]))
    let (keys, dkeys) = (view(memory[1]), view(memory[6]))
    compute.attend(
      AttentionGradient(
        query: view(memory[0]), key: keys, value: latent ? keys.columns(0..<valueDims) : view(memory[2]),
        output: view(memory[3]), outputGradient: view(memory[4]), queryGradient: view(memory[5]), keyGradient: dkeys,
        valueGradient: latent ? dkeys.columns(0..<valueDims) : view(memory[7]), scale: scale, window: window,
        sink: sink == nil ? nil : (UnsafePointer(sinkBuffer.pointer), sinkBuffer.pointer + 1)), worker: worker)
    guard let dquery = gather(memory[5]), let dkey = gather(memory[6]), let dvalue = latent ? [] : gather(memory[7])
    else { return nil }
    return [dquery, dkey, dvalue, sink == nil ? [] : [sinkBuffer.pointer[1]]]
  }
}

struct AttentionGradientTests {
  private static let cases = [
    AttentionCase(tokens: 1, keyDims: 1, valueDims: 1),
    AttentionCase(tokens: 1, keyDims: 16, valueDims: 8, window: 1, sink: 0.5),
    AttentionCase(tokens: 5, keyDims: 3, valueDims: 4, window: 1),
    AttentionCase(tokens: 7, keyDims: 4, valueDims: 2, window: 3, sink: -0.3),
    AttentionCase(tokens: 9, keyDims: 6, valueDims: 4, sink: 1, latent: true),
    AttentionCase(tokens: 64, keyDims: 17, valueDims: 15),
    AttentionCase(tokens: 65, keyDims: 16, valueDims: 16, window: 64),
    AttentionCase(tokens: 131, keyDims: 20, valueDims: 12, sink: 2),
    AttentionCase(tokens: 131, keyDims: 9, valueDims: 33, window: 20, sink: 0),
    AttentionCase(tokens: 140, keyDims: 24, valueDims: 16, window: 100, latent: true),
    AttentionCase(tokens: 67, keyDims: 260, valueDims: 20, latent: true, scale: 0.1),
    AttentionCase(tokens: 300, keyDims: 8, valueDims: 8),
  ]

  private func compute(_ set: InstructionSet, workers: Int = 1) throws -> GradientCompute {
    let compute = GradientCompute(try Compute(workers: workers, set))
    compute.reserve(tokens: 300)
    return compute
  }

  @Test(arguments: cases.indices)
  func isTheTwinsOnEveryInstructionSetWithEqualBits(index: Int) throws {
    try Self.cases[index].expectTheTwinsWithEqualBits { try compute($0) }
  }

  @Test(arguments: 0..<5)
  func theTwinIsWhatFiniteDifferencesGive(index: Int) { Self.cases[index].expectFiniteDifferences(within: 1e-8) }

  @Test(arguments: 1...3)
  func headsAreTheSameWhicheverWorkerTakesThem(workers: Int) throws {
    AttentionCase.expectTheSame(
      of: Array(Self.cases[5...9]), on: try compute(.best), sharedOn: try compute(.best, workers: workers))
  }

  @Test func aNaNInAQueryIsInItsGradientAndTheKeysItMet() throws {
    for set in InstructionSet.supported {
      let some = AttentionCase(tokens: 70, keyDims: 8, valueDims: 8)
      let values = try #require(some.gradients(try compute(set), worker: 0) { $0[66][3] = .nan })
      #expect(values[0].indices.allSatisfy { values[0][$0].isNaN == ($0 / 8 == 66) })
      #expect(values[1][..<(67 * 8)].allSatisfy(\.isNaN) && values[2][..<(67 * 8)].allSatisfy(\.isNaN))
    }
  }
}
