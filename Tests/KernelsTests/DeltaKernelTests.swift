import CKernels
import Foundation
import Testing

/// The kernels of gated DeltaNet: each instruction set against the portable reference, bit for bit, and that against
/// the definition in fp64.
struct DeltaKernelTests {
  /// Key and value dimensions around the sizes of chains, vectors and panels.
  private static let shapes = [(1, 1), (4, 16), (5, 3), (6, 5), (7, 33), (16, 17), (64, 20), (128, 128), (130, 50)]

  /// A head's inputs over some tokens, and its state.
  private struct Head {
    let (keyDims, valueDims, count): (Int, Int, Int)
    let query: [Float]
    let key: [Float]
    let value: [Float]
    let decay: [Float]
    let beta: [Float]
    let state: [Float]
    var panels: Int { (valueDims + 15) / 16 }

    init(_ keyDims: Int, _ valueDims: Int, tokens: Int) {
      (self.keyDims, self.valueDims, count) = (keyDims, valueDims, tokens)
      query = .random(tokens * keyDims, seed: 2)
      key = [Float].random(tokens * keyDims, seed: 3).map { $0 / Float(keyDims).squareRoot() }
      value = .random(tokens * valueDims, seed: 4)
      decay = [Float].random(tokens, seed: 5).map { abs($0) }
      beta = [Float].random(tokens, seed: 6).map { abs($0) }
      state = .random((valueDims + 15) / 16 * keyDims * 16, seed: 7)
    }

    /// Runs some tokens, and panels from `panels` in one call each; returns what came out.
    func run(
      _ isa: ck_isa, _ state: UnsafeMutablePointer<Float>, tokens: Range<Int>, calls: [Range<Int>]
    ) -> [Float] {
      withGuardedArena { memory in
        let out = memory.floats([Float](repeating: 5, count: tokens.count * valueDims))
        func part(_ values: [Float], _ width: Int) -> UnsafeMutablePointer<Float> {
          memory.floats(Array(values[(tokens.lowerBound * width)..<(tokens.upperBound * width)])).pointer
        }
        var inputs = ck_delta_tokens(
          query: part(query, keyDims), key: part(key, keyDims), value: part(value, valueDims), decay: part(decay, 1),
          beta: part(beta, 1), out: out.pointer, key_stride: keyDims, value_stride: valueDims, gate_stride: 1,
          out_stride: valueDims)
        for panels in calls {
          ck_delta_rule(isa, state, keyDims, valueDims, panels.lowerBound, panels.count, &inputs, tokens.count)
        }
        #expect(out.isIntact)
        return out.values
      }
    }

    /// The columns that are used of a state.
    func columns(_ state: [Float]) -> [Float] {
      (0..<valueDims).flatMap { column in (0..<keyDims).map { state[(column / 16 * keyDims + $0) * 16 + column % 16] } }
    }
  }

  private func result(
    _ head: Head, _ isa: ck_isa, cuts: [Int] = [], calls: [Range<Int>]? = nil
  ) -> (state: [Float], out: [Float]) {
    withGuardedArena { memory in
      let state = memory.floats(head.state)
      var out: [Float] = []
      var first = 0
      for end in cuts + [head.count] {
        out += head.run(isa, state.pointer, tokens: first..<end, calls: calls ?? [0..<head.panels])
        first = end
      }
      #expect(state.isIntact)
      return (head.columns(state.values), out)
    }
  }

  @Test(arguments: ck_isa.vectors)
  func theRuleIsTheReference(isa: ck_isa) {
    for (keyDims, valueDims) in Self.shapes {
      let head = Head(keyDims, valueDims, tokens: 6)
      let (expected, found) = (result(head, CK_ISA_REFERENCE), result(head, isa))
      #expect(expected.out.hasSameBits(as: found.out), "\(keyDims) × \(valueDims)")
      #expect(expected.state.hasSameBits(as: found.state), "\(keyDims) × \(valueDims)")
    }
  }

  /// A prompt cut anywhere, and panels shared out in any way, give the same bits.
  @Test func neitherCutsOfTokensNorOfPanelsChangeABit() {
    for isa in ck_isa.supported {
      let head = Head(12, 40, tokens: 9)
      let whole = result(head, isa)
      for (cuts, calls) in [([1, 2, 3, 4, 5, 6, 7, 8], [0..<3]), ([4], [2..<3, 0..<2]), ([], [1..<2, 0..<1, 2..<3])] {
        let parts = result(head, isa, cuts: cuts, calls: calls)
        #expect(parts.out.hasSameBits(as: whole.out) && parts.state.hasSameBits(as: whole.state), "\(cuts), \(calls)")
      }
    }
  }

