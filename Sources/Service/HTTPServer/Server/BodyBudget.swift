import OpenAIProtocol
import Synchronization

/// Bytes that bodies take while they are read, all connections together.
final class BodyBudget: Sendable {
  private let limit: Int
  private let taken = Mutex(0)

  init(limit: Int) { self.limit = limit }

  var inUse: Int { taken.withLock { $0 } }

  /// Throws a refusal when there is no room for so many more.
  func take(_ count: Int) throws(APIError) {
    let hasRoom = taken.withLock { taken in
      guard taken + count <= limit else { return false }
      taken += count
      return true
    }
    guard hasRoom else {
      throw APIError(
        status: 429, type: "rate_limit_error", code: "queue_full",
        message: "the requests now being read fill the server's memory for them: try again in 1 s", retryAfter: 1)
    }
  }

  func giveBack(_ count: Int) { taken.withLock { $0 -= count } }
}
