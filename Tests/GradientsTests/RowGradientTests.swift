import CGradients
import Foundation
import Gradients
import Kernels
import MoEModel
import Tensors
import TestSupport
import Testing

/// Sizes around the vector widths of every instruction set.
private let counts = [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 100, 300]

/// Each gradient to its float64 twin, that to finite differences of the operation, and every instruction set to the
/// reference's bits.
struct RowGradientTests {
  private let epsilon: Float = 1e-3

  private func norm(_ x: [Double], _ weight: [Double]) -> [Double] {
    let r = 1 / (x.reduce(0) { $0 + $1 * $1 } / Double(x.count) + Double(epsilon)).squareRoot()
    return zip(x, weight).map { $0 * r * $1 }
  }

  private func loss(_ y: [Double], _ dy: [Double]) -> Double { zip(y, dy).reduce(0) { $0 + $1.0 * $1.1 } }

  @Test func ofRMSNormByItsInput() throws {
    for n in counts {
      for rows in [1, 3] {
        let stride = n + 3
        let (x, dy) = ([Float].random(rows * stride, seed: 1), [Float].random(rows * stride, seed: 2))
        let weight = [Float].random(n, seed: 3)
        var scales = [Float](repeating: 0, count: rows)
        let outputs = try results(dy) { compute, out in
          compute.rmsNormGradient(
            x, stride: stride, gradient: out, gradientStride: stride, rows: rows, count: n, weight: weight,
            epsilon: epsilon, out: out, outStride: stride, scales: &scales)
        }
        #expect(outputs.agree, "n \(n), rows \(rows)")
        for row in 0..<rows {
          let own = row * stride..<row * stride + n
          let (x, dy) = (Array(x[own]).doubles, Array(dy[own]).doubles)
          let r = 1 / (x.reduce(0) { $0 + $1 * $1 } / Double(n) + Double(epsilon)).squareRoot()
          let pull = loss(zip(weight.doubles, dy).map(*), x) * r * r * r / Double(n)
          let twin = (0..<n).map { r * Double(weight[$0]) * dy[$0] - x[$0] * pull }
          // The two terms nearly cancel where there are few.
          let largest = zip(weight.doubles, dy).map { abs($0 * $1) * r }.max()!
          #expect(zip(outputs[0].values[own], twin).allSatisfy { abs(Double($0) - $1) < 1e-5 * largest }, "n \(n)")
          #expect(abs(Double(scales[row]) - r) < 1e-5 * r)
          guard n < 40 else { continue }
          let differences = Twin.differences(of: { loss(norm($0, weight.doubles), dy) }, at: x)
          #expect(Twin.distance(twin, differences) < 1e-6, "n \(n)")
        }
        let gaps = dy.indices.filter { $0 % stride >= n }
        #expect(gaps.allSatisfy { outputs[0].values[$0] == dy[$0] })
      }
    }
  }

  @Test(arguments: [(rows: 1, vectors: 1), (rows: 5, vectors: 3), (rows: 300, vectors: 1), (rows: 87, vectors: 6)])
  func ofRMSNormByItsWeight(rows: Int, vectors: Int) throws {
    for n in counts where n * rows * vectors < 30_000 {
      let (vectorStride, rowStride) = (n + 1, (n + 1) * vectors + 2)
      let (x, dy) = ([Float].random(rows * rowStride, seed: 1), [Float].random(rows * rowStride, seed: 2))
      let scales = [Float].random(rows * vectors, seed: 3)
      for adding in [false, true] {
        let before = [Float].random(n, seed: 4)
        let outputs = try results(before) { compute, out in
          x.withUnsafeBufferPointer { x in
            dy.withUnsafeBufferPointer { dy in
              compute.rmsNormWeightGradient(
                VectorRows(x.baseAddress!, rowStride: rowStride, vectorStride: vectorStride),
                gradient: VectorRows(dy.baseAddress!, rowStride: rowStride, vectorStride: vectorStride), rows: rows,
                vectors: vectors, count: n, scales: scales, out: out, adding: adding)
            }
          }
        }
        #expect(outputs.agree, "n \(n)")
        let twin = (0..<n).map { i in
          (0..<rows * vectors).reduce(adding ? Double(before[i]) : 0) { sum, at in
            let from = at / vectors * rowStride + at % vectors * vectorStride + i
            return sum + Double(x[from]) * Double(scales[at]) * Double(dy[from])
          }
        }
        #expect(Twin.distance(outputs[0].values, twin) < 1e-5, "n \(n), adding \(adding)")
      }
    }
  }

