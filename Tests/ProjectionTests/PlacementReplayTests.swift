import ExpertParallelism
import Fabric
import Projection
import Telemetry
import TestSupport
import Testing

/// Recorded routing under other placements: before and after.
@Suite struct PlacementReplayTests {
  private static let layers = [1, 2]

  /// Tokens that choose experts one after another with Zipf's weights, 1 / (place + 1) in an order of each layer's own.
  private func zipf(experts: Int, topK: Int, rows: Int, using generator: inout SeededGenerator) -> RoutingRecord {
    var record = RoutingRecord(layers: Self.layers, expertCount: experts, topK: topK)
    let orders = Self.layers.map { _ in Array(0..<experts).shuffled(using: &generator) }
    for row in 0..<rows {
      var choices: [Int32] = []
      for order in orders {
        var weights = order.map { 1 / Double($0 + 1) }
        var chosen: Set<Int32> = []
        while chosen.count < topK {
          var rest = Double.random(in: 0..<weights.reduce(0, +), using: &generator)
          let expert =
            weights.firstIndex {
              rest -= $0
              return rest < 0
            } ?? experts - 1
          chosen.insert(Int32(expert))
          weights[expert] = 0
        }
        choices += chosen.sorted()
      }
      record.append(
        [.init(step: Int32(row / 512), kind: 1, sequence: Int32(row), position: 0, home: 0)], experts: choices)
    }
    return record
  }

  private func replay(_ record: RoutingRecord, _ placement: ModelPlacement, batch: Int) -> PlacementReplay {
    PlacementReplay(
      record, batch: batch,
      layout: Layout(
        rankCount: placement.rankCount, ranksPerHost: 1, expertCount: record.expertCount, placement: placement))
  }

  @Test(arguments: [(64, 8), (64, 4), (128, 8)], [1, 2] as [UInt64])
  func aTenthMoreMemoryEvensOutZipfsLaw(shape: (experts: Int, topK: Int), seed: UInt64) {
    var generator = SeededGenerator(seed)
    let record = zipf(experts: shape.experts, topK: shape.topK, rows: 1024, using: &generator)
    let plain = ModelPlacement(expertCount: shape.experts, rankCount: 8)
    let planned = PlacementPlanner(
      expertCount: shape.experts, layerCount: Self.layers.count, rankCount: 8, replicaShare: 0.1
    ).plan(record.loads(tokensPerStep: 512), from: plain)
    let most = (0..<8).map { planned.expertCount(of: Rank($0), layers: Self.layers) }.max()!
    #expect(Double(most) <= 1.1 * Double(shape.experts * Self.layers.count) / 8)
    let (before, after) = (replay(record, plain, batch: 512), replay(record, planned, batch: 512))
    #expect(before.busiest.visits > 1.3)
    #expect(after.busiest.visits <= 1.15 && after.busiest.experts <= 1.15, "\(after.busiest)")
    #expect(before.steps == 2 && after.rowsOut > 0 && after.rowsBack >= after.rowsOut - 1e-9)
  }

