import ArgumentParser
import Checkpoints
import Dispatch
import EngineAPI
import Fabric
import Glibc
import HTTPServer
import Inference
import Machine
import ModelText
import Supervision
import Telemetry

/// `martinet serve`: an OpenAI-compatible server over all ranks.
struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve a model to OpenAI's clients.",
    discussion: """
      Alone, or on all ranks of a job; rank 0 listens:
        martinet serve --model DIR
        mpirun -n 4 martinet serve --model DIR
      Under supervision the job may die and come back, and clients see a pause. What follows -- is for mpirun, or
      another launcher by its name:
        martinet serve --supervise --model DIR -- -n 4 --hostfile hosts
        martinet serve --supervise --model DIR -- srun -n 4
      A page to look at is at the address printed.
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var speculation: SpeculationFlags
  @OptionGroup var server: ServerOptions
  @OptionGroup var reports: ReportOptions
  @OptionGroup var rebalancing: RebalanceOptions
  @OptionGroup var keeping: KeepingFlags

  @Flag(
    help:
      """
      Keep the port in this process, and run the ranks in a job that is watched and started again when it ends or \
      hangs.
      """
  )
  var supervise = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Under supervision: how long starts may go on failing before no more is tried; hosts that are started anew \
      need minutes.
      """,
      valueName: "seconds"))
  var restartFor = 1800

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Under supervision: fruitless starts in a row before no more is tried, however soon. (default: any number)",
      valueName: "n"))
  var maxRestarts: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Under supervision: how long a start may go without a move (a rank that comes up, joins or reads) before it \
      is ended and tried again; 0 for ever.
      """,
      valueName: "seconds"))
  var startLimit = 300

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Under supervision: new requests wait for a job that is away for so long; later ones are answered 503.",
      valueName: "seconds"))
  var holdSeconds = 60

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Without supervision: end the job when a rank has not moved for so long, as requests hang then; 0 for never.",
      valueName: "seconds"))
  var stallAbort = 300

  @Option(help: ArgumentHelp("Write the number of the server's process here, for `martinet stop`.", valueName: "file"))
  var pidFile: String?

  @Flag(help: .hidden)
  var engineLink = false

  @Argument(
    parsing: .postTerminator,
    help: ArgumentHelp("Under supervision: options of mpirun, or a launcher and its options.", valueName: "launcher"))
  var launcher: [String] = []

  func validate() throws {
    if !launcher.isEmpty, !supervise {
      throw ValidationError("what follows -- is for --supervise; without it, put mpirun before martinet")
    }
    try require("max-restarts", maxRestarts, in: 0...1_000_000)
    let times = [
      ("restart-for", restartFor), ("start-limit", startLimit), ("hold-seconds", holdSeconds),
      ("stall-abort", stallAbort),
    ]
    for (name, seconds) in times { try require(name, seconds, in: 0...31_536_000) }
  }

  func run() throws {
    if supervise {
      try SupervisedServer(self).run()
    } else if engineLink {
      try runLinked()
    } else {
      try runAlone()
    }
  }

  /// Rank 0 serves, and is rank 0 at the same time.
  private func runAlone() throws {
    try Interrupt.leaveAtOnce()
    // On every rank: their lines meet in one log.
    server.takeOverLines()
    try withRanks(reports.terms) { communicator in
      var (engine, httpServer): (LocalEngine?, RunningServer?)
      var (watch, processFile): (DrainWatch?, ProcessFile?)
      var hangups: (any DispatchSourceSignal)?
      defer { hangups?.cancel() }
      try agree(on: communicator) {
        guard communicator.isRoot else { return }
        FileLimit.raiseForServer()
        try reports.check()
        var configuration = try server.configuration(folder: try model.folder())
        let grammars = GrammarCache(codec: configuration.codec, endTokens: configuration.stopTokens)
        configuration.grammars = grammars
        let started = makeEngine(grammars)
        let running = try RunningServer(engine: started, configuration: configuration) { started.stop() }
        hangups = server.watchHangups { running.reload() }
        say(server.announcement(configuration, port: running.port))
        watch = DrainWatch(running, started, limit: configuration.limits.drainTime)
        processFile = try pidFile.map { try ProcessFile($0) }
        (engine, httpServer) = (started, running)
      }
      let limit = stallAbort
      try serve(
        communicator, engine: engine, onInterrupt: { httpServer?.drain() },
        onStall: { [engine, httpServer] report in
          engine?.note(report)
          guard let report, limit > 0, report.seconds >= Double(limit), let engine, let httpServer else { return }
          Self.leave(engine, httpServer)
        })
      try httpServer?.wait()
      withExtendedLifetime((watch, processFile)) {}
    }
  }

  /// Ends the job from rank 0, whose main thread is stuck: tells clients why, and leaves it to the launcher to end the
  /// other ranks.
  private static func leave(_ engine: LocalEngine, _ httpServer: RunningServer) {
    let reason = "the job is ended, as it does not move: \(engine.stall?.words() ?? "a rank is stuck")"
    say("martinet: \(reason)")
    engine.fail(reason)
    httpServer.drain()
    // For the answers to be written.
    httpServer.wait(atMost: .seconds(5))
    _exit(1)
  }

  /// The job of a supervisor, which speaks to rank 0 over its standard input and output.
  private func runLinked() throws {
    let output = try EngineLink.takeStandardOutput()
    let start = StartReporter()
    try withRanks(reports.terms, mark: EngineLink.failureMark) { communicator in
      start.joined(communicator)
      var (engine, link): (LocalEngine?, EngineLink?)
      try agree(on: communicator) {
        guard communicator.isRoot else { return }
        try reports.check()
        let checkpoint = try CheckpointFormat.open(try model.folder())
        let codec = TextCodec(checkpoint)
        let stopTokens = try StopTokens.read(checkpoint, tokenizerEnd: codec.endToken)
        let started = makeEngine(GrammarCache(codec: codec, endTokens: stopTokens))
        link = EngineLink(engine: started, input: 0, output: output)
        try link?.start()
        engine = started
      }
      // A signal from outside ends this job; the supervisor carries its requests to the next.
      try serve(communicator, engine: engine, onInterrupt: { throw InterruptedJob() }, start: start)
      link?.finish()
    }
  }

  private func makeEngine(_ grammars: GrammarCache) -> LocalEngine { LocalEngine { try grammars.constraint($0, $1) } }

  /// Loads the model on all ranks and runs `engine`, which rank 0 has, until it is stopped. Collective.
  private func serve(
    _ communicator: any Communicator, engine: LocalEngine?, onInterrupt: () throws -> Void,
    onStall: @escaping @Sendable (StallReport?) -> Void = { _ in }, start: StartReporter? = nil
  ) throws {
    let session = try model.open(
      communicator, isSupervised: engineLink, movesExperts: rebalancing.rebalance != .off,
      speculation: speculation.options, keeping: keeping.options, onStall: onStall,
      onLoading: { bytes, total in
        engine?.loading(bytes: bytes, of: total)
        start?.loading(bytes, of: total)
      })
    start?.loaded()
    reports.prepare(session)
    try withLoop(session) { loop in
      guard let engine else { return }
      say("martinet: ready")
      let schedule = RebalanceSchedule(
        interval: rebalancing.rebalance == .auto ? .seconds(rebalancing.rebalanceMinutes * 60) : nil,
        threshold: rebalancing.rebalanceThreshold)
      try engine.run(loop, facts: session.facts, rebalances: schedule, onInterrupt: onInterrupt) {
        say("martinet: \($0)")
      }
      try reports.write(loop, session, statistics: loop.statistics)
    }
    session.release()
  }
}

/// What a supervised job says when a signal ends it that is not its supervisor's.
private struct InterruptedJob: Error, CustomStringConvertible {
  var description: String { "a signal asked the job to end: SIGTERM, SIGINT or SIGUSR1 to the launcher or to a rank" }
}
