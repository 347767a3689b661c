/// Whoever computes tokens: ranks in this process's job, or a supervised job of its own.
///
/// All calls return at once and may come from any thread.
package protocol TokenEngine: AnyObject, Sendable {
  var state: EngineState { get }
  /// What is served; nil before the model is known.
  var facts: EngineFacts? { get }
  /// The latest known; asking for it has it renewed within a second or so.
  var status: ClusterStatus { get }
  /// Times its job was started again.
  var restartCount: Int { get }
  /// What holds its ranks up, while something does.
  var stall: EngineStall? { get }
  /// Since when it has had no job that serves; nil while it has one, and for engines that do not outlive their job.
  var outageBegan: ContinuousClock.Instant? { get }
  /// What its job's start waits for, once nothing has moved for some seconds.
  var startTrouble: String? { get }

  /// Queues a request. `onEvent` is called from a thread of the engine's, in order, and must not block; not after the
  /// last event, nor after `cancel` returns but for an event under way.
  func submit(_ request: TokenRequest, onEvent: @escaping @Sendable (TokenEvent) -> Void)

  /// Ends a request before its time; its memory is free with the next step. Does nothing for one that has ended.
  func cancel(_ id: RequestID)

  /// Has experts change places by their recorded load, between steps; `status` tells what became of it. Does nothing
  /// where facts say that they may not move.
  func rebalance()

  /// Ends the engine once its present requests have ended; `isStopped` follows. No more requests may come.
  func stop()
}

extension TokenEngine {
  /// For those that are watched from elsewhere.
  package var stall: EngineStall? { nil }
  /// For those whose experts stay where they are.
  package func rebalance() {}
  /// For those that do not outlive a job.
  package var restartCount: Int { 0 }
  package var outageBegan: ContinuousClock.Instant? { nil }
  package var startTrouble: String? { nil }
}

/// How an engine is.
package enum EngineState: Sendable, Equatable {
  /// The model is being loaded: bytes read so far, and in all, on rank 0.
  case loading(bytes: Int, of: Int)
  case ready
  /// The job ended without being asked to, for this reason; the next one is being started for the n-th time. Requests
  /// wait.
  case restarting(reason: String, attempt: Int)
  /// It will not come back by itself.
  case failed(reason: String)
  case stopped
}
