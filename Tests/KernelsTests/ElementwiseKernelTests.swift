import CKernels
import Foundation
import Testing

/// Sizes around the vector widths of every instruction set.
private let counts = [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 576]

/// Each element-wise kernel of each supported instruction set against the portable reference, bit for bit.
struct ElementwiseKernelTests {
  @Test(arguments: ck_isa.vectors)
  func rmsNormIsTheReference(isa: ck_isa) {
    withGuardedArena { memory in
      for n in counts where n > 0 {
        for rows in [0, 1, 3] {
          let stride = n + 3
          let size = rows == 0 ? 0 : (rows - 1) * stride + n
          let x = [Float].random(size)
          let input = memory.floats(x)
          let weight = memory.floats([Float].random(n, seed: 2))
          let apart = KernelResults(isa, [Float](repeating: 5, count: size)) { isa, out in
            ck_rms_norm(isa, input.pointer, stride, rows, n, weight.pointer, 1e-6, out, stride)
          }
          let inPlace = KernelResults(isa, x) { isa, out in
            ck_rms_norm(isa, out, stride, rows, n, weight.pointer, 1e-6, out, stride)
          }
          #expect(apart.agree && inPlace.agree, "n \(n), rows \(rows)")
          for i in (0..<rows * n).map({ $0 / n * stride + $0 % n }) where apart.reference[i] != inPlace.reference[i] {
            Issue.record("element \(i) differs in place, n \(n), rows \(rows)")
          }
        }
      }
    }
  }

  @Test(arguments: ck_isa.vectors, [false, true])
  func ropeIsTheReference(isa: ck_isa, interleaved: Bool) {
    withGuardedArena { memory in
      for dims in [0, 2, 4, 8, 10, 16, 18, 30, 32, 34, 64, 66, 96, 128] {
        let angles = [Float].random(dims / 2).map { $0 * 4 }
        let cosine = memory.floats(angles.map { cosf($0) })
        let sine = memory.floats(angles.map { sinf($0) })
        let stride = dims + 5
        let results = KernelResults(isa, .random(2 * stride + dims)) { isa, out in
          ck_rope(isa, out, 3, stride, dims, cosine.pointer, sine.pointer, interleaved)
        }
        #expect(results.agree, "dims \(dims)")
      }
    }
  }

