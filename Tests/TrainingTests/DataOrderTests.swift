import Testing
import Training

/// Which sequence stands where: a function of the seed and the place.
@Suite struct DataOrderTests {
  @Test func eachEpochHoldsEachSequenceOnceInAnotherOrder() {
    let order = DataOrder(counts: [97], weights: nil, seed: 1)
    let epochs = (0..<3).map { epoch in (0..<97).map { order[epoch * 97 + $0] } }
    for (number, epoch) in epochs.enumerated() {
      #expect(epoch.map(\.sequence).sorted() == Array(0..<97))
      #expect(epoch.allSatisfy { $0.epoch == number && $0.group == 0 })
    }
    #expect(epochs[0].map(\.sequence) != epochs[1].map(\.sequence))
  }

  @Test func anotherSeedIsAnotherOrderAndTheSameSeedTheSame() {
    func sequences(_ seed: UInt64) -> [Int] {
      let order = DataOrder(counts: [500], weights: nil, seed: seed)
      return (0..<500).map { order[$0].sequence }
    }
    #expect(sequences(1) == sequences(1) && sequences(1) != sequences(2))
  }

  /// Recorded: a training that goes on elsewhere, or with a later program, must see what it would have seen.
  @Test func theOrderIsTheRecordedOne() {
    let order = DataOrder(counts: [1000], weights: nil, seed: 1234)
    #expect((0..<8).map { order[$0].sequence } == [973, 621, 9, 902, 662, 439, 619, 922])
    let mixture = DataOrder(counts: [10, 20, 30], weights: [0.5, 0.3, 0.2], seed: 1234)
    #expect((0..<8).map { mixture[$0].group } == [1, 1, 0, 1, 1, 2, 1, 0])
  }

  @Test func everyBlockHoldsEachGroupsShare() {
    let weights = [0.6, 0.3, 0.1]
    let order = DataOrder(counts: [50, 3000, 7], weights: weights, seed: 3)
    for block in 0..<3 {
      let places = (0..<4096).map { order[block * 4096 + $0] }
      for (group, weight) in weights.enumerated() {
        #expect(abs(Double(places.count { $0.group == group }) - weight * 4096) <= 1)
      }
    }
    #expect(abs(order.parts.reduce(0, +) - 1) < 1e-15)
  }

  @Test func aGroupIsGoneThroughBeforeItBeginsAgain() {
    let order = DataOrder(counts: [50, 3000, 7], weights: [0.6, 0.3, 0.1], seed: 3)
    var seen: [[Int: [Int]]] = [[:], [:], [:]]
    for position in 0..<(4096 * 2) {
      let place = order[position]
      seen[place.group][place.epoch, default: []].append(place.sequence)
    }
    for (group, count) in [50, 3000, 7].enumerated() {
      let epochs = seen[group].keys.sorted()
      #expect(epochs == Array(0...epochs.last!))
      for epoch in epochs {
        let sequences = seen[group][epoch]!
        #expect(Set(sequences).count == sequences.count)
        if epoch != epochs.last { #expect(sequences.count == count) }
      }
    }
  }

  @Test func sharesThatAreSmallAreOneAtLeast() {
    for weights in [[1, 1e-12], [1e-300, 1e300], [1e308, 1e308], [3, 1e-9, 1e-9]] {
      let order = DataOrder(counts: Array(repeating: 5, count: weights.count), weights: weights, seed: 1)
      #expect(order.parts.allSatisfy { $0 >= 1.0 / 4096 } && abs(order.parts.reduce(0, +) - 1) < 1e-15)
    }
    let even = DataOrder(counts: Array(repeating: 5, count: 1024), weights: Array(repeating: 1, count: 1024), seed: 1)
    #expect(even.parts.allSatisfy { $0 == 4.0 / 4096 })
  }
}
