import MoEModel
import Telemetry

/// Weights that ranks with slices read ahead while they wait for an exchange: those of the products that follow it.
extension StepReplay {
  /// An exchange of each of so many layers, and what it takes.
  struct Window {
    var stage: RowExchange.Stage
    var times: Double
    var seconds: Double
  }

  /// What a layer reads after an exchange: of what part, how many readings of its weights, rows or visits computed with
  /// them, and how much of it the rank with most has, and the mean one.
  private struct Reading {
    var part: WritableKeyPath<Outcome, Double>
    var roof: Roofline
    var memory: Double
    var arithmetic: Double
    var most: Double
    var mean: Double
  }

  /// What is saved of a step of so many rows, by part: of the rank with most to do, and of the mean one. `distinct`,
  /// `visits`: experts that a layer's tokens choose, and how often.
  func savedByReadingAhead(
    _ windows: [Window], rows: Double, distinct: Double, visits: Double
  ) -> [(part: WritableKeyPath<Outcome, Double>, most: Double, mean: Double)] {
    guard let ahead = compute.ahead, coresOfRank == nil, layout.rankCount > 1 else { return [] }
    var saved: [(part: WritableKeyPath<Outcome, Double>, most: Double, mean: Double)] = []
    for window in windows {
      for (times, readings) in readings(after: window, rows: rows, distinct: distinct, visits: visits) {
        var (left, room) = (window.seconds, ahead.room)
        for reading in readings {
          func seconds(_ share: Double) -> Double {
            reading.roof.saved(
              memory: reading.memory * share, arithmetic: reading.arithmetic * share, window: min(left, room), ahead)
          }
          saved.append((reading.part, times * seconds(reading.most), times * seconds(reading.mean)))
          let took = reading.roof.perMemory * reading.memory * reading.most
          (left, room) = (max(0, left - took), max(0, room - took))
        }
      }
    }
    return saved
  }

  /// In the order of their use, for layers of which there are so many.
  private func readings(
    after window: Window, rows: Double, distinct: Double, visits: Double
  ) -> [(times: Double, [Reading])] {
    let work = compute.work
    let (third, even) = (1.0 / 3, 1 / Double(layout.rankCount))
    func attention(_ parameters: Int) -> Reading {
      let part = Double(parameters) / Double(max(work.attention, 1))
      return Reading(
        part: \.attention, roof: compute.attention, memory: part, arithmetic: rows * part, most: share(.values),
        mean: even)
    }
    func dense(_ part: Double) -> Reading {
      Reading(
        part: \.dense, roof: compute.dense, memory: part, arithmetic: rows * part, most: share(.denseInner), mean: even)
    }
    func shared(_ part: Double) -> Reading {
      Reading(
        part: \.shared, roof: compute.shared, memory: part, arithmetic: rows * part, most: share(.expertInner),
        mean: even)
    }
    let isKnown = work.attentionEntry + work.attentionOutput > 0
    switch window.stage {
    case .latents where isKnown:
      return [(window.times, [attention(work.attention - work.attentionEntry - work.attentionOutput)])]
    case .values where isKnown: return [(window.times, [attention(work.attentionOutput)])]
    case .attentionOutput:
      let (moeLayers, layers) = (Double(work.moeLayers), Double(max(work.layers, 1)))
      let router = Reading(
        part: \.gate, roof: Roofline(perMemory: compute.gate.fixed, perArithmetic: compute.gate.perRow), memory: 1,
        arithmetic: rows, most: 1 / Double(leastOnHost), mean: Double(layout.hostCount) * even)
      return [
        (window.times * (layers - moeLayers) / layers, [dense(2 * third)]),
        (window.times * moeLayers / layers, [router, shared(2 * third)]),
      ]
    case .denseInner: return [(window.times, [dense(third)])]
    case .expertInner where dividesExperts:
      let experts = Reading(
        part: \.experts, roof: compute.experts, memory: distinct * third, arithmetic: visits * third,
        most: share(.expertInner), mean: even)
      return [(window.times, [experts, shared(third)])]
    case .denseOutput where isKnown, .expertOutput where isKnown:
      return [(window.times, [attention(work.attentionEntry)])]
    default: return []
    }
  }

  /// The part of a stage that the rank with most has.
  func share(_ stage: RowExchange.Stage) -> Double {
    compute.work.exchanges.first { $0.stage == stage }?.largestShare(ranks: layout.rankCount)
      ?? 1 / Double(layout.rankCount)
  }
}