  @Test(arguments: ck_isa.vectors)
  func mapsAreTheReferenceAlsoInPlace(isa: ck_isa) {
    withGuardedArena { memory in
      typealias Map = (ck_isa, UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
      for n in counts {
        let a = [Float].randomWithSpecials(n, scale: 20)
        let b = [Float].random(n, seed: 3).map { $0 * 9 }
        let first = memory.floats(a)
        let second = memory.floats(b)
        let maps: [(String, Map)] = [
          ("silu_multiply", { ck_silu_multiply($0, $1, $2, $3, n) }),
          ("sigmoid_multiply", { ck_sigmoid_multiply($0, $1, $2, $3, n) }),
          ("clamped_swiglu", { ck_clamped_swiglu($0, $1, $2, $3, n, 1.702, 7) }),
          ("limited_swiglu", { ck_limited_swiglu($0, $1, $2, $3, n, 3) }),
          ("limited_swiglu, exchanged", { ck_limited_swiglu($0, $2, $1, $3, n, 3) }),
          ("sum", { ck_sum($0, $1, $2, $3, n) }),
          ("sum, exchanged", { ck_sum($0, $2, $1, $3, n) }),
          ("clamped_swiglu, exchanged", { ck_clamped_swiglu($0, $2, $1, $3, n, 1.702, 7) }),
          ("scale", { isa, a, _, out in ck_scale(isa, a, 0.3, out, n) }),
          ("exponentials", { isa, a, _, out in ck_exponentials(isa, a, out, n) }),
        ]
        for (name, map) in maps {
          let apart = KernelResults(isa, [Float](repeating: 5, count: n)) { map($0, first.pointer, second.pointer, $1) }
          let overFirst = KernelResults(isa, a) { map($0, $1, second.pointer, $1) }
          #expect(apart.agree && overFirst.agree, "\(name), n \(n)")
          #expect(apart.reference.hasSameBits(as: overFirst.reference), "\(name) over its first operand, n \(n)")
          if name == "scale" || name == "exponentials" { continue }
          let overSecond = KernelResults(isa, b) { map($0, first.pointer, $1, $1) }
          #expect(overSecond.agree, "\(name), n \(n)")
          #expect(apart.reference.hasSameBits(as: overSecond.reference), "\(name) over its second operand, n \(n)")
        }
        let updates: [(String, (ck_isa, UnsafeMutablePointer<Float>) -> Void)] = [
          ("add", { ck_add($0, $1, second.pointer, n) }),
          ("add_scaled", { ck_add_scaled($0, $1, second.pointer, 0.7, n) }),
          ("clip", { ck_clip($0, $1, 5, n) }),
          ("clip to zero", { ck_clip($0, $1, 0, n) }),
        ]
        for (name, update) in updates { #expect(KernelResults(isa, a, update).agree, "\(name), n \(n)") }
      }
    }
  }

  /// Terms of which some are no numbers, and some too large for the others to count.
  @Test(arguments: ck_isa.vectors)
  func meansByGatesAreTheReference(isa: ck_isa) {
    withGuardedArena { memory in
      for n in counts where n > 0 {
        let bias = memory.floats([Float].random(n, seed: 9))
        let values = (0..<6).map { memory.floats([Float].random(n, seed: $0 + 20)) }
        let gates = (0..<6).map { memory.floats([Float].randomWithSpecials(n, scale: $0 == 3 ? 90 : 4)) }
        let results = KernelResults(isa, [Float](repeating: .nan, count: 3 * n)) { isa, sums in
          for i in 0..<6 {
            ck_pool(isa, values[i].pointer, gates[i].pointer, bias.pointer, n, i == 0, sums)
          }
        }
        #expect(results.agree, "n \(n)")
        let means = KernelResults(isa, [Float](repeating: 5, count: n)) { ck_pooled($0, results.reference, n, $1) }
        #expect(means.agree, "n \(n)")
      }
    }
  }

  /// The mean of three values by the softmax of their gates, in double precision.
  @Test func aMeanByGatesIsWhatItSays() {
    for isa in ck_isa.supported {
      let (values, gates): ([Float], [Float]) = ([3, -1, 0.5], [0.2, 1.5, -40])
      var sums = [Float](repeating: .nan, count: 3)
      for i in 0..<3 { ck_pool(isa, [values[i]], [gates[i]], [0.25], 1, i == 0, &sums) }
      var mean: [Float] = [0]
      ck_pooled(isa, sums, 1, &mean)
      let weights = gates.map { exp(Double($0)) }
      let expected = zip(values, weights).map { Double($0) * $1 }.reduce(0, +) / weights.reduce(0, +)
      #expect(abs(Double(mean[0]) - expected) < 1e-6)
      // What comes first replaces what there was.
      ck_pool(isa, [7], [0], [0], 1, true, &sums)
      ck_pooled(isa, sums, 1, &mean)
      #expect(mean == [7])
    }
  }

  @Test(arguments: ck_isa.vectors)
  func reductionsAreTheReference(isa: ck_isa) {
    withGuardedArena { memory in
      for n in counts + [1000] {
        let x = [Float].random(n).map { $0 * 30 }
        let guarded = memory.floats(x)
        let largest = ck_max(CK_ISA_REFERENCE, x, n)
        #expect(largest == x.max() ?? -.infinity)
        #expect(ck_max(isa, guarded.pointer, n).bitPattern == largest.bitPattern, "n \(n)")
        let sum = ck_sum_exp(CK_ISA_REFERENCE, x, n, largest)
        #expect(ck_sum_exp(isa, guarded.pointer, n, largest).bitPattern == sum.bitPattern, "n \(n)")
        for position in [0, n / 2, n - 1] where n > 0 {
          var poisoned = x
          poisoned[position] = .nan
          #expect(ck_max(isa, poisoned, n).isNaN && ck_max(CK_ISA_REFERENCE, poisoned, n).isNaN)
          #expect(ck_sum_exp(isa, poisoned, n, 0).isNaN)
          var zeros = [Float](repeating: -0.0, count: n)
          zeros[position] = 0
          #expect(ck_max(isa, zeros, n).bitPattern == 0)
        }
      }
    }
  }

  @Test func aScaledAdditionRoundsTheProductFirst() {
    let factor = Float(1) + 3 * .ulpOfOne
    for isa in ck_isa.supported {
      for count in [1, 16] {
        var out = [Float](repeating: -(factor * factor), count: count)
        ck_add_scaled(isa, &out, [Float](repeating: factor, count: count), factor, count)
        #expect(out.allSatisfy { $0 == 0 }, "a fused multiply-add would leave the product's rounding error")
      }
    }
  }

  @Test func valuesWorkedOutByHandAreMet() {
    for isa in ck_isa.supported {
      var out = [Float](repeating: 0, count: 2)
      ck_rms_norm(isa, [3, 4], 2, 1, 2, [1, 2], 0, &out, 2)
      #expect(abs(out[0] - 3 / Float(12.5).squareRoot()) < 1e-6 && abs(out[1] - 8 / Float(12.5).squareRoot()) < 1e-6)
      var halves: [Float] = [1, 2, 3, 4]
      ck_rope(isa, &halves, 1, 4, 4, [0, 1], [1, 0], false)
      #expect(halves == [-3, 2, 1, 4])
      var interleaved: [Float] = [1, 2, 3, 4]
      ck_rope(isa, &interleaved, 1, 4, 4, [0, 1], [1, 0], true)
      #expect(interleaved == [-2, 1, 3, 4])
      var gated: [Float] = [0]
      ck_clamped_swiglu(isa, [100], [-100], &gated, 1, 1.702, 7)
      #expect(abs(gated[0] - -6 * 7 / (1 + Float(exp(-1.702 * 7)))) < 1e-4)
      ck_limited_swiglu(isa, [100], [-100], &gated, 1, 7)
      #expect(abs(gated[0] - -49 / (1 + Float(exp(-7.0)))) < 1e-4)
      ck_silu_multiply(isa, [2], [3], &gated, 1)
      #expect(abs(gated[0] - 6 / (1 + Float(exp(-2.0)))) < 1e-6)
    }
  }
}
