import EngineAPI
import Glibc
import JSON
import Threads

/// The job's end of the link, in rank 0's process: carries out the supervisor's commands on an engine, and reports what
/// becomes of them.
///
/// Two threads of its own read and write; the engine's threads only append to a queue.
package final class EngineLink: Sendable {
  /// How a rank of a supervised job begins the line that tells why it fails: the supervisor looks for it.
  package static let failureMark = "martinet: failed: "
  /// Events not yet written at most: a supervisor that reads so slowly is as good as gone.
  private static let backlogLimit = 1 << 20
  /// Tokens and alternatives in a line, about; one event may have more.
  private static let lineWeight = 1 << 14
  /// How often the engine's state is looked at, and at least a line is written.
  private static let tick = Duration.milliseconds(50)
  private static let beat = Duration.seconds(1)

  private struct Queue {
    var events: [TokenEvent] = []
    /// Requests that have not ended, to be cancelled when the supervisor is gone.
    var unfinished: Set<RequestID> = []
    var wantsStatus = false
    var isOverrun = false
    var isFinishing = false
    /// The supervisor wants it to end.
    var isStopping = false
    var isAbandoned = false
  }

  private let engine: any TokenEngine
  private let input: Int32
  private let output: Int32
  private let grace: Duration
  private let leave: @Sendable (String) -> Void
  private let queue = Monitor(Queue())
  private let threads = Monitor<[BackgroundThread]>([])

  /// What the end of the input means. A supervisor that ends a job closes it, too, before SIGTERM comes, so that it
  /// need not be gone.
  static let endOfInput =
    "nothing more comes from the supervisor: it has ended this job, or it or the launcher between is gone"

  /// Speaks over the descriptors `input` and `output` from `start` on. When the supervisor is gone the engine is told
  /// to stop; if `finish` is not called within `grace`, `leave` is, which by default ends the process.
  package init(
    engine: any TokenEngine, input: Int32, output: Int32, grace: Duration = .seconds(20),
    leave: @escaping @Sendable (String) -> Void = { reason in
      say("martinet: \(reason)")
      _exit(1)
    }
  ) {
    (self.engine, self.input, self.output, self.grace, self.leave) = (engine, input, output, grace, leave)
  }

  /// Standard output as a descriptor for the link alone: what else is printed there from now on goes to standard error.
  /// To be called on every rank, before anything is printed.
  package static func takeStandardOutput() throws(SupervisionError) -> Int32 {
    fflush(nil)
    let taken = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
    guard taken >= 0 else { throw .system(call: "fcntl", detail: "standard output", errno: errno) }
    guard dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 else {
      throw .system(call: "dup2", detail: "standard output", errno: errno)
    }
    return taken
  }

  package func start() throws(SupervisionError) {
    let writer = try BackgroundThread.start("link writer") { self.write() }
    let reader = try BackgroundThread.start("link reader") { self.read() }
    threads.change { $0 = [writer, reader] }
  }

  /// Writes what is left, the engine's last state with it, and ends the link; for when the engine has stopped.
  package func finish(atMost limit: Duration = .seconds(5)) {
    queue.change { $0.isFinishing = true }
    for thread in threads.read({ $0 }) { thread.join(atMost: limit) }
  }

  // MARK: Commands

  private func read() {
    var lines = LineReader(input)
    while true {
      switch lines.next(isAbandoned: { queue.read { $0.isFinishing } }) {
      case .line(let line): obey(line)
      case .abandoned: return
      case .end: return abandon(Self.endOfInput)
      case .failed(let error):
        return abandon("\(error)")
      }
    }
  }

  private func obey(_ line: String) {
    do throws(SupervisionError) {
      guard let json = try LinkLine.message(in: line) else { return }
      do throws(SupervisionError) { obey(try LinkCommand(json: json)) } catch {
        // Whoever waits for this request must learn that it will not come.
        guard let id = json["request"]?["id"]?.exactInt else { throw error }
        add(.failed(RequestID(id), message: "\(error)"))
      }
    } catch { say("martinet: a command was not understood: \(error)") }
  }

  private func obey(_ command: LinkCommand) {
    switch command {
    case .submit(let request):
      queue.change { $0.unfinished.insert(request.id) }
      engine.submit(request) { [weak self] in self?.add($0) }
    case .cancel(let id):
      engine.cancel(id)
      queue.change { $0.unfinished.remove(id) }
    case .status: queue.change { $0.wantsStatus = true }
    case .rebalance: engine.rebalance()
    case .stop:
      queue.change { $0.isStopping = true }
      engine.stop()
    }
  }

  private func add(_ event: TokenEvent) {
    // An engine that ends by itself takes nothing more; the next job's will, so that is no failure of the request.
    let isRefused = if case .failed = event { engine.state == .stopped } else { false }
    queue.change { queue in
      if isRefused, !queue.isStopping { return }
      guard !queue.isAbandoned, !queue.isOverrun else { return }
      queue.events.append(event)
      if event.isLast { queue.unfinished.remove(event.id) }
      queue.isOverrun = queue.events.count > Self.backlogLimit
    }
  }

  /// Nobody will ever read what is computed: ends it.
  private func abandon(_ reason: String) {
    let unfinished = queue.change { queue in
      queue.isAbandoned = true
      queue.events.removeAll()
      return queue.unfinished
    }
    say("martinet: \(reason): the job ends")
    for id in unfinished { engine.cancel(id) }
    engine.stop()
    if queue.wait(atMost: grace, until: { $0.isFinishing ? true : nil }) == nil { leave("the engine does not stop") }
  }

  // MARK: Reports

  private func write() {
    guard report(.hello(version: LinkReport.version)) else { return }
    var told: (EngineState, EngineFacts?)?
    var lastLine = ContinuousClock.now
    while true {
      _ = queue.wait(atMost: Self.tick) {
        $0.events.isEmpty && !$0.wantsStatus && !$0.isFinishing && !$0.isOverrun ? nil : true
      }
      // Before the state: the last one that is written must be the one that the engine ended in.
      let isOver = queue.read { $0.isFinishing || $0.isAbandoned }
      // Before the events: a state that says "stopped" must come after the last of them.
      let (state, facts) = (engine.state, engine.facts)
      let (events, wantsStatus, isOverrun) = queue.change { queue in
        defer { (queue.events, queue.wantsStatus) = ([], false) }
        return (queue.events, queue.wantsStatus, queue.isOverrun)
      }
      if isOverrun { return abandon("the supervisor reads too slowly") }
      var reports: [LinkReport] = []
      reports += Self.lines(of: events).map { .events($0) }
      if told.map({ $0 != (state, facts) }) ?? true { reports.append(.state(state, facts)) }
      told = (state, facts)
      if wantsStatus { reports.append(.status(engine.status)) }
      if reports.isEmpty, ContinuousClock.now - lastLine >= Self.beat { reports.append(.beat) }
      for next in reports {
        guard report(next) else { return }
        lastLine = .now
      }
      if isOver { return }
    }
  }

  static func lines(of events: [TokenEvent]) -> [[TokenEvent]] {
    var lines: [[TokenEvent]] = []
    var weight = 0
    for event in events {
      if lines.isEmpty || weight >= lineWeight {
        lines.append([])
        weight = 0
      }
      lines[lines.count - 1].append(event)
      weight += event.weight
    }
    return lines
  }

  /// False when nobody reads; the reading thread sees that too.
  private func report(_ report: LinkReport) -> Bool { writeAll(LinkLine.text(report.json), to: output) }
}

extension TokenEvent {
  /// Tokens, alternatives or numbers that it tells of.
  fileprivate var weight: Int {
    switch self {
    case .started, .failed: 1
    case .token(_, let token, _): 1 + token.top.count
    case .prompt(_, let tokens, _): tokens.reduce(1) { $0 + 1 + $1.top.count }
    case .embedding(_, let values): values.count
    }
  }
}
