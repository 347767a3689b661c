internal import Glibc

/// What ran: what a report says of a run beside what was counted.
package struct RunSubject: Sendable {
  package var command: [String] = []
  package var program = ""
  /// UTC, ISO 8601.
  package var date = ""
  package var model = ""
  package var family = ""
  package var hiddenSize = 0
  package var layerCount = 0
  /// 0 in a model without experts.
  package var expertCount = 0
  package var expertsPerToken = 0
  package var instructionSet = ""
  /// Bytes of one token's activations between ranks.
  package var rowBytes = 0
  /// Of a sum that comes back.
  package var sumBytes = 0
  package var work: ModelWork?

  package init() {}
}

extension RunSubject {
  /// The time of day, for `date`.
  package static func now() -> String {
    var seconds = time(nil)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    return String(unsafeUninitializedCapacity: 32) { buffer in
      buffer.withMemoryRebound(to: CChar.self) { text in
        text.baseAddress.map { strftime($0, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts) } ?? 0
      }
    }
  }
}