  private static let activations: [Activation] = [
    .swiGLU, .clampedSwiGLU(alpha: 1.702, limit: 7), .limitedSwiGLU(limit: 5),
  ]

  private func activated(_ activation: Activation, _ gate: Double, _ up: Double) -> Double {
    switch activation {
    case .swiGLU: return gate / (1 + exp(-gate)) * up
    case .clampedSwiGLU(let alpha, let limit):
      let (g, u) = (min(gate, Double(limit)), max(-Double(limit), min(up, Double(limit))))
      return (u + 1) * g / (1 + exp(-Double(alpha) * g))
    case .limitedSwiGLU(let limit):
      let (g, u) = (min(gate, Double(limit)), max(-Double(limit), min(up, Double(limit))))
      return g / (1 + exp(-g)) * u
    }
  }

  @Test(arguments: activations.indices)
  func ofActivations(index: Int) throws {
    let activation = Self.activations[index]
    for n in counts {
      let (gate, up) = ([Float].random(n, seed: 5, in: -12...12), [Float].random(n, seed: 6, in: -12...12))
      let dout = [Float].random(n, seed: 7)
      let differences = (0..<n).map { i in
        Twin.differences(
          of: { activated(activation, $0[0], $0[1]) * Double(dout[i]) }, at: [Double(gate[i]), Double(up[i])])
      }
      // Written apart, over the output's gradient, over the gate, and over up.
      for place in 0..<4 {
        let outputs = try results([up, dout, gate, up][place]) { compute, out in
          let (apart, spare) = ([AlignedBuffer(gate), AlignedBuffer(up), AlignedBuffer(dout)], AlignedBuffer(up))
          let inputs = apart.map(\.pointer)
          compute.activationGradient(
            activation, gate: place == 2 ? out : inputs[0], up: place == 3 ? out : inputs[1],
            gradient: place == 1 ? out : inputs[2], gateGradient: place == 3 ? inputs[0] : out,
            upGradient: place == 3 ? out : place == 1 ? inputs[1] : spare.pointer, count: n)
          withExtendedLifetime((apart, spare)) {}
        }
        #expect(outputs.agree, "n \(n), place \(place)")
        let expected = differences.map { $0[place == 3 ? 1 : 0] }
        #expect(Twin.distance(outputs[0].values, expected) < 1e-5, "n \(n), place \(place)")
      }
    }
  }

  /// A mean of values weighed by the softmax of their gates, from the sums that the forward pass makes.
  @Test(arguments: [1, 2, 4, 9]) func ofPools(terms: Int) throws {
    for n in counts {
      let all = terms * n
      let (values, gates) = ([Float].random(all, seed: 31), [Float].random(all, seed: 32, in: -6...6))
      let (bias, dmean) = ([Float].random(all, seed: 33), [Float].random(n, seed: 34))
      // Gradients by all values, then by all gates.
      let outputs = try results([Float](repeating: 0, count: 2 * all)) { compute, out in
        let (sums, mean) = (AlignedBuffer<Float>(count: 3 * n), AlignedBuffer<Float>(count: n))
        values.withUnsafeBufferPointer { values in
          gates.withUnsafeBufferPointer { gates in
            bias.withUnsafeBufferPointer { bias in
              let (v, g, b) = (values.baseAddress!, gates.baseAddress!, bias.baseAddress!)
              for term in 0..<terms {
                let at = term * n
                compute.pool(v + at, gate: g + at, bias: b + at, count: n, first: term == 0, sums: sums.pointer)
              }
              compute.pooled(sums.pointer, count: n, into: mean.pointer)
              for term in 0..<terms {
                let at = term * n
                compute.poolGradient(
                  v + at, gate: g + at, bias: b + at, count: n, sums: sums.pointer, mean: mean.pointer,
                  gradient: dmean, valueGradient: out + at, gateGradient: out + all + at)
              }
            }
          }
        }
        withExtendedLifetime((sums, mean)) {}
      }
      #expect(outputs.agree, "n \(n)")
      var twin = [Double](repeating: 0, count: 2 * all)
      for i in 0..<n {
        let own = (0..<terms).map { $0 * n + i }
        let shifted = own.map { Double(gates[$0]) + Double(bias[$0]) }
        func mean(_ x: [Double]) -> Double {
          let weights = (0..<terms).map { exp(x[terms + $0] - x[terms...].max()!) }
          return (0..<terms).reduce(0) { $0 + weights[$1] * x[$1] } / weights.reduce(0, +)
        }
        let found = Twin.differences(
          of: { mean($0) * Double(dmean[i]) }, at: own.map { Double(values[$0]) } + shifted)
        for term in 0..<terms { (twin[own[term]], twin[all + own[term]]) = (found[term], found[terms + term]) }
      }
      #expect(zip(outputs[0].values, twin).allSatisfy { abs(Double($0) - $1) < 1e-5 }, "n \(n)")
    }
  }

