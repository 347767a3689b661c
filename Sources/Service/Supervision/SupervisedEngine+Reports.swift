import EngineAPI
import Telemetry
import Threads

/// What the job writes.
extension SupervisedEngine {
  func readReports(_ descriptor: Int32, _ stage: Monitor<JobStage>) {
    var lines = LineReader(descriptor)
    defer { core.change { if stage.read({ $0 }) != .closed { $0.outputEnded = .now } } }
    while true {
      switch lines.next(isAbandoned: { stage.read { $0 } != .running }) {
      case .line(let line):
        do throws(SupervisionError) {
          guard let json = try LinkLine.message(in: line) else {
            options.log(line)
            continue
          }
          try take(try LinkReport(json: json), stage)
        } catch {
          // What was lost is sampled again by the next job.
          core.change { $0.fault = $0.fault ?? "\(error)" }
          return
        }
      case .failed(let error):
        core.change { $0.fault = $0.fault ?? "\(error)" }
        return
      case .end, .abandoned: return
      }
    }
  }

  private func take(_ report: LinkReport, _ stage: Monitor<JobStage>) throws(SupervisionError) {
    core.change { $0.lastLine = .now }
    switch report {
    case .hello, .beat: break
    case .state(let state, let facts): take(state, facts, stage)
    case .status(let status):
      core.change { core in
        core.status = status
        for rank in status.ranks where !rank.host.isEmpty { core.hosts[rank.rank] = rank.host }
      }
    case .events(let events): for event in events { deliver(event, stage) }
    }
  }

  private func deliver(_ event: TokenEvent, _ stage: Monitor<JobStage>) {
    // One at a time: none may follow a `cancel` but one under way.
    let told = core.change { core -> (TokenEvent, RequestLedger.Handler)? in
      guard stage.read({ $0 }) != .closed, let noted = core.ledger.note(event) else { return nil }
      core.pump()
      return noted
    }
    if let (event, handler) = told { handler(event) }
  }

  private func take(_ state: EngineState, _ facts: EngineFacts?, _ stage: Monitor<JobStage>) {
    let news = core.change { core -> String? in
      // What a thread of an ended job reads late is nothing to the next.
      guard stage.read({ $0 }) != .closed else { return nil }
      if let facts { core.facts = facts }
      switch state {
      case .ready:
        guard core.readySince == nil, core.outbox != nil else { return nil }
        core.readySince = .now
        core.outageBegan = nil
        var news: String?
        if case .restarting(_, let attempt) = core.state {
          news = "martinet: the job is ready again (restart \(attempt))"
        }
        core.state = .ready
        core.pump()
        return news
      case .loading(let bytes, _):
        core.start.addState(loadedBytes: bytes, at: now)
        if case .loading = core.state { core.state = state }
      case .failed(let reason): core.fault = core.fault ?? reason
      case .restarting, .stopped: break
      }
      return nil
    }
    if let news { options.log(news) }
  }

  func readErrors(_ descriptor: Int32, _ stage: Monitor<JobStage>) {
    var lines = LineReader(descriptor, limit: 1 << 20)
    defer { core.change { if stage.read({ $0 }) != .closed { $0.haveErrorsEnded = true } } }
    while true {
      switch lines.next(isAbandoned: { stage.read { $0 } != .running }) {
      case .line(let line):
        if let report = StallReport(line: line) {
          core.change { $0.judge.add(report, at: now) }
        } else if let report = StartReport(line: line) {
          core.change { $0.start.add(report, at: now) }
        } else {
          core.change { $0.remarks.add(line) }
          options.log(JobRemarks.shown(line))
        }
      case .failed:
        // Somebody prints without end; the job may go on, unheard.
        core.change { $0.fault = $0.fault ?? "the job wrote a line of more than 1 MiB to its standard error" }
        return
      case .end, .abandoned: return
      }
    }
  }
}