  @Test func theRuleIsItsDefinition() {
    for (keyDims, valueDims) in Self.shapes {
      let head = Head(keyDims, valueDims, tokens: 4)
      let found = result(head, ck_isa_best())
      var state = head.columns(head.state).map { Double($0) }
      for token in 0..<head.count {
        for column in 0..<valueDims {
          let rows = (0..<keyDims).map { column * keyDims + $0 }
          func dot(_ vector: [Float]) -> Double {
            rows.enumerated().reduce(0) { $0 + state[$1.element] * Double(vector[token * keyDims + $1.offset]) }
          }
          for row in rows { state[row] *= Double(head.decay[token]) }
          let difference = (Double(head.value[token * valueDims + column]) - dot(head.key)) * Double(head.beta[token])
          for (i, row) in rows.enumerated() { state[row] += Double(head.key[token * keyDims + i]) * difference }
          let out = Double(found.out[token * valueDims + column])
          #expect(abs(out - dot(head.query)) < 1e-4, "\(keyDims) × \(valueDims), token \(token), column \(column)")
        }
      }
      for (a, b) in zip(found.state, state) where abs(Double(a) - b) > 1e-4 {
        Issue.record("state of \(keyDims) × \(valueDims): \(a), not \(b)")
      }
    }
  }

  @Test(arguments: ck_isa.vectors)
  func normsAndConvolutionAreTheReference(isa: ck_isa) {
    withGuardedArena { memory in
      for n in [1, 5, 8, 15, 16, 17, 33, 64, 128] {
        let (rows, stride) = (3, n + 2)
        let size = (rows - 1) * stride + n
        let (x, gate) = (memory.floats(.random(size)), memory.floats([Float].random(size, seed: 3).map { $0 * 20 }))
        let weight = memory.floats(.random(n, seed: 4))
        let empty = [Float](repeating: 5, count: size)
        let lengths = KernelResults(isa, empty) { ck_l2_norm($0, x.pointer, stride, rows, n, 1e-6, 0.25, $1, stride) }
        let gated = KernelResults(isa, empty) {
          ck_gated_rms_norm(
            $0, x.pointer, stride, gate.pointer, stride, rows, n, weight.pointer, 1e-6, $1, stride)
        }
        #expect(lengths.agree && gated.agree, "n \(n)")
        let inPlace = KernelResults(isa, x.values) { ck_l2_norm($0, $1, stride, rows, n, 1e-6, 0.25, $1, stride) }
        #expect(inPlace.agree && inPlace.reference[0].bitPattern == lengths.reference[0].bitPattern)
        let length = (0..<n).reduce(0) { $0 + Double(lengths.reference[$1]) * Double(lengths.reference[$1]) }
        #expect(abs(length.squareRoot() - 0.25) < 1e-3)
        for taps in [1, 2, 4] {
          let seen = (0..<taps).map { tap in
            UnsafePointer<Float>?(memory.floats(.random(n, seed: UInt64(10 + tap))).pointer)
          }
          let kernel = memory.floats(.random((taps - 1) * stride + n, seed: 9))
          let result = KernelResults(isa, [Float](repeating: 5, count: n)) {
            ck_causal_convolution($0, seen, taps, kernel.pointer, stride, n, $1)
          }
          #expect(result.agree, "n \(n), \(taps) taps")
          let sum = (0..<taps).reduce(0) { $0 + Double(seen[$1]![n - 1]) * Double(kernel.values[$1 * stride + n - 1]) }
          #expect(abs(Double(result.reference[n - 1]) - sum / (1 + exp(-sum))) < 1e-5)
        }
      }
    }
  }

  @Test func softplusIsTheLogarithm() {
    for x in stride(from: Float(-80), through: 90, by: 0.37) {
      let expected = x > 0 ? Double(x) + log1p(exp(-Double(x))) : log1p(exp(Double(x)))
      #expect(abs(Double(ck_softplus(x)) - expected) <= 3e-7 * expected, "\(x)")
    }
    #expect(ck_softplus(.infinity) == .infinity && ck_softplus(-.infinity) == 0 && ck_softplus(.nan).isNaN)
    #expect(ck_softplus(0) == Float(log(2.0)))
  }
}
