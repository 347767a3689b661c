/// What one rank sent to another in expert layers.
package struct Traffic: Sendable, Equatable {
  /// Tokens' activations.
  package var dispatchPayload = 0
  /// Counts, expert ids, weights, time stamps, padding.
  package var dispatchMetadata = 0
  /// Partial outputs of experts.
  package var combinePayload = 0
  package var combineMetadata = 0
  /// Columns of rows that ranks share out, and embeddings, to all others; partial outputs of experts too where all
  /// have all tokens.
  package var gatherPayload = 0
  package var gatherMetadata = 0
  package var messages = 0
  /// Tokens dispatched, each once.
  package var dispatchRows = 0
  /// Tokens whose sums were returned, and the rows that took.
  package var combineTokens = 0
  package var combineRows = 0

  package init() {}

  /// Counts a dispatch message of `messageBytes`, of which `rows` rows take `rowBytes` each.
  package mutating func countDispatch(rows: Int, rowBytes: Int, messageBytes: Int) {
    messages += 1
    dispatchRows += rows
    dispatchPayload += rows * rowBytes
    dispatchMetadata += messageBytes - rows * rowBytes
  }

  /// Counts a combine message; `tokens` share its rows.
  package mutating func countCombine(tokens: Int, rows: Int, rowBytes: Int, messageBytes: Int) {
    messages += 1
    combineTokens += tokens
    combineRows += rows
    combinePayload += rows * rowBytes
    combineMetadata += messageBytes - rows * rowBytes
  }

  /// Counts a message of pieces of rows.
  package mutating func countGather(payloadBytes: Int, messageBytes: Int) {
    messages += 1
    gatherPayload += payloadBytes
    gatherMetadata += messageBytes - payloadBytes
  }

  // Those of a damaged file may be any numbers.
  package var payload: Int { dispatchPayload &+ combinePayload &+ gatherPayload }
  package var metadata: Int { dispatchMetadata &+ combineMetadata &+ gatherMetadata }
  package var bytes: Int { payload &+ metadata }

  package static func += (a: inout Traffic, b: Traffic) {
    a.dispatchPayload += b.dispatchPayload
    a.dispatchMetadata += b.dispatchMetadata
    a.combinePayload += b.combinePayload
    a.combineMetadata += b.combineMetadata
    a.gatherPayload += b.gatherPayload
    a.gatherMetadata += b.gatherMetadata
    a.messages += b.messages
    a.dispatchRows += b.dispatchRows
    a.combineTokens += b.combineTokens
    a.combineRows += b.combineRows
  }
}

/// One rank's traffic by destination.
package struct TrafficTable: Sendable {
  package var byRank: [Traffic]
  /// Tokens that had to reach each host, once however many of its ranks they visit; hosts by their lowest rank.
  package var rowsToHost: [Int]

  /// Nothing sent yet, to each of so many ranks.
  package init(rankCount: Int) {
    byRank = Array(repeating: Traffic(), count: rankCount)
    rowsToHost = Array(repeating: 0, count: rankCount)
  }

  package var total: Traffic { byRank.reduce(into: Traffic()) { $0 += $1 } }
}
