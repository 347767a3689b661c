import Foundation
import JSON
import Logging

/// How lines of the log look.
package enum LogFormat: String, Sendable, CaseIterable {
  /// `2026-01-31T12:00:00.000Z info martinet: what happened key=value …`
  case text
  /// An object a line: `time`, `level`, `message`, and the values by their names.
  case json
}

/// Writes whole lines, each in one piece, with the time of day in UTC.
package struct ServerLogHandler: LogHandler {
  package var logLevel: Logger.Level
  package var metadata: Logger.Metadata = [:]
  private let format: LogFormat
  private let write: @Sendable (String) -> Void
  private let now: @Sendable () -> Date

  /// `write` gets a line without its end.
  package init(
    _ format: LogFormat, level: Logger.Level, now: @escaping @Sendable () -> Date = { Date() },
    write: @escaping @Sendable (String) -> Void
  ) {
    (self.format, logLevel, self.now, self.write) = (format, level, now, write)
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    var members = event.metadata ?? [:]
    // Of the libraries, which number connections and requests in a way of their own.
    members.merge(metadata) { given, _ in given }
    let names = LogFields.order(members.keys.filter { !$0.hasPrefix("hb.") })
    switch format {
    case .text:
      var line = "\(Self.stamp(now())) \(event.level) martinet: \(LogFields.oneLine("\(event.message)"))"
      for name in names { line += " \(name)=\(LogFields.text(members[name]))" }
      write(line)
    case .json:
      var object = JSONObject([
        ("time", .string(Self.stamp(now()))), ("level", .string(event.level.rawValue)),
        ("message", .string("\(event.message)")),
      ])
      for name in names where object[name] == nil { object[name] = LogFields.json(members[name]) }
      write(JSONValue.object(object).text())
    }
  }

  /// As in RFC 3339, with milliseconds.
  static func stamp(_ date: Date) -> String {
    date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
  }
}

/// The values that stand beside a message.
enum LogFields {
  /// Those of a request come as one reads them; others after them, by name.
  private static let known = [
    "request_id", "client", "api_key", "method", "path", "model", "status", "end", "error", "sequences",
    "prompt_tokens",
    "cached_tokens", "completion_tokens", "queue_seconds", "first_token_seconds", "seconds",
  ]

  static func order(_ names: [String]) -> [String] {
    known.filter { names.contains($0) } + names.filter { !known.contains($0) }.sorted()
  }

  static func json(_ value: Logger.MetadataValue?) -> JSONValue {
    switch value {
    case .stringConvertible(let number as Int): .int(number)
    case .stringConvertible(let number as Double): .double(number)
    case .string(let text): .string(text)
    case .none: .null
    case .some(let other): .string("\(other)")
    }
  }

  /// Quoted as JSON quotes it where it has blanks, quotes or signs of its own.
  static func text(_ value: Logger.MetadataValue?) -> String {
    let text = value.map { "\($0)" } ?? ""
    let isPlain = !text.isEmpty && text.utf8.allSatisfy { $0 > 32 && $0 != 127 && !"\"=\\".utf8.contains($0) }
    return isPlain ? text : JSONValue.string(text).text()
  }

  /// Nobody's text shall look like a line of its own.
  static func oneLine(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }) else { return text }
    return String(JSONValue.string(text).text().dropFirst().dropLast())
  }
}
