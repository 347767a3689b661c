import JSON
import Telemetry

extension RunReport {
  /// The kept spans in the trace event format of Chrome and Perfetto: one track for each rank, and for each message of an
  /// expert layer an arrow from the sender's packing to the owner's experts to the sender's merging.
  package var trace: JSONValue {
    let origin = account.ranks.compactMap { rank in rank.spans.first.map { rank.onRoot($0.start) } }.min() ?? 0
    func microseconds(_ rank: RankAccount, _ time: UInt64) -> JSONValue { .double((rank.onRoot(time) - origin) / 1e3) }
    var events: [JSONValue] = []
    for rank in account.ranks {
      events.append([
        "name": "process_name", "ph": "M", "pid": .int(rank.rank),
        "args": ["name": .string("rank \(rank.rank) (\(rank.host))")],
      ])
      events.append(["name": "thread_name", "ph": "M", "pid": .int(rank.rank), "tid": 0, "args": ["name": "steps"]])
      for (span, next) in zip(rank.spans, rank.spans.dropFirst()) {
        guard let phase = Phase(rawValue: Int(span.phase)) else { continue }
        let duration = Double(next.start) - Double(span.start)
        events.append([
          "name": .string(phase.name), "cat": .string(phase.isCommunication ? "communication" : "computing"), "ph": "X",
          "pid": .int(rank.rank), "tid": 0, "ts": microseconds(rank, span.start), "dur": .double(duration / 1e3),
          "args": ["step": .int(Int(span.step)), "layer": .int(Int(span.layer))],
        ])
      }
    }
    let starts = account.ranks.map { SpanStarts($0.spans) }
    var id = 0
    for home in account.ranks {
      for message in home.messages where !message.isCombine && message.rows > 0 {
        let place = SpanStarts.Place(step: message.step, layer: message.layer)
        guard let computed = starts[Int(message.peer)].experts[place], let merged = starts[home.rank].merge[place]
        else { continue }
        id += 1
        let owner = account.ranks[Int(message.peer)]
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
    return ["traceEvents": .array(events), "displayTimeUnit": "ms"]
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
