import EngineAPI
import Threads

/// The supervising thread: one job after another.
extension SupervisedEngine {
  private enum Ending {
    case asked
    case died(reason: String)
  }

  func live() {
    while !isOver {
      let ending: Ending
      do throws(SupervisionError) { ending = try runJob() } catch { ending = .died(reason: "\(error)") }
      guard case .died(let reason) = ending else { break }
      guard !isOver else { break }
      switch settle(reason) {
      case .restart(let delay):
        _ = core.wait(atMost: delay) { $0.isTerminating || $0.isStopping && $0.ledger.isEmpty ? true : nil }
      case .giveUp(let reason):
        options.log("martinet: giving up: \(reason)")
        leave(state: .failed(reason: reason), message: reason)
        return
      }
    }
    leave(state: .stopped, message: "the service was stopped")
  }

  /// Whether no job is wanted any more.
  private var isOver: Bool { core.read { $0.isTerminating || $0.isStopping && $0.ledger.isEmpty } }

  private func leave(state: EngineState, message: String) {
    let rest = core.change { core in
      core.hasEnded = true
      core.state = core.isStopping ? .stopped : state
      return core.ledger.removeAll()
    }
    for (id, handler) in rest { handler(.failed(id, message: message)) }
  }

  /// Accounts for a job that ended by itself, and fails the requests that are to blame.
  private func settle(_ reason: String) -> RestartPolicy.Decision {
    let (decision, condemned) = core.change { core in
      let service = core.readySince.map { ContinuousClock.now - $0 }
      core.readySince = nil
      core.outageBegan = core.outageBegan ?? .now
      var decision = core.policy.ended(
        at: ContinuousClock.now - began, service: service, hasSampled: core.ledger.hasSampled,
        finishedRequest: core.ledger.finishedRequest,
        wasIdle: core.ledger.isEmpty, reason: reason)
      let condemned = core.ledger.jobEnded()
      if !condemned.isEmpty {
        // The cause is gone; the others have a right to as many tries as ever.
        core.policy.forget()
        decision = .restart(after: RestartPolicy.shortDelay)
      }
      if case .restart = decision {
        core.restartCount += 1
        core.state = .restarting(reason: reason, attempt: max(1, core.policy.restarts))
      }
      return (decision, condemned)
    }
    for (id, handler) in condemned {
      let message =
        """
        the job ended \(options.blameLimit) times in a row when it began to serve this request; the last time: \
        \(reason)
        """
      options.log("martinet: request \(id.value) is not tried again: \(message)")
      handler(.failed(id, message: message))
    }
    if case .restart(let delay) = decision {
      let pause = delay < .seconds(1) ? "" : " in \(delay.components.seconds) s"
      options.log("martinet: the job ended: \(reason); starting it again\(pause)")
    }
    return decision
  }

  // MARK: One job

  private func runJob() throws(SupervisionError) -> Ending {
    let process = try JobProcess(command: options.command)
    let outbox = Outbox()
    let stage = Monitor(JobStage.running)
    core.change { core in
      (core.outbox, core.lastLine, core.outputEnded, core.fault) = (outbox, .now, nil, nil)
      (core.haveErrorsEnded, core.hosts) = (false, [:])
      (core.remarks, core.judge) = (JobRemarks(), StallJudge(limit: options.stallLimit / .seconds(1)))
      core.start = StartJudge(limit: options.startLimit / .seconds(1), at: now)
    }
    var threads: [BackgroundThread] = []
    defer { end(process, outbox, stage, threads) }
    let (input, output, errors) = (process.input, process.output, process.errors)
    threads.append(try BackgroundThread.start("job input") { outbox.write(to: input) })
    threads.append(try BackgroundThread.start("job output") { self.readReports(output, stage) })
    threads.append(try BackgroundThread.start("job errors") { self.readErrors(errors, stage) })
    var stopSent: ContinuousClock.Instant?
    var lookedAt = ContinuousClock.now
    while true {
      forgiveSleep(since: lookedAt)
      lookedAt = .now
      if let end = process.poll() {
        // Its last words may still be on their way. Where what it has left behind keeps the pipes open, or the threads
        // that read were held up, these go on until nothing more is there.
        let isAllRead: (inout Core) -> Bool? = { $0.outputEnded != nil && $0.haveErrorsEnded ? true : nil }
        if core.wait(atMost: .seconds(1), until: isAllRead) == nil {
          stage.change { $0 = .draining }
          _ = core.wait(atMost: .seconds(10), until: isAllRead)
        }
        if stopSent != nil { return .asked }
        let launcher = options.command[0].split(separator: "/").last.map(String.init) ?? "the launcher"
        return .died(reason: core.read { $0.fault ?? $0.remarks.reason(end, of: launcher) })
      }
      if let fault = fault() { return stopSent == nil ? .died(reason: fault) : .asked }
      if core.read(\.isTerminating) { return .asked }
      if core.read({ $0.isStopping && $0.ledger.isEmpty }) {
        if stopSent == nil {
          outbox.append(.stop)
          stopSent = .now
        } else if let stopSent, ContinuousClock.now - stopSent > options.stopGrace {
          return .asked
        }
      }
      _ = core.wait(atMost: .milliseconds(50)) { $0.fault != nil || $0.isTerminating ? true : nil }
    }
  }

  /// Time in which this process itself was stopped is nobody's silence.
  private func forgiveSleep(since lookedAt: ContinuousClock.Instant) {
    let lost = ContinuousClock.now - lookedAt
    guard lost > .seconds(2) else { return }
    core.change { core in
      core.lastLine += lost
      core.start.forgive(lost / .seconds(1))
    }
  }

  /// What is wrong with the running job, if anything is.
  private func fault() -> String? {
    if let remark = core.change({ $0.readySince == nil ? $0.start.remark(at: now) : nil }) {
      options.log("martinet: \(remark)")
    }
    return core.change { core in
      if let fault = core.fault { return fault }
      let now = ContinuousClock.now
      if let ended = core.outputEnded, now - ended > options.stopGrace {
        return "the job closed its output and went on"
      }
      guard core.readySince != nil else { return core.start.verdict(at: self.now) }
      // Hosts' names are wanted when something goes wrong, and then it is too late to ask.
      if core.hosts.isEmpty, core.statusAsked.map({ now - $0 > .seconds(1) }) ?? true {
        core.statusAsked = now
        core.outbox?.append(.status)
      }
      if let verdict = core.judge.verdict(at: self.now, hosts: core.hosts) { return verdict }
      let silence = now - core.lastLine
      guard silence > options.silenceLimit else { return nil }
      let host = core.hosts[0].map { " on host \($0)" } ?? ""
      return "rank 0\(host) does not answer: nothing has come from it for \(silence.components.seconds) s"
    }
  }

  private func end(_ process: JobProcess, _ outbox: Outbox, _ stage: Monitor<JobStage>, _ threads: [BackgroundThread]) {
    core.change { $0.outbox = nil }
    outbox.close()
    process.end(grace: options.killGrace, stage, readers: threads)
  }
}
