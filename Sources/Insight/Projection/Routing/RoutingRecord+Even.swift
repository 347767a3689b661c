internal import Glibc
import MoEModel
import Telemetry

extension RoutingRecord {
  /// Tokens that choose at random among the experts of a model, in four layers that stand for all of its own.
  package static func even(_ moe: MoEDescription, rows: Int, skew: Double) -> RoutingRecord {
    even(
      expertCount: moe.expertCount, topK: moe.topK,
      groups: moe.router.groups.map { ($0.count, $0.kept) }, layers: 4, rows: rows, skew: skew)
  }

  /// Tokens that choose at random, every expert as probable as any other; where the router first chooses groups, among
  /// those of random groups. For models whose routing nobody has recorded: real text is less even. Always the same for
  /// the same model.
  ///
  /// `skew`: Zipf's exponent. In each layer the expert that is chosen most often is drawn with weight 1, the next with
  /// 1 / 2^skew, the third with 1 / 3^skew and so on; which one that is differs from layer to layer.
  package static func even(
    expertCount: Int, topK: Int, groups: (count: Int, kept: Int)?, layers: Int, rows count: Int, skew: Double = 0
  ) -> RoutingRecord {
    var record = RoutingRecord(layers: Array(0..<layers), expertCount: expertCount, topK: topK)
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    func random(_ limit: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % limit
    }
    func distinct(_ count: Int, below limit: Int) -> [Int] {
      var chosen: Set<Int> = []
      while chosen.count < count { chosen.insert(random(limit)) }
      return chosen.sorted()
    }
    // By layer and expert.
    let weights: [[Double]] = (skew > 0 ? Array(0..<layers) : []).map { _ in
      var order = Array(0..<expertCount)
      for place in order.indices.reversed() { order.swapAt(place, random(place + 1)) }
      return order.map { pow(Double($0 + 1), -skew) }
    }
    /// Some of these experts, by their weights without putting back: those whose times of arrival, at rates of their
    /// weights, are the first (Efraimidis and Spirakis, 2006).
    func drawn(_ candidates: [Int], _ weights: [Double]) -> [Int32] {
      let times = candidates.map { -log((Double(random(1 << 30)) + 1) / Double(1 << 30)) / weights[$0] }
      return candidates.indices.sorted { times[$0] < times[$1] }.prefix(topK).map { Int32(candidates[$0]) }.sorted()
    }
    for row in 0..<count {
      var choices: [Int32] = []
      for layer in 0..<layers {
        var candidates = Array(0..<expertCount)
        if let groups, groups.count > 0, expertCount % groups.count == 0 {
          let width = expertCount / groups.count
          let kept = distinct(min(groups.kept, groups.count), below: groups.count).flatMap {
            Array(($0 * width)..<(($0 + 1) * width))
          }
          if kept.count >= topK { candidates = kept }
        }
        choices +=
          skew > 0
          ? drawn(candidates, weights[layer]) : distinct(topK, below: candidates.count).map { Int32(candidates[$0]) }
      }
      for kind in StepKind.allCases {
        record.append(
          [.init(step: Int32(row), kind: Int32(kind.rawValue), sequence: Int32(row), position: 0, home: 0)],
          experts: choices)
      }
    }
    return record
  }
}
