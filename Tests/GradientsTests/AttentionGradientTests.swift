import Foundation
import Gradients
import Kernels
import Tensors
import Testing

/// One head's attention over random numbers, rows of which lie apart from each other.
private struct AttentionCase: CustomStringConvertible {
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

  /// Rows `[tokens, dims]` in memory with a gap after each.
  private func spread(_ numbers: [Double], _ dims: Int) -> AlignedBuffer<Float> {
    let buffer = AlignedBuffer([Float](repeating: 7, count: tokens * (dims + 3)))
    for i in numbers.indices { buffer.pointer[i / dims * (dims + 3) + i % dims] = Float(numbers[i]) }
    return buffer
  }

  private func view(_ buffer: AlignedBuffer<Float>, _ dims: Int, stride: Int? = nil) -> MatrixView<Float> {
    MatrixView(buffer.pointer, rows: tokens, columns: dims, stride: stride ?? dims + 3)
  }

  private func gather(_ buffer: AlignedBuffer<Float>, _ dims: Int) -> [Float]? {
    let gaps = buffer.buffer.indices.filter { $0 % (dims + 3) >= dims }
    guard gaps.allSatisfy({ buffer.pointer[$0] == 7 }) else { return nil }
    return (0..<tokens).flatMap { t in (0..<dims).map { buffer.pointer[t * (dims + 3) + $0] } }
  }

  /// Gradients as `twin()` lists them, by one worker; nil where something was written between rows. `poison` is called
  /// with the inputs first.
  func gradients(
    _ compute: GradientCompute, worker: Int = 0, poison: (_ query: MatrixView<Float>) -> Void = { _ in }
  ) -> [[Float]]? {
    let sinkBuffer = AlignedBuffer([sink ?? 0, 7])
    let out = outputs(query, key, value, sink: sink.map(Double.init))
    let memory = [
      spread(query, keyDims), spread(key, keyDims), spread(value, valueDims), spread(out, valueDims),
      spread(outputGradient, valueDims), spread(query, keyDims), spread(query, keyDims), spread(out, valueDims),
    ]
    poison(view(memory[0], keyDims))
    let (keys, dkeys) = (view(memory[1], keyDims), view(memory[6], keyDims))
    compute.attend(
      AttentionGradient(
        query: view(memory[0], keyDims), key: keys,
        value: latent ? keys.columns(0..<valueDims) : view(memory[2], valueDims), output: view(memory[3], valueDims),
        outputGradient: view(memory[4], valueDims), queryGradient: view(memory[5], keyDims), keyGradient: dkeys,
        valueGradient: latent ? dkeys.columns(0..<valueDims) : view(memory[7], valueDims), scale: scale, window: window,
        sink: sink == nil ? nil : (UnsafePointer(sinkBuffer.pointer), sinkBuffer.pointer + 1)), worker: worker)
    guard let dquery = gather(memory[5], keyDims), let dkey = gather(memory[6], keyDims),
      let dvalue = latent ? [] : gather(memory[7], valueDims)
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
    let some = Self.cases[index]
    let reference = try #require(some.gradients(try compute(.reference)))
    for (values, expected) in zip(reference, some.twin()) where !expected.isEmpty {
      #expect(values.count == expected.count)
      // A gradient that is zero by its formula, as of a lone token's query, is a rounding error here.
      let distance = zip(values, expected).map { abs(Double($0) - $1) }.max()!
      #expect(distance < 2e-5 * max(1, expected.map(abs).max()!), "\(some)")
    }
    for set in InstructionSet.supported {
      let values = try #require(some.gradients(try compute(set)), "\(some) writes between rows")
      #expect(zip(values, reference).allSatisfy { $0.hasSameBits(as: $1) }, "\(some), \(set)")
    }
  }

  @Test(arguments: 0..<5)
  func theTwinIsWhatFiniteDifferencesGive(index: Int) {
    let some = Self.cases[index]
    for (twin, differences) in zip(some.twin(), some.differences()) where !twin.isEmpty {
      #expect(zip(twin, differences).allSatisfy { abs($0 - $1) < 1e-8 }, "\(some)")
    }
  }

  @Test(arguments: 1...3)
  func headsAreTheSameWhicheverWorkerTakesThem(workers: Int) throws {
    let heads = Array(Self.cases[5...9])
    let alone = try compute(.best)
    let expected = heads.map { $0.gradients(alone) }
    let found = try compute(.best, workers: workers).shared(among: heads) { $0.gradients($1, worker: $2) }
    #expect(found == expected)
  }

  @Test func aNaNInAQueryIsInItsGradientAndTheKeysItMet() throws {
    for set in InstructionSet.supported {
      let some = AttentionCase(tokens: 70, keyDims: 8, valueDims: 8)
      let values = try #require(some.gradients(try compute(set)) { $0[66][3] = .nan })
      #expect(values[0].indices.allSatisfy { values[0][$0].isNaN == ($0 / 8 == 66) })
      #expect(values[1][..<(67 * 8)].allSatisfy(\.isNaN) && values[2][..<(67 * 8)].allSatisfy(\.isNaN))
    }
  }
}
