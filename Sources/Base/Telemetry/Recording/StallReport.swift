import JSON

/// What one rank tells of a step that takes long: a line on standard error, for a supervisor to judge.
package struct StallReport: Sendable, Equatable {
  package var rank: Int
  package var host: String
  /// The layer, -1 outside of all, and the phase the rank is in.
  package var layer: Int
  package var phase: String
  /// Since when nothing has changed there.
  package var seconds: Double
  /// Since when the step is under way.
  package var stepSeconds: Double
  /// Ranks whose messages it waits for; empty when it computes.
  package var waitingFor: [Int]

  package init(
    rank: Int, host: String, layer: Int, phase: String, seconds: Double, stepSeconds: Double, waitingFor: [Int]
  ) {
    (self.rank, self.host, self.layer, self.phase) = (rank, host, layer, phase)
    (self.seconds, self.stepSeconds, self.waitingFor) = (seconds, stepSeconds, waitingFor)
  }

  private static let mark = "martinet: stall "

  package var line: String {
    let json: JSONValue = [
      "rank": .int(rank), "host": .string(host), "layer": .int(layer), "phase": .string(phase),
      "seconds": .double(seconds), "step_seconds": .double(stepSeconds),
      "waiting_for": .array(waitingFor.map { .int($0) }),
    ]
    return Self.mark + json.text()
  }

  /// Reads a line of this form; nil for any other line, whatever it holds.
  package init?(line: String) {
    guard line.hasPrefix(Self.mark) else { return nil }
    let limits = JSONLimits(byteCount: 1 << 16, depth: 4)
    let text = line.utf8.dropFirst(Self.mark.utf8.count)
    guard let json = try? JSONValue(parsing: text, limits: limits),
      let rank = json["rank"]?.exactInt, rank >= 0, let host = json["host"]?.string,
      let layer = json["layer"]?.exactInt, let phase = json["phase"]?.string,
      let seconds = json["seconds"]?.double, let stepSeconds = json["step_seconds"]?.double,
      (0...1e9).contains(seconds), (0...1e9).contains(stepSeconds),
      let waiting = json["waiting_for"]?.array
    else { return nil }
    let waitingFor = waiting.compactMap(\.exactInt)
    guard waitingFor.count == waiting.count, waitingFor.allSatisfy({ $0 >= 0 }) else { return nil }
    self.init(
      rank: rank, host: host, layer: layer, phase: phase, seconds: seconds, stepSeconds: stepSeconds,
      waitingFor: waitingFor)
  }

  /// Stands for a phase where ranks exchange messages that belong to no step.
  package static let betweenSteps = "between steps"

  /// Where it is, in words: `layer 3, dispatch`.
  package var place: String {
    if phase == Self.betweenSteps { return "messages between steps" }
    return layer < 0 ? "phase \(phase)" : "layer \(layer), \(phase)"
  }
}