  @Test func sigmoidsAreThoseOfOneNumber() throws {
    for n in counts {
      let x = [Float].random(n, seed: 15, in: -90...90)
      let outputs = try results([0]) { compute, out in
        let found = AlignedBuffer(x)
        compute.sigmoids(found.pointer, into: found.pointer, count: n)
        let right = Array(found.buffer[..<n]).hasSameBits(as: x.map { sigmoid($0) })
        out[0] = right ? 1 : 0
      }
      #expect(outputs.agree && outputs[0].values[0] == 1, "n \(n)")
    }
  }

  @Test func whatWasClampedOrClippedHasNoGradient() throws {
    let (gate, up): ([Float], [Float]) = ([8, 7, -9, .nan], [7, -7.5, 7.5, 1])
    for set in InstructionSet.supported {
      let compute = try Compute(workers: 1, set)
      var (ofGate, ofUp) = ([Float](repeating: 1, count: 4), [Float](repeating: 1, count: 4))
      compute.activationGradient(
        .clampedSwiGLU(alpha: 1.702, limit: 7), gate: gate, up: up, gradient: [1, 1, 1, 1], gateGradient: &ofGate,
        upGradient: &ofUp, count: 4)
      #expect(ofGate[0] == 0 && ofGate[1] != 0 && ofGate[2] != 0 && ofGate[3].isNaN)
      #expect(ofUp[0] != 0 && ofUp[1] == 0 && ofUp[2] == 0 && ofUp[3].isNaN)
      var gradient: [Float] = [1, 2, 3, 4, 5, .nan]
      compute.clipGradient([3, -3, 3.5, -3.5, .nan, 0], limit: 3, gradient: &gradient, count: 6)
      #expect(gradient.hasSameBits(as: [1, 2, 0, 0, 5, .nan]))
    }
  }

  @Test func dotsAndClipsAreTheReference() throws {
    for n in counts {
      let (a, b) = ([Float].random(n, seed: 8), [Float].random(n, seed: 9))
      let dots = try results([0]) { compute, out in out[0] = compute.dot(a, b, count: n) }
      #expect(dots.agree, "n \(n)")
      #expect(
        Twin.distance(dots[0].values + a, [zip(a.doubles, b.doubles).reduce(0) { $0 + $1.0 * $1.1 }] + a.doubles) < 1e-5
      )
      let clips = try results(b) { compute, out in compute.clipGradient(a, limit: 1, gradient: out, count: n) }
      #expect(clips.agree && clips[0].values == zip(a, b).map { abs($0) > 1 ? 0 : $1 }, "n \(n)")
    }
  }

  @Test(arguments: [false, true])
  func ofRotationsIsTheTurnBack(interleaved: Bool) throws {
    for dims in [2, 10, 16, 64] {
      // As YaRN scales them: no pure rotation.
      let angles = [Float].random(dims / 2, seed: 1, in: -3...3)
      let (cosine, sine) = (angles.map { 1.2 * cosf($0) }, angles.map { 1.2 * sinf($0) })
      let stride = dims + 3
      let (x, dy) = ([Float].random(3 * stride, seed: 2), [Float].random(3 * stride, seed: 3))
      let outputs = try results(dy) { compute, out in
        compute.rotateGradient(
          out, heads: 3, headStride: stride, dims: dims, cosine: cosine, sine: sine, interleaved: interleaved)
      }
      #expect(outputs.agree)
      for head in 0..<3 {
        let own = head * stride..<head * stride + dims
        let twin = Twin.differences(
          of: { x in
            var sum = 0.0
            for i in 0..<dims / 2 {
              let (first, second) = interleaved ? (2 * i, 2 * i + 1) : (i, i + dims / 2)
              let (c, s) = (Double(cosine[i]), Double(sine[i]))
              sum += (x[first] * c - x[second] * s) * Double(dy[own.lowerBound + first])
              sum += (x[second] * c + x[first] * s) * Double(dy[own.lowerBound + second])
            }
            return sum
          }, at: Array(x[own]).doubles)
        #expect(Twin.distance(Array(outputs[0].values[own]), twin) < 1e-6)
      }
      #expect(outputs[0].values[dims] == dy[dims], "writes between heads")
    }
  }
}
