import EngineAPI
import Threads

/// An engine in a job of its own, outside this process: it is started, watched, and started again when it ends or
/// hangs, and its requests go on from the tokens already delivered, as though nothing had happened.
package final class SupervisedEngine: TokenEngine {
  /// What the threads share; each job's threads have ended before the next one's start.
  struct Core {
    var ledger: RequestLedger
    var policy: RestartPolicy
    var state = EngineState.loading(bytes: 0, of: 0)
    var facts: EngineFacts?
    var restartCount = 0
    /// Since when there has been no job that serves; nil while there is one.
    var outageBegan: ContinuousClock.Instant? = .now
    var status = ClusterStatus()
    var statusAsked: ContinuousClock.Instant?
    var isStopping = false
    var isTerminating = false
    var hasEnded = false
    // Of the present job.
    /// By rank, as far as it has told.
    var hosts: [Int: String] = [:]
    var outbox: Outbox?
    var readySince: ContinuousClock.Instant?
    var lastLine = ContinuousClock.now
    var outputEnded: ContinuousClock.Instant?
    var haveErrorsEnded = false
    /// Why the job must be ended.
    var fault: String?
    var remarks = JobRemarks()
    var judge: StallJudge
    var start: StartJudge
  }

  let options: SupervisionOptions
  let core: Monitor<Core>
  let began = ContinuousClock.now

  /// Starts the first job.
  package init(_ options: SupervisionOptions) throws(SupervisionError) {
    guard !options.command.isEmpty else { throw .emptyCommand }
    self.options = options
    core = Monitor(
      Core(
        ledger: RequestLedger(blameLimit: options.blameLimit),
        policy: RestartPolicy(
          fruitlessLimit: options.restartLimit, patience: options.restartTime, goodService: options.goodService),
        judge: StallJudge(limit: options.stallLimit / .seconds(1)),
        start: StartJudge(limit: options.startLimit / .seconds(1), at: 0)))
    _ = try BackgroundThread.start("supervisor") { self.live() }
  }

  package var state: EngineState { core.read(\.state) }
  package var facts: EngineFacts? { core.read(\.facts) }

  /// How often the job was started again since the start, and why it ended the last time.
  package var restartCount: Int { core.read { $0.restartCount } }

  package var outageBegan: ContinuousClock.Instant? { core.read { $0.outageBegan } }

  package var startTrouble: String? {
    let now = now
    return core.read { $0.readySince == nil && $0.outbox != nil ? $0.start.trouble(at: now) : nil }
  }

  /// Seconds since this object was made.
  var now: Double { (ContinuousClock.now - began) / .seconds(1) }

  package var status: ClusterStatus {
    core.change { core in
      let now = ContinuousClock.now
      if core.readySince != nil, core.statusAsked.map({ now - $0 > .milliseconds(500) }) ?? true {
        core.statusAsked = now
        core.outbox?.append(.status)
      }
      return core.status
    }
  }

  package func submit(_ request: TokenRequest, onEvent: @escaping @Sendable (TokenEvent) -> Void) {
    let refusal: String? = core.change { core in
      if case .failed(let reason) = core.state { return reason }
      guard !core.isStopping, !core.hasEnded else { return "the service is stopping" }
      guard core.ledger.add(request, handler: onEvent) else { return "a request of the same number is under way" }
      core.pump()
      return nil
    }
    guard let refusal else { return }
    let event = TokenEvent.failed(request.id, message: refusal)
    // Not on the caller's thread, which may hold locks of its own.
    if (try? BackgroundThread.start("refusal", { onEvent(event) })) == nil { onEvent(event) }
  }

  package func cancel(_ id: RequestID) {
    core.change { core in
      if core.ledger.cancel(id) { core.outbox?.append(.cancel(id)) }
      core.pump()
    }
  }

  /// The present job's; a later one begins with the placement that it is started with.
  package func rebalance() { core.change { if $0.readySince != nil { $0.outbox?.append(.rebalance) } } }

  package func stop() {
    core.change { core in
      core.isStopping = true
      if core.hasEnded { core.state = .stopped }
    }
  }

  /// Ends the job at once; requests under way fail.
  package func terminate() {
    core.change { core in
      (core.isStopping, core.isTerminating) = (true, true)
      if core.hasEnded { core.state = .stopped }
    }
  }
}

extension SupervisedEngine.Core {
  /// Sends the job what it may have now.
  mutating func pump() {
    guard readySince != nil, let outbox, ledger.hasUnsent else { return }
    for request in ledger.takeUnsent() { outbox.append(.submit(request)) }
  }
}
