import CKernels
import Foundation
import Testing

struct ElementwiseExpTests {
  /// Every special value, the bounds of the result's ranges, and a sweep of all bit patterns.
  static let inputs: [Float] = {
    var inputs: [Float] = [
      0, -0.0, 1, -1, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
      -.greatestFiniteMagnitude, 88.72283, 88.72284, 90, -87.33654, -87.33655, -103.97207, -103.97208, -103.98, -105,
    ]
    for bits in stride(from: UInt32(0), to: .max - 65_521, by: 65_521) { inputs.append(Float(bitPattern: bits)) }
    for step in -26_000..<22_500 { inputs.append(Float(step) * 0.004) }
    return inputs
  }()

  @Test func theResultIsWithinTwoUlpOfTheTrueValue() {
    for x in Self.inputs {
      let actual = ck_exp(x)
      let exact = exp(Double(x))
      if x.isNaN {
        #expect(actual.isNaN)
      } else if exact >= 0x1.ffffffp+127 {
        #expect(actual == .infinity, "\(x)")
      } else {
        let error = abs(Double(actual) - exact) / Double(max(Float(exact), .leastNormalMagnitude).ulp)
        if error > 2 { Issue.record("e^\(x) is \(actual), \(error) ulp away") }
      }
    }
    #expect(ck_exp(0) == 1 && ck_exp(-0.0) == 1)
    #expect(ck_exp(-.infinity).bitPattern == 0 && ck_exp(.infinity) == .infinity)
    #expect(ck_exp(-100) > 0 && ck_exp(-100) < .leastNormalMagnitude, "subnormal results are kept")
    #expect(ck_sigmoid(0) == 0.5 && ck_sigmoid(-.infinity) == 0 && ck_sigmoid(.infinity) == 1)
  }

  /// The vector form is seen through ck_sum_exp: 16 elements are one vector, its sum is checked by the same sum of
  /// scalar results.
  @Test(arguments: ck_isa.supported)
  func theVectorFormIsTheScalarOne(isa: ck_isa) {
    let finite = Self.inputs.filter { !$0.isNaN && $0 < 88 }
    var lane = 0
    for x in finite {
      var vector = [Float](repeating: -.infinity, count: 16)
      vector[lane] = x
      lane = (lane + 1) % 16
      if ck_sum_exp(isa, vector, 16, 0).bitPattern != ck_exp(x).bitPattern { Issue.record("differs at \(x)") }
    }
  }
  @Test(arguments: ck_isa.supported)
  func manyAtOnceAreTheScalarOnes(isa: ck_isa) {
    var found = [Float](repeating: 7, count: Self.inputs.count)
    ck_exponentials(isa, Self.inputs, &found, found.count)
    for (x, y) in zip(Self.inputs, found) where y.bitPattern != ck_exp(x).bitPattern && !x.isNaN {
      Issue.record("differs at \(x)")
    }
    #expect(zip(Self.inputs, found).allSatisfy { !$0.isNaN || $1.isNaN })
  }
}
