import Glibc
import Machine
import Threads

/// A job that keeps what it has done by itself, such as a training: it is started, watched, and started again when it
/// ends before its time or hangs, until it has ended well or is given up.
package final class SupervisedJob: Sendable {
  package struct Options: Sendable {
    /// The program and arguments of the first job, most often `mpirun … martinet …`, and of those after it.
    package var command: [String]
    package var resumingCommand: [String]
    /// Starts in a row that may end without a step, before no more is tried; nil for any number.
    package var restartLimit: Int?
    /// For how long starts may go on ending without a step.
    package var restartTime = Duration.seconds(1800)
    /// How long nothing may be heard of a job; nil for ever.
    package var stallLimit: Duration? = .seconds(1800)
    /// Work after which earlier ends are forgotten, if something of it was kept.
    package var goodService = Duration.seconds(60)
    /// How long a job may take to end when it gets SIGTERM.
    package var killGrace = Duration.seconds(5)
    /// Lines of the job's standard output, and of its standard error with what there is to say of restarts.
    package var output: @Sendable (String) -> Void
    package var log: @Sendable (String) -> Void = { line in say(line) }

    package init(command: [String], resumingCommand: [String], output: @escaping @Sendable (String) -> Void) {
      (self.command, self.resumingCommand, self.output) = (command, resumingCommand, output)
    }
  }

  package enum End: Sendable, Equatable {
    /// With status 0.
    case finished
    case failed(reason: String)
  }

  /// What the threads share.
  private struct State {
    var isStopping = false
    var isTerminating = false
    /// Whether any job has made a step.
    var hasWorked = false
    // Of the present job.
    var progress: JobProgress?
    var began: (progress: JobProgress, at: ContinuousClock.Instant)?
    var lastLine = ContinuousClock.now
    var openStreams = 0
    var remarks = JobRemarks()
    var fault: String?
  }

  private let options: Options
  private let state = Monitor(State())

  package init(_ options: Options) { self.options = options }

  /// Has the job end in good order, by SIGUSR1, which launchers pass on.
  package func stop() { state.change { $0.isStopping = true } }

  /// Ends the job at once.
  package func terminate() { state.change { ($0.isStopping, $0.isTerminating) = (true, true) } }

  /// Runs jobs to the end of the last one.
  package func run() -> End {
    let began = ContinuousClock.now
    var policy = RestartPolicy(
      fruitlessLimit: options.restartLimit, patience: options.restartTime, goodService: options.goodService,
      fruit: "had made a step")
    var command = options.command
    while true {
      let reason: String?
      do throws(SupervisionError) { reason = try runJob(command) } catch { reason = "\(error)" }
      guard let reason else { return .finished }
      let (decision, isOver) = state.change { state in
        let (first, last) = (state.began, state.progress)
        let hasMoved = last.map { $0.done > first?.progress.done ?? 0 } ?? false
        state.hasWorked = state.hasWorked || hasMoved
        let decision = policy.ended(
          at: ContinuousClock.now - began, service: first.map { ContinuousClock.now - $0.at }, hasSampled: hasMoved,
          finishedRequest: last.map { $0.kept > first?.progress.kept ?? 0 } ?? false, wasIdle: false, reason: reason)
        // What ranks say of themselves before anything has ever worked is a mistake of whoever started them.
        let isMistake = !state.hasWorked && state.remarks.hasFailure
        return (decision, state.isStopping || last?.isFinal == true || isMistake)
      }
      guard !isOver else { return .failed(reason: reason) }
      switch decision {
      case .giveUp(let reason): return .failed(reason: reason)
      case .restart(let delay):
        let pause = delay < .seconds(1) ? "" : " in \(delay.components.seconds) s"
        options.log("martinet: the job ended: \(reason); starting it again from its last checkpoint\(pause)")
        if state.wait(atMost: delay, until: { $0.isStopping ? true : nil }) != nil { return .failed(reason: reason) }
      }
      command = options.resumingCommand
    }
  }

  // MARK: One job

  /// Why it ended before its time; nil for a good end.
  private func runJob(_ command: [String]) throws(SupervisionError) -> String? {
    let process = try JobProcess(command: command)
    let stage = Monitor(JobStage.running)
    state.change { state in
      (state.progress, state.began, state.lastLine, state.openStreams) = (nil, nil, .now, 2)
      (state.remarks, state.fault) = (JobRemarks(), nil)
    }
    var threads: [BackgroundThread] = []
    defer { process.end(grace: options.killGrace, stage, readers: threads) }
    let (output, errors) = (process.output, process.errors)
    threads.append(try BackgroundThread.start("job output") { self.read(output, stage) { self.options.output($0) } })
    threads.append(try BackgroundThread.start("job errors") { self.read(errors, stage) { self.takeError($0) } })
    var isTold = false
    var lookedAt = ContinuousClock.now
    while true {
      // Time in which this process itself was stopped is nobody's silence.
      let lost = ContinuousClock.now - lookedAt
      if lost > .seconds(2) { state.change { $0.lastLine += lost } }
      lookedAt = .now
      if let ended = process.poll() {
        // Its last words may still be on their way. Where what it has left behind keeps the pipes open, or the threads
        // that read were held up, these go on until nothing more is there.
        let isAllRead: (inout State) -> Bool? = { $0.openStreams == 0 ? true : nil }
        if state.wait(atMost: .seconds(2), until: isAllRead) == nil {
          stage.change { $0 = .draining }
          _ = state.wait(atMost: .seconds(10), until: isAllRead)
        }
        guard ended != .exited(0) else { return nil }
        let launcher = command[0].split(separator: "/").last.map(String.init) ?? "the launcher"
        return state.read { $0.fault ?? $0.remarks.reason(ended, of: launcher) }
      }
      let (fault, isStopping, isTerminating, silence) = state.read {
        ($0.fault, $0.isStopping, $0.isTerminating, ContinuousClock.now - $0.lastLine)
      }
      if let fault { return fault }
      if isTerminating { return "it was told to end at once" }
      if let limit = options.stallLimit, silence > limit {
        return "nothing has been heard of it for \(silence.components.seconds) s"
      }
      if isStopping, !isTold {
        kill(process.id, SIGUSR1)
        isTold = true
      }
      _ = state.wait(atMost: .milliseconds(50)) {
        $0.fault != nil || $0.isTerminating || $0.isStopping && !isTold ? true : nil
      }
    }
  }

  private func read(_ descriptor: Int32, _ stage: Monitor<JobStage>, _ take: (String) -> Void) {
    var lines = LineReader(descriptor, limit: 1 << 20)
    defer { state.change { $0.openStreams -= 1 } }
    while true {
      switch lines.next(isAbandoned: { stage.read { $0 } != .running }) {
      case .line(let line):
        state.change { $0.lastLine = .now }
        if stage.read({ $0 }) != .closed { take(line) }
      case .failed(let error):
        state.change { $0.fault = $0.fault ?? "\(error)" }
        return
      case .end, .abandoned: return
      }
    }
  }

  private func takeError(_ line: String) {
    if let progress = JobProgress(line: line) {
      state.change { state in
        state.progress = progress
        if state.began == nil { state.began = (progress, .now) }
      }
    } else {
      state.change { $0.remarks.add(line) }
      options.log(JobRemarks.shown(line))
    }
  }
}
