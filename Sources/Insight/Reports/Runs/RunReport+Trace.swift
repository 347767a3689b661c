import JSON
import Telemetry

extension RunReport {
  /// The kept spans in the trace event format of Chrome and Perfetto: one track for each rank, and for each message of
  /// an expert layer an arrow from the sender's packing to the owner's experts to the sender's merging.
  package var trace: JSONValue {
    var trace = TraceEvents(origin: TraceEvents.origin(of: account.ranks) ?? 0)
    for rank in account.ranks {
      trace.name(rank, thread: "steps")
      trace.phases(rank) { $1.name }
    }
    trace.messages(account.ranks)
    return trace.json
  }
}
