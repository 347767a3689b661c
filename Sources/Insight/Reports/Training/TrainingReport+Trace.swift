import JSON
import Telemetry

extension TrainingReport {
  /// The kept phases in the trace event format of Chrome and Perfetto: one track for each rank, with the phases of
  /// steps, and in the passes those of layers.
  package var trace: JSONValue {
    let starts = zip(ranks, passes).compactMap { rank, account in rank.spans.first.map { account.onRoot($0.start) } }
    var trace = TraceEvents(origin: min(starts.min() ?? .infinity, TraceEvents.origin(of: passes) ?? .infinity))
    for (rank, account) in zip(ranks, passes) {
      trace.name(account, thread: "steps")
      for (span, next) in zip(rank.spans, rank.spans.dropFirst()) where phases.indices.contains(span.phase) {
        let waits = rank.waiting.indices.contains(span.phase) && rank.waiting[span.phase] == rank.time[span.phase]
        trace.span(
          account, phases[span.phase].name, category: waits ? "communication" : "step", from: span.start,
          to: next.start)
      }
      // A pass is a step of its own to those who record it.
      trace.phases(account) { "\(Self.passNames[Int($0 &+ 1) % 2].name) \($1.name)" }
    }
    trace.messages(passes)
    return trace.json
  }
}
