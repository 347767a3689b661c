import JSON
import Telemetry

/// Sums over all steps of one rank, in nanoseconds.
package struct TrainingTimes: Sendable, Equatable {
  package var steps = 0
  package var wall: UInt64 = 0
  /// By `TrainingPhase`, and what of it was waiting for other ranks.
  package var time = Array(repeating: UInt64(0), count: TrainingPhase.count)
  package var waiting = Array(repeating: UInt64(0), count: TrainingPhase.count)
  /// Of the latest steps, where they were kept.
  package var spans: [TrainingClock.Span] = []

  package init() {}

  var json: JSONValue {
    func numbers(_ values: [UInt64]) -> JSONValue { .array(values.map { .int(Int(clamping: $0)) }) }
    return [
      "steps": .int(steps), "wall_ns": .int(Int(clamping: wall)), "time_ns": numbers(time),
      "waiting_ns": numbers(waiting),
      "spans": .array(spans.map { .array([.int(Int(clamping: $0.start)), .int(Int($0.phase))]) }),
    ]
  }

  /// Reads what another rank wrote, every number checked.
  init(json: JSONValue) throws(MalformedAccount) {
    func numbers(_ key: String) throws(MalformedAccount) -> [UInt64] {
      let values = (json[key]?.array ?? []).compactMap { $0.exactInt.flatMap(UInt64.init(exactly:)) }
      guard values.count == TrainingPhase.count else {
        throw MalformedAccount(reason: "\"\(key)\" has not a time for each phase")
      }
      return values
    }
    steps = try json.count("steps")
    wall = UInt64(try json.count("wall_ns"))
    time = try numbers("time_ns")
    waiting = try numbers("waiting_ns")
    for span in json["spans"]?.array ?? [] {
      guard let pair = span.array, pair.count == 2, let start = pair[0].exactInt, start >= 0,
        let phase = pair[1].exactInt, (0...TrainingPhase.count).contains(phase)
      else { throw MalformedAccount(reason: "a span is not [start, phase]") }
      spans.append(.init(start: UInt64(start), phase: UInt8(phase)))
    }
  }
}
