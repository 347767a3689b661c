import Foundation
import JSON
import Testing
import Training

/// Numbers that anybody can make again.
@Suite struct RandomNumberTests {
  /// The vectors that the authors of Philox publish with their library (Random123, `kat_vectors`).
  @Test func philoxHasThePublishedBits() {
    #expect(
      Philox.block(SIMD4(repeating: 0), key: SIMD2(0, 0)) == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    let ones = UInt32.max
    #expect(
      Philox.block(SIMD4(repeating: ones), key: SIMD2(ones, ones))
        == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    #expect(
      Philox.block(SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), key: SIMD2(0xa409_3822, 0x299f_31d0))
        == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  @Test func normalNumbersAreThoseOfTheDefinition() throws {
    for entry in try TrainingFixtures.values()["normals"]?.array ?? [] {
      let stream = RandomStream(seed: UInt64(entry["seed"]?.string ?? "")!, purpose: entry["purpose"]?.string ?? "")
      let expected = entry["values"]?.doubles ?? []
      #expect(expected.count == 40)
      for (i, value) in expected.enumerated() {
        #expect(abs(stream.normals(UInt64(i / 4))[i % 4] - value) < 1e-14)
      }
    }
  }

  @Test func normalNumbersSpreadAsTheyShould() {
    let stream = RandomStream(seed: 7, purpose: "spread")
    var (sum, squares, fourth, beyond) = (0.0, 0.0, 0.0, 0)
    let count = 40_000
    for place in 0..<(count / 4) {
      let values = stream.normals(UInt64(place))
      for lane in 0..<4 {
        let x = values[lane]
        (sum, squares, fourth) = (sum + x, squares + x * x, fourth + x * x * x * x)
        if abs(x) > 1.96 { beyond += 1 }
      }
    }
    let n = Double(count)
    #expect(abs(sum / n) < 4 / n.squareRoot())
    #expect(abs(squares / n - 1) < 4 * (2 / n).squareRoot())
    #expect(abs(fourth / n - 3) < 4 * (96 / n).squareRoot())
    #expect(abs(Double(beyond) / n - 0.05) < 0.005)
  }

  @Test func seedsAndPurposesShareNoNumbers() {
    var seen: Set<UInt64> = []
    for seed in [0, 1, 2, UInt64.max] {
      for purpose in ["", "a", "b", "order"] {
        for place in 0..<50 {
          let bits = RandomStream(seed: seed, purpose: purpose).bits(UInt64(place))
          #expect(seen.insert(UInt64(bits.x) << 32 | UInt64(bits.y)).inserted)
        }
      }
    }
    #expect(RandomStream(seed: 1, purpose: "u").uniform(3) == RandomStream(seed: 1, purpose: "u").uniform(3))
    for place in 0..<1000 { #expect((0..<1).contains(RandomStream(seed: 1, purpose: "u").uniform(UInt64(place)))) }
  }

  /// To a few units in the last place of what the C library says.
  @Test func fixedFunctionsAreAccurate() {
    for i in 1...4000 {
      let x = Double(i) * 0.000_25
      #expect(abs(FixedMath.logarithm(x) - log(x)) <= 4e-16 * max(1, abs(log(x))))
      #expect(abs(FixedMath.logarithm(x * 0x1p-40) - log(x * 0x1p-40)) <= 1e-14)
      #expect(abs(FixedMath.cosine(halfTurns: x) - cos(.pi * x)) <= 5e-16)
      let turns = UInt32(truncatingIfNeeded: i &* 1_073_741_827)
      let (sine, cosine) = FixedMath.sineAndCosine(turns: turns)
      let angle = 2 * Double.pi * Double(turns) * 0x1p-32
      #expect(abs(sine - sin(angle)) <= 1.5e-15 && abs(cosine - cos(angle)) <= 1.5e-15)
    }
    #expect(FixedMath.cosine(halfTurns: 0) == 1 && FixedMath.cosine(halfTurns: 1) == -1)
    #expect(FixedMath.cosine(halfTurns: 0.5) == 0 && FixedMath.logarithm(1) == 0)
    #expect(FixedMath.power(0.9, 0) == 1 && FixedMath.power(2, 10) == 1024)
    #expect(abs(FixedMath.power(0.95, 1000) / pow(0.95, 1000) - 1) < 1e-12)
  }

  @Test func shufflesHoldEachNumberOnce() {
    for count in Array(1...70) + [255, 256, 257, 1000, 4097] {
      let stream = RandomStream(seed: 3, purpose: "shuffle")
      let orders = (0..<2).map { number in
        let shuffle = Shuffle(count: count, stream: stream, number: number)
        return (0..<count).map { shuffle[$0] }
      }
      for order in orders { #expect(order.sorted() == Array(0..<count), "\(count)") }
      if count > 20 { #expect(orders[0] != orders[1] && orders[0] != Array(0..<count), "\(count)") }
    }
    let huge = Shuffle(count: 1 << 60, stream: RandomStream(seed: 1, purpose: "huge"), number: 0)
    #expect(Set((0..<100).map { huge[$0] }).count == 100)
  }

  @Test func everyNumberComesAtEveryPlaceAboutAsOften() {
    var counts = Array(repeating: Array(repeating: 0, count: 6), count: 6)
    for number in 0..<3000 {
      let shuffle = Shuffle(count: 6, stream: RandomStream(seed: 9, purpose: "even"), number: number)
      for place in 0..<6 { counts[place][shuffle[place]] += 1 }
    }
    for row in counts { for count in row { #expect((400...600).contains(count)) } }
  }
}
