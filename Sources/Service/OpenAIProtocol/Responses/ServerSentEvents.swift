import JSON

/// The frames of a streamed response (`text/event-stream`).
package enum ServerSentEvents {
  package static func frame(_ value: JSONValue) -> String { "data: \(value.text())\n\n" }

  /// A frame whose event has a name.
  package static func frame(_ value: JSONValue, event: String) -> String { "event: \(event)\n" + frame(value) }

  /// The end of a stream that went well.
  package static let done = "data: [DONE]\n\n"

  /// The end of a stream that failed after its first frame, when the status is sent already.
  package static func failure(_ error: APIError) -> String { frame(error.json) }

  /// Tells a waiting client, and the proxies between, that the connection lives; clients ignore it.
  package static let keepAlive = ": waiting\n\n"
}
