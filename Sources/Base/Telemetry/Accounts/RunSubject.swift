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
