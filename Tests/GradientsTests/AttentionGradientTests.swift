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
  /// Tokens of an entry; nil where there are none. Half a dozen fewer tokens' are there than would be complete.
  var ratio: Int?
  /// Products of outputs and their gradients are given.
  var givesMeans = false

  var description: String {
    """
    \(tokens) tokens, \(keyDims)/\(valueDims), window \(window ?? 0), sink \(sink ?? 0), latent \(latent), \
    entries of \(ratio ?? 0)
    """
  }

  var query: [Double] { numbers(1, keyDims) }
  var key: [Double] { numbers(2, keyDims) }
  var value: [Double] { latent ? [] : numbers(3, valueDims) }
  var outputGradient: [Double] { numbers(4, valueDims) }

  var entryCount: Int { ratio.map { max(tokens - 6, 0) / $0 } ?? 0 }
  var entry: [Double] { [Float].random(entryCount * keyDims, seed: 5, in: -1...1).doubles }

  private func numbers(_ seed: UInt64, _ dims: Int) -> [Double] {
    [Float].random(tokens * dims, seed: seed, in: -1...1).doubles
  }

  /// What all heads' gradients are by.
  struct Inputs {
    var query: [Double]
    var key: [Double]
    var value: [Double]
    var entry: [Double]
    var sink: Double?
  }

  var inputs: Inputs { Inputs(query: query, key: key, value: value, entry: entry, sink: sink.map(Double.init)) }

  private func value(_ x: Inputs, _ t: Int, _ d: Int) -> Double {
    latent ? x.key[t * keyDims + d] : x.value[t * valueDims + d]
  }

  /// Probabilities of the entries that a token attends, of positions from `begin` to t, and the sink's.
  private func probabilities(
    _ x: Inputs, _ t: Int
  ) -> (ofEntries: [Double], begin: Int, ofPositions: [Double], ofSink: Double) {
    let begin = max(0, t + 1 - (window ?? tokens))
    func score(_ keys: [Double], _ j: Int) -> Double {
      (0..<keyDims).reduce(0) { $0 + x.query[t * keyDims + $1] * keys[j * keyDims + $1] } * Double(scale)
    }
    let seen = ratio.map { min((t + 1) / $0, entryCount) } ?? 0
    let (first, second) = ((0..<seen).map { score(x.entry, $0) }, (begin...t).map { score(x.key, $0) })
    let highest = max((first + second).max()!, x.sink ?? -.infinity)
    func weigh(_ scores: [Double]) -> [Double] { scores.map { exp($0 - highest) } }
    let ofSink = x.sink.map { exp($0 - highest) } ?? 0
    let sum = (weigh(first) + weigh(second)).reduce(ofSink, +)
    return (weigh(first).map { $0 / sum }, begin, weigh(second).map { $0 / sum }, ofSink / sum)
  }

  func outputs(_ x: Inputs) -> [Double] {
    (0..<tokens).flatMap { t in
      let row = probabilities(x, t)
      return (0..<valueDims).map { d in
        row.ofEntries.indices.reduce(0) { $0 + row.ofEntries[$1] * x.entry[$1 * keyDims + d] }
          + row.ofPositions.indices.reduce(0) { $0 + row.ofPositions[$1] * value(x, row.begin + $1, d) }
      }
    }
  }

  /// Gradients by query, key, value, sink and entries, from the formula.
  func twin() -> [[Double]] {
    let (x, dout) = (inputs, outputGradient)
    let out = outputs(x)
    var made = Inputs(
      query: x.query.map { _ in 0 }, key: x.key.map { _ in 0 }, value: x.value.map { _ in 0 },
      entry: x.entry.map { _ in 0 }, sink: 0)
    for t in 0..<tokens {
      let row = probabilities(x, t)
      let mean = (0..<valueDims).reduce(0) { $0 + dout[t * valueDims + $1] * out[t * valueDims + $1] }
      made.sink = (made.sink ?? 0) - row.ofSink * mean
      func byScore(_ p: Double, _ value: (_ d: Int) -> Double) -> Double {
        p * ((0..<valueDims).reduce(0) { $0 + dout[t * valueDims + $1] * value($1) } - mean) * Double(scale)
      }
      for (j, p) in row.ofEntries.enumerated() {
        let pull = byScore(p) { x.entry[j * keyDims + $0] }
        for d in 0..<keyDims {
          made.query[t * keyDims + d] += pull * x.entry[j * keyDims + d]
          made.entry[j * keyDims + d] += pull * x.query[t * keyDims + d]
          if d < valueDims { made.entry[j * keyDims + d] += p * dout[t * valueDims + d] }
        }
      }
      for (i, p) in row.ofPositions.enumerated() {
        let j = row.begin + i
        let pull = byScore(p) { value(x, j, $0) }
        for d in 0..<keyDims {
          made.query[t * keyDims + d] += pull * x.key[j * keyDims + d]
          made.key[j * keyDims + d] += pull * x.query[t * keyDims + d]
        }
        for d in 0..<valueDims {
          if latent {
            made.key[j * keyDims + d] += p * dout[t * valueDims + d]
          } else {
            made.value[j * valueDims + d] += p * dout[t * valueDims + d]
          }
        }
      }
    }
    return [made.query, made.key, made.value, x.sink == nil ? [] : [made.sink ?? 0], made.entry]
  }

  /// The same from finite differences.
  func differences() -> [[Double]] {
    let (x, dout) = (inputs, outputGradient)
    func by(_ part: WritableKeyPath<Inputs, [Double]>) -> [Double] {
      Twin.differences(
        of: {
          var other = x
          other[keyPath: part] = $0
          return loss(other)
        }, at: x[keyPath: part])
    }
    func loss(_ x: Inputs) -> Double { zip(outputs(x), dout).reduce(0) { $0 + $1.0 * $1.1 } }
    let bySink = x.sink.map {
      Twin.differences(
        of: {
          var other = x
          other.sink = $0[0]
          return loss(other)
        }, at: [$0])
    }
    return [by(\.query), by(\.key), by(\.value), bySink ?? [], by(\.entry)]
  }

  func gradients(_ compute: GradientCompute, worker: Int) -> [[Float]]? {
    gradients(compute, worker: worker) { _ in }
  }

  /// `poison` is called with the queries first.
  func gradients(
    _ compute: GradientCompute, worker: Int, poison: (_ query: MatrixView<Float>) -> Void
  ) -> [[Float]]? {
    let sinkBuffer = AlignedBuffer([sink ?? 0, 7])
    let out = outputs(inputs)
    let memory = [query, key, value, out, outputGradient, query, query, out].map { spread($0) }
    poison(view(memory[0]))
    let (keys, dkeys) = (view(memory[1]), view(memory[6]))
    let own = [entry, entry].map { spread($0, rows: entryCount) }
    func entries(_ place: Int) -> MatrixView<Float> {
      entryCount > 0
        ? view(own[place], rows: entryCount) : MatrixView(own[place].pointer, rows: 0, columns: keyDims)
    }
    let attended = ratio.map { AttentionGradient.Entries(keys: entries(0), gradient: entries(1), ratio: $0) }
    let products = AlignedBuffer(
      (0..<tokens).map { t in
        Float((0..<valueDims).reduce(0) { $0 + out[t * valueDims + $1] * outputGradient[t * valueDims + $1] })
      })
    // Where the products are given, what they are of is not read.
    if givesMeans { memory[3].buffer.update(repeating: .nan) }
    compute.attend(
      AttentionGradient(
        query: view(memory[0]), key: keys, value: latent ? keys.columns(0..<valueDims) : view(memory[2]),
        output: view(memory[3]), outputGradient: view(memory[4]), queryGradient: view(memory[5]), keyGradient: dkeys,
        valueGradient: latent ? dkeys.columns(0..<valueDims) : view(memory[7]), scale: scale, window: window,
        sink: sink == nil ? nil : (UnsafePointer(sinkBuffer.pointer), sinkBuffer.pointer + 1), entries: attended,
        means: givesMeans ? MatrixView(products.pointer, rows: tokens, columns: 1) : nil), worker: worker)
    guard let dquery = gather(memory[5]), let dkey = gather(memory[6]), let dvalue = latent ? [] : gather(memory[7]),
      let dentry = gather(own[1], rows: entryCount)
    else { return nil }
    return [dquery, dkey, dvalue, sink == nil ? [] : [sinkBuffer.pointer[1]], dentry]
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
    AttentionCase(tokens: 21, keyDims: 6, valueDims: 6, window: 5, sink: 0.4, latent: true, ratio: 4, givesMeans: true),
    AttentionCase(tokens: 19, keyDims: 5, valueDims: 3, sink: -1, ratio: 3),
    AttentionCase(tokens: 4, keyDims: 4, valueDims: 4, window: 3, latent: true, ratio: 2),
    AttentionCase(tokens: 150, keyDims: 20, valueDims: 20, window: 40, sink: 1, latent: true, ratio: 4),
    AttentionCase(tokens: 140, keyDims: 17, valueDims: 17, window: 9, sink: 0, latent: true, ratio: 128),
    AttentionCase(tokens: 200, keyDims: 24, valueDims: 16, window: 130, latent: true, ratio: 7, givesMeans: true),
  ]

  private func compute(_ set: InstructionSet, workers: Int = 1) throws -> GradientCompute {
    let compute = GradientCompute(try Compute(workers: workers, set))
    compute.reserve(tokens: 350)
    return compute
  }

  @Test(arguments: cases.indices)
  func isTheTwinsOnEveryInstructionSetWithEqualBits(index: Int) throws {
    try Self.cases[index].expectTheTwinsWithEqualBits { try compute($0) }
  }

  @Test(arguments: [0, 1, 2, 3, 4, 12, 13, 14])
  func theTwinIsWhatFiniteDifferencesGive(index: Int) { Self.cases[index].expectFiniteDifferences(within: 1e-8) }

  @Test(arguments: 1...3)
  func headsAreTheSameWhicheverWorkerTakesThem(workers: Int) throws {
    AttentionCase.expectTheSame(
      of: Array(Self.cases[5...9] + Self.cases[15...17]), on: try compute(.best),
      sharedOn: try compute(.best, workers: workers))
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
