import Foundation
import Telemetry
import Testing

@testable import Projection

@Suite struct RooflineTests {
  /// A matrix that takes 8 to read and 1 for each row; for more than sixteen rows at once, half.
  private func seconds(_ rows: Double) -> Double { rows <= 16 ? max(8, rows) : max(16, rows / 2) }

  private func point(_ rows: Double, weight: Double = 1) -> Roofline.Point {
    Roofline.Point(
      memory: 1, arithmetic: rows, seconds: seconds(rows), weight: weight, isOfOtherKind: weight < 1)
  }

  @Test func fewStepsWaitForMemoryManyForArithmeticAndManyMoreDoAsThoseOfTheOtherKind() {
    let roof = Roofline([point(2), point(4), point(16), point(64, weight: 0.001), point(512, weight: 0.001)])
    for rows in [1, 2, 8, 12, 16, 40, 64, 512, 4096] as [Double] {
      #expect(abs(roof.seconds(rows) / seconds(rows) - 1) < 1e-3, "\(rows)")
    }
    #expect(roof.rms < 1e-3)
    // Two matrices with as many rows each take twice as long.
    #expect(abs(roof.seconds(memory: 2, arithmetic: 1024) / 512 - 1) < 1e-3)
    #expect(abs(roof.scaled(3, fixed: 1).seconds(512) / 768 - 1) < 1e-3)
  }

  @Test func ofNothingNothingIsKnown() {
    #expect(
      Roofline([]).seconds(5) == 0
        && Roofline([Roofline.Point(memory: 0, arithmetic: 3, seconds: 1, weight: 1)]).seconds(5) == 0)
  }

  /// Where all steps of a kind had as many rows, those of the other tell what a row costs.
  @Test func oneBatchIsEnoughBesideThePromptsOfItsRun() {
    let roof = Roofline([point(4), point(64, weight: 0.1)])
    #expect(abs(roof.seconds(2) - 8) < 1e-6 && abs(roof.seconds(64) - 32) < 1e-6)
  }

  /// Reading and arithmetic that hide behind each other less the more alike they are, and a cost of each call.
  @Test func aRampIsFoundAgain() {
    for exponent in [1, 1.5, 2, 3] as [Double] {
      for fixed in [0, 5] as [Double] {
        func seconds(_ memory: Double, _ rows: Double) -> Double {
          fixed + pow(pow(8 * memory, exponent) + pow(memory * rows, exponent), 1 / exponent)
        }
        let roof = Roofline(
          ([(1, 1), (1, 3), (0.25, 8), (1, 16), (0.5, 64)] as [(Double, Double)]).map { memory, rows in
            Roofline.Point(memory: memory, arithmetic: memory * rows, seconds: seconds(memory, rows), weight: 1)
          })
        for (memory, rows) in [(1, 2), (1, 8), (0.5, 4), (0.25, 32), (1, 100)] as [(Double, Double)] {
          let found = roof.seconds(memory: memory, arithmetic: memory * rows)
          #expect(abs(found / seconds(memory, rows) - 1) < 0.01, "\(exponent), \(fixed), \(memory), \(rows)")
        }
        #expect(abs(roof.fixed - fixed) < 0.1 && roof.rms < 0.01)
        #expect(roof.scaled(2, fixed: 0).fixed == 0)
      }
    }
  }

  /// Points of one ratio tell one of both costs: the other is what it is elsewhere at the least.
  @Test func whatNoPointTellsIsBounded() {
    let few = Roofline([point(2)], least: (memory: 5, arithmetic: 0.25))
    #expect(abs(few.seconds(2) - 8) < 1e-9 && abs(few.seconds(400) - 100) < 1e-9)
    let many = Roofline([point(16)], least: (memory: 5, arithmetic: 0.25))
    #expect(abs(many.seconds(16) - 16) < 1e-9 && many.seconds(0.01) >= 5)
    // Nothing reads or computes when there is nothing to.
    #expect(few.seconds(memory: 0, arithmetic: 0) == 0)
    var fastest = FastestRates()
    fastest.add([point(2), point(16)], parameters: 80)
    #expect(fastest.read == 10 && fastest.arithmetic == 80)
    #expect(fastest.least(160).memory == 16 && fastest.least(160).arithmetic == 2)
    #expect(fastest.least(160, hasArithmetic: false).arithmetic == 0 && FastestRates().least(160).memory == 0)
  }

  @Test func coefficientsAreNoLessThanTheirBounds() {
    let fit = LeastSquares(features: [[1, 1], [1, 3]], times: [3, 7], least: [0.5, 1])
    #expect(abs(fit.coefficients[0] - 1) < 1e-9 && abs(fit.coefficients[1] - 2) < 1e-9 && fit.worst < 1e-9)
    let bounded = LeastSquares(features: [[1, 1], [1, 3]], times: [3, 7], least: [2, 0])
    #expect(bounded.coefficients[0] == 2 && bounded.coefficients[1] > 1 && bounded.coefficients[1] < 2)
    #expect(bounded.worst > 0.05)
  }
}
