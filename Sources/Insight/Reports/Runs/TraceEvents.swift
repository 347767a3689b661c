import JSON
import Telemetry

/// Events in the trace event format of Chrome and Perfetto, times on rank 0's clock.
struct TraceEvents {
  private let origin: Double
  private var events: [JSONValue] = []

  /// `origin`: nanoseconds on rank 0's clock at which the trace begins.
  init(origin: Double) { self.origin = origin.isFinite ? origin : 0 }

  /// Where the first phase kept began; nil where none was.
  static func origin(of ranks: [RankAccount]) -> Double? {
    ranks.compactMap { rank in rank.spans.first.map { rank.onRoot($0.start) } }.min()
  }

  var json: JSONValue { ["traceEvents": .array(events), "displayTimeUnit": "ms"] }

  private func microseconds(_ rank: RankAccount, _ time: UInt64) -> JSONValue {
    .double((rank.onRoot(time) - origin) / 1e3)
  }

  /// Names a rank's track.
  mutating func name(_ rank: RankAccount, thread: String) {
    events.append([
      "name": "process_name", "ph": "M", "pid": .int(rank.rank),
      "args": ["name": .string("rank \(rank.rank) (\(rank.host))")],
    ])
    events.append([
      "name": "thread_name", "ph": "M", "pid": .int(rank.rank), "tid": 0, "args": ["name": .string(thread)],
    ])
  }

  mutating func span(
    _ rank: RankAccount, _ name: String, category: String, from start: UInt64, to end: UInt64,
    arguments: JSONValue? = nil
  ) {
    var event = JSONObject([
      ("name", .string(name)), ("cat", .string(category)), ("ph", "X"), ("pid", .int(rank.rank)), ("tid", 0),
      ("ts", microseconds(rank, start)), ("dur", .double((Double(end) - Double(start)) / 1e3)),
    ])
    if let arguments { event["args"] = arguments }
    events.append(.object(event))
  }

  /// The phases of a rank's layers; `name` of a step's number and a phase.
  mutating func phases(_ rank: RankAccount, name: (UInt32, Phase) -> String) {
    for (span, next) in zip(rank.spans, rank.spans.dropFirst()) {
      guard let phase = Phase(rawValue: Int(span.phase)) else { continue }
      self.span(
        rank, name(span.step, phase), category: phase.isCommunication ? "communication" : "computing",
        from: span.start, to: next.start, arguments: ["step": .int(Int(span.step)), "layer": .int(Int(span.layer))])
    }
  }

  /// For each message of an expert layer an arrow from the sender's packing to the owner's experts to the sender's
  /// merging.
  mutating func messages(_ ranks: [RankAccount]) {
    let starts = ranks.map { SpanStarts($0.spans) }
    var id = 0
    for home in ranks {
      for message in home.messages where !message.isCombine && message.rows > 0 {
        let place = SpanStarts.Place(step: message.step, layer: message.layer)
        guard let computed = starts[Int(message.peer)].experts[place], let merged = starts[home.rank].merge[place]
        else { continue }
        id += 1
        let owner = ranks[Int(message.peer)]
        for (rank, time, mark) in [(home, message.sent, "s"), (owner, computed, "t"), (home, merged, "f")] {
          var event = JSONObject([
            ("name", .string("\(message.rows) tokens")), ("cat", "dispatch"), ("ph", .string(mark)), ("id", .int(id)),
            ("pid", .int(rank.rank)), ("tid", 0), ("ts", microseconds(rank, time)),
          ])
          if mark == "f" { event["bp"] = "e" }
          events.append(.object(event))
        }
      }
    }
  }
}

/// Where a rank's experts and its last merging began in each layer of each step.
private struct SpanStarts {
  struct Place: Hashable {
    var step: UInt32
    var layer: Int16
  }

  var experts: [Place: UInt64] = [:]
  var merge: [Place: UInt64] = [:]

  init(_ spans: [PhaseRecorder.Span]) {
    for span in spans {
      let place = Place(step: span.step, layer: span.layer)
      switch Phase(rawValue: Int(span.phase)) {
      case .experts: experts[place] = span.start
      case .merge: if merge[place] == nil { merge[place] = span.start }
      default: break
      }
    }
  }
}

extension RankAccount {
  /// A time of this rank's clock on rank 0's.
  func onRoot(_ time: UInt64) -> Double { Double(time) - clockOffset }
}
