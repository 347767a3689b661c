import Testing

@testable import Projection

@Suite struct RooflineTests {
  /// A matrix that takes 8 to read and 1 for each row; for more than sixteen rows at once, half.
  private func seconds(_ rows: Double) -> Double { rows <= 16 ? max(8, rows) : max(16, rows / 2) }

  private func point(_ rows: Double, weight: Double = 1) -> Roofline.Point {
    Roofline.Point(memory: 1, arithmetic: rows, seconds: seconds(rows), weight: weight)
  }

  @Test func fewStepsWaitForMemoryManyForArithmeticAndManyMoreDoAsThoseOfTheOtherKind() {
    let roof = Roofline([point(2), point(4), point(16), point(64, weight: 0.001), point(512, weight: 0.001)])
    for rows in [1, 2, 8, 12, 16, 40, 64, 512, 4096] as [Double] {
      #expect(abs(roof.seconds(rows) / seconds(rows) - 1) < 1e-3, "\(rows)")
    }
    #expect(roof.rms < 1e-3)
    // Two matrices with as many rows each take twice as long.
    #expect(abs(roof.seconds(memory: 2, arithmetic: 1024) / 512 - 1) < 1e-3)
    #expect(abs(roof.scaled(3).seconds(512) / 768 - 1) < 1e-3)
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
}
