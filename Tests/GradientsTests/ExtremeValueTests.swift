import Gradients
import Kernels
import MoEModel
import TestSupport
import Tensors
import Testing

/// Any bits a number may have, among ordinary ones: overflow, subnormals, infinities, NaN.
struct ExtremeValueTests {
  private static let special: [Float] = [
    0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -1e38, 88.8, -103.9, 7, -7, .greatestFiniteMagnitude,
  ]

  private func numbers(_ count: Int, _ generator: inout SeededGenerator) -> [Float] {
    (0..<count).map { _ in
      let bits = generator.next()
      return switch bits % 6 {
      case 0: Float(bitPattern: UInt32(truncatingIfNeeded: bits >> 32))
      case 1: Self.special[Int(bits >> 32) % Self.special.count]
      default: Float(Int32(truncatingIfNeeded: bits >> 32)) * 0x1p-29
      }
    }
  }

  @Test(arguments: 1...20)
  func giveTheReferencesBitsOrNaNInRows(seed: UInt64) throws {
    var generator = SeededGenerator(seed)
    for n in [1, 7, 8, 16, 17, 40, 65] {
      let (x, y, z) = (numbers(n, &generator), numbers(n, &generator), numbers(n, &generator))
      let calls: [(String, (Compute, UnsafeMutablePointer<Float>) -> Void)] = [
        (
          "norm",
          { compute, out in
            var scale: Float = 0
            compute.rmsNormGradient(
              x, stride: n, gradient: out, gradientStride: n, rows: 1, count: n, weight: y, epsilon: 1e-5, out: out,
              outStride: n, scales: &scale)
          }
        ),
        (
          "silu",
          { compute, out in
            let other = AlignedBuffer(x)
            compute.activationGradient(
              .swiGLU, gate: x, up: y, gradient: out, gateGradient: out, upGradient: other.pointer, count: n)
            for i in 0..<n { out[i] += other.pointer[i] }
          }
        ),
        (
          "clamped",
          { compute, out in
            let other = AlignedBuffer(x)
            compute.activationGradient(
              .clampedSwiGLU(alpha: 1.702, limit: 7), gate: x, up: y, gradient: out, gateGradient: out,
              upGradient: other.pointer, count: n)
            for i in 0..<n { out[i] += other.pointer[i] }
          }
        ),
        ("clip", { compute, out in compute.clipGradient(x, limit: 7, gradient: out, count: n) }),
        (
          "cross-entropy",
          { compute, out in
            _ = compute.crossEntropy(out, count: n, target: Int32(n / 2), factor: 0.3, zFactor: seed % 2 == 0 ? 0 : 0.1)
          }
        ),
        ("dot", { compute, out in out[0] = compute.dot(x, y, count: n) }),
        (
          "divergence",
          { compute, out in
            let teacher = AlignedBuffer(x)
            let kind = Divergence(beta: Double(seed % 3) / 2, temperature: seed % 2 == 0 ? 1 : 0.3)
            let score = compute.divergence(kind, student: out, teacher: teacher.pointer, count: n, factor: 0.3)
            out[0] += Float(score.divergence) + Float(score.entropy)
          }
        ),
      ]
      for (name, call) in calls { #expect(try results(z, call).agree, "\(name), n \(n)") }
    }
  }

  @Test(arguments: 1...10)
  func giveTheReferencesBitsOrNaNInAttention(seed: UInt64) throws {
    var generator = SeededGenerator(seed)
    let (tokens, dims) = (70, 9)
    // One row of each is extreme, or nothing but NaN would be left.
    let inputs = (0..<5).map { _ in
      let buffer = AlignedBuffer(generator.floats(tokens * dims))
      let bad = numbers(dims, &generator)
      let row = Int(generator.next() % UInt64(tokens))
      for i in 0..<dims where seed % 3 != 0 || i == 0 { buffer.pointer[row * dims + i] = bad[i] }
      return buffer
    }
    let rows = inputs.map { MatrixView($0.pointer, rows: tokens, columns: dims) }
    let outputs = try results([Float](repeating: 0, count: 3 * tokens * dims)) { compute, out in
      let gradients = GradientCompute(compute)
      gradients.reserve(tokens: tokens)
      let views = (0..<3).map { MatrixView(out + $0 * tokens * dims, rows: tokens, columns: dims) }
      gradients.attend(
        AttentionGradient(
          query: rows[0], key: rows[1], value: rows[2], output: rows[3], outputGradient: rows[4],
          queryGradient: views[0], keyGradient: views[1], valueGradient: views[2], scale: 0.3), worker: 0)
    }
    #expect(outputs.agree)
    withExtendedLifetime(inputs) {}
  }

  @Test func aNaNInARowIsNeverLost() throws {
    for set in InstructionSet.supported {
      let compute = try Compute(workers: 1, set)
      for n in [1, 8, 19] {
        for place in Set([0, n - 1]) {
          var bad = [Float](repeating: 1, count: n)
          bad[place] = .nan
          let good = [Float](repeating: 1, count: n)
          for (x, dy) in [(bad, good), (good, bad)] {
            var (out, scale) = ([Float](repeating: 0, count: n), Float(0))
            compute.rmsNormGradient(
              x, stride: n, gradient: dy, gradientStride: n, rows: 1, count: n, weight: good, epsilon: 1e-5, out: &out,
              outStride: n, scales: &scale)
            #expect(out.allSatisfy(\.isNaN) && scale.isNaN == x[place].isNaN)
            var other = out
            compute.activationGradient(
              .swiGLU, gate: x, up: good, gradient: dy, gateGradient: &out, upGradient: &other, count: n)
            #expect((0..<n).allSatisfy { out[$0].isNaN == ($0 == place) && other[$0].isNaN == ($0 == place) })
          }
          #expect(compute.dot(bad, good, count: n).isNaN)
        }
      }
    }
  }
}
