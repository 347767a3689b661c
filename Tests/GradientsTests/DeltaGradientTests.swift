import Foundation
import Gradients
import Kernels
import Tensors
import Testing

/// A key head's value heads over random numbers, rows of which lie apart from each other.
private struct DeltaCase: HeadCase {
  var tokens: Int, keyDims: Int, valueDims: Int
  var heads = 1

  var description: String { "\(tokens) tokens, \(keyDims)/\(valueDims), \(heads) heads" }

  private func numbers(_ seed: UInt64, _ count: Int, in range: ClosedRange<Float> = -1...1) -> [Double] {
    [Float].random(tokens * count, seed: seed, in: range).doubles
  }

  /// Query, key, values, decays and betas, `[tokens, heads · …]` each.
  var inputs: [[Double]] {
    let length = Float(keyDims).squareRoot()
    return [
      numbers(1, keyDims, in: (-1 / length)...(1 / length)), numbers(2, keyDims, in: (-1 / length)...(1 / length)),
      numbers(3, heads * valueDims), numbers(4, heads, in: 0.3...1), numbers(5, heads, in: 0...1),
    ]
  }
  var outputGradient: [Double] { numbers(6, heads * valueDims) }

  /// What heads recall, `[tokens, heads · valueDims]`, from the formula, in double precision.
  func outputs(_ inputs: [[Double]]) -> [Double] {
    let (query, key, value, decay, beta) = (inputs[0], inputs[1], inputs[2], inputs[3], inputs[4])
    var out = [Double](repeating: 0, count: tokens * heads * valueDims)
    for head in 0..<heads {
      for d in 0..<valueDims {
        var state = [Double](repeating: 0, count: keyDims)
        for t in 0..<tokens {
          let gate = t * heads + head
          let place = gate * valueDims + d
          for i in 0..<keyDims { state[i] *= decay[gate] }
          let known = (0..<keyDims).reduce(0) { $0 + state[$1] * key[t * keyDims + $1] }
          for i in 0..<keyDims { state[i] += key[t * keyDims + i] * beta[gate] * (value[place] - known) }
          out[place] = (0..<keyDims).reduce(0) { $0 + state[$1] * query[t * keyDims + $1] }
        }
      }
    }
    return out
  }

  /// Gradients by all inputs, as `inputs` lists them, from the formula: states are kept, and the recurrence is walked
  /// back.
  func twin() -> [[Double]] {
    let (query, key, value, decay, beta) = (inputs[0], inputs[1], inputs[2], inputs[3], inputs[4])
    let dout = outputGradient
    var made = inputs.map { [Double](repeating: 0, count: $0.count) }
    for head in 0..<heads {
      for d in 0..<valueDims {
        var states = [[Double](repeating: 0, count: keyDims)]
        var differences: [Double] = []
        for t in 0..<tokens {
          let gate = t * heads + head
          var state = states[t].map { $0 * decay[gate] }
          let difference = (0..<keyDims).reduce(value[gate * valueDims + d]) { $0 - state[$1] * key[t * keyDims + $1] }
          for i in 0..<keyDims { state[i] += key[t * keyDims + i] * beta[gate] * difference }
          differences.append(difference)
          states.append(state)
        }
        var byState = [Double](repeating: 0, count: keyDims)
        for t in (0..<tokens).reversed() {
          let (gate, first) = (t * heads + head, t * keyDims)
          let place = gate * valueDims + d
          for i in 0..<keyDims {
            byState[i] += query[first + i] * dout[place]
            made[0][first + i] += states[t + 1][i] * dout[place]
          }
          let written = (0..<keyDims).reduce(0) { $0 + byState[$1] * key[first + $1] }
          made[4][gate] += written * differences[t]
          let byDifference = written * beta[gate]
          made[2][place] = byDifference
          for i in 0..<keyDims {
            made[1][first + i] += byState[i] * beta[gate] * differences[t] - states[t][i] * decay[gate] * byDifference
            let faded = byState[i] - key[first + i] * byDifference
            made[3][gate] += states[t][i] * faded
            byState[i] = faded * decay[gate]
          }
        }
      }
    }
    return made
  }

  func differences() -> [[Double]] {
    let (inputs, dout) = (inputs, outputGradient)
    return inputs.indices.map { place in
      Twin.differences(
        of: { changed in
          var all = inputs
          all[place] = changed
          return zip(outputs(all), dout).reduce(0) { $0 + $1.0 * $1.1 }
        }, at: inputs[place])
    }
  }

  func gradients(_ compute: GradientCompute, worker: Int) -> [[Float]]? {
    let known = inputs.map { spread($0) }
    // What is written must not depend on what was there.
    let made = inputs.map { spread($0.map { _ in 3 }) }
    let dout = spread(outputGradient)
    for head in 0..<heads {
      func own(_ buffer: AlignedBuffer<Float>, _ dims: Int) -> MatrixView<Float> {
        view(buffer).columns((head * dims)..<((head + 1) * dims))
      }
      compute.recall(
        DeltaGradient(
          query: view(known[0]), key: view(known[1]), value: own(known[2], valueDims),
          outputGradient: own(dout, valueDims), decay: own(known[3], 1), beta: own(known[4], 1),
          queryGradient: view(made[0]), keyGradient: view(made[1]), valueGradient: own(made[2], valueDims),
          decayGradient: own(made[3], 1), betaGradient: own(made[4], 1), adding: head > 0), worker: worker)
    }
    let gathered = made.compactMap { gather($0) }
    return gathered.count == made.count ? gathered : nil
  }
}

struct DeltaGradientTests {
  private static let cases = [
    DeltaCase(tokens: 1, keyDims: 1, valueDims: 1),
    DeltaCase(tokens: 3, keyDims: 4, valueDims: 2),
    DeltaCase(tokens: 7, keyDims: 6, valueDims: 5, heads: 2),
    DeltaCase(tokens: 5, keyDims: 3, valueDims: 17, heads: 3),
    DeltaCase(tokens: 31, keyDims: 16, valueDims: 16),
    DeltaCase(tokens: 32, keyDims: 5, valueDims: 15, heads: 2),
    DeltaCase(tokens: 33, keyDims: 8, valueDims: 33),
    DeltaCase(tokens: 100, keyDims: 19, valueDims: 48, heads: 2),
    DeltaCase(tokens: 130, keyDims: 128, valueDims: 20),
  ]

  private func compute(_ set: InstructionSet, workers: Int = 1) throws -> GradientCompute {
    let compute = GradientCompute(try Compute(workers: workers, set))
    compute.reserve(tokens: 130, keyDims: 128)
    return compute
  }

  @Test(arguments: cases.indices)
  func isTheTwinsOnEveryInstructionSetWithEqualBits(index: Int) throws {
    try Self.cases[index].expectTheTwinsWithEqualBits { try compute($0) }
  }

  @Test(arguments: 0..<4)
  func theTwinIsWhatFiniteDifferencesGive(index: Int) { Self.cases[index].expectFiniteDifferences(within: 1e-7) }

  @Test(arguments: 1...3)
  func headsAreTheSameWhicheverWorkerTakesThem(workers: Int) throws {
    DeltaCase.expectTheSame(
      of: Array(Self.cases[3...7]), on: try compute(.best), sharedOn: try compute(.best, workers: workers))
  }
}