  @Test func whatIsRoutedOnPaperIsWhatRanksWouldDo() {
    // Two tokens, of ranks 0 and 1: experts 0 and 3, 1 and 2.
    var record = RoutingRecord(layers: [4], expertCount: 4, topK: 2)
    for (row, choices) in [[0, 3], [1, 2]].enumerated() {
      record.append(
        [.init(step: 0, kind: 1, sequence: Int32(row), position: 0, home: Int32(row))],
        experts: choices.map { Int32($0) })
    }
    let plain = replay(record, ModelPlacement(expertCount: 4, rankCount: 2), batch: 2)
    // Each token has a visit to the other rank, from where a row comes back.
    #expect(plain.rowsOut == 1 && plain.rowsBack == 1 && plain.busiest.visits == 1 && plain.busiest.experts == 1)
    let layer = ExpertPlacement(
      owners: Array(repeating: Rank(0), count: 4), replicas: [[], [Rank(1)], [Rank(1)], []], rankCount: 2)
    let placed = replay(record, ModelPlacement(layer, layers: [4: layer]), batch: 2)
    // Rank 1's token finds both of its experts at home.
    #expect(placed.rowsOut == 0 && placed.rowsBack == 0 && placed.busiest.visits == 1)
    let other = replay(
      record, ModelPlacement(ExpertPlacement(expertCount: 4, rankCount: 2), layers: [3: layer]), batch: 2)
    #expect(other.rowsOut == 1, "a placement of another layer")
    let crowded = ExpertPlacement(owners: Array(repeating: Rank(1), count: 4), rankCount: 2)
    let all = replay(record, crowded.everywhere, batch: 2)
    #expect(all.busiest.visits == 2 && all.busiest.experts == 2 && all.rowsOut == 0.5)
    // Scattered over two ranks, but nothing that the token visits lies between: one row.
    #expect(all.rowsBack == 0.5)
  }

  @Test func aStepIsReplayedWithThePlacementOfItsLayout() throws {
    var generator = SeededGenerator(3)
    let record = zipf(experts: 64, topK: 8, rows: 512, using: &generator)
    let plain = ModelPlacement(expertCount: 64, rankCount: 8)
    let planned = PlacementPlanner(expertCount: 64, layerCount: 2, rankCount: 8, replicaShare: 0.1)
      .plan(record.loads(tokensPerStep: 64), from: plain)
    var work = ModelWork()
    (work.attention, work.expert, work.head, work.router) = (1000, 500, 4000, 100)
    (work.hiddenSize, work.layers, work.moeLayers) = (64, 2, 2)
    func seconds(_ placement: ModelPlacement) throws -> (Double, BusiestRank) {
      let compute = ComputeModel(
        work, bytesPerParameter: 4,
        machine: .init(readBytesPerSecond: 1e12, operationsPerSecond: 1e8, efficiency: 1),
        rowBytes: RowBytes(token: 256, sum: 256))
      let outcome = try #require(
        StepReplay(
          compute: compute, network: try Network("hdr", sameHostIn: []),
          layout: Layout(rankCount: 8, ranksPerHost: 1, expertCount: 64, placement: placement),
          rowBytes: RowBytes(token: 256, sum: 256)
        ).run(record, kind: .decode, batch: 64))
      return (outcome.seconds, outcome.busiest)
    }
    let (before, after) = (try seconds(plain), try seconds(planned))
    #expect(after.0 < before.0, "arithmetic is all there is, and the busiest rank has less of it")
    #expect(after.1.visits < before.1.visits)
  }

  /// Planned from one half, replayed with the other: nothing of what is replayed was known.
  @Test(arguments: [0.8, 1.0, 1.2], [256, 512])
  func whatIsPlannedFromOneHalfHoldsForTheOther(exponent: Double, tokens: Int) {
    let (one, other) = RoutingRecord.halves(expertCount: 256, topK: 8, skew: exponent, rows: tokens)
    #expect(one.rows.count == other.rows.count && one.experts != other.experts)
    #expect(Set(one.rows.map(\.sequence)).isDisjoint(with: other.rows.map(\.sequence)))
    let plain = ModelPlacement(expertCount: 256, rankCount: 8)
    let planner = PlacementPlanner(expertCount: 256, layerCount: one.layers.count, rankCount: 8, replicaShare: 0.1)
    let planned = planner.plan(one.loads(tokensPerStep: tokens), from: plain)
    for rank in 0..<8 {
      #expect(Double(planned.expertCount(of: Rank(rank), layers: one.layers)) <= 1.1 * 32 * Double(one.layers.count))
    }
    let (before, after) = (replay(other, plain, batch: tokens), replay(other, planned, batch: tokens))
    #expect(before.busiest.visits > 1.4)
    #expect(max(after.busiest.visits, after.busiest.experts) <= 1.15, "\(after.busiest)")
  }
}
