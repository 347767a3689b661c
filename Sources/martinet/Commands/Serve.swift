import ArgumentParser
import Checkpoints
import Coordinator
import Fabric
import Inference
import Prompts
import Serving
import Supervision

/// `martinet serve`: an OpenAI-compatible server over all ranks.
struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve a model to OpenAI's clients.",
    discussion: """
      Alone, or on all ranks of a job; rank 0 listens:
        martinet serve --model DIR
        mpirun -n 4 martinet serve --model DIR
      Under supervision the job may die and come back, and clients see a pause. What follows -- is for mpirun, or another
      launcher by its name:
        martinet serve --supervise --model DIR -- -n 4 --hostfile hosts
        martinet serve --supervise --model DIR -- srun -n 4
      A page to look at is at the address printed.
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var server: ServerOptions
  @OptionGroup var reports: ReportOptions

  @Flag(help: "Keep the port in this process, and run the ranks in a job that is watched and started again when it ends or hangs.")
  var supervise = false

  @Option(parsing: .unconditional, help: ArgumentHelp("Under supervision: fruitless starts in a row before no more is tried.", valueName: "n"))
  var maxRestarts = 5

  @Flag(help: .hidden)
  var engineLink = false

  @Argument(parsing: .postTerminator, help: ArgumentHelp("Under supervision: options of mpirun, or a launcher and its options.", valueName: "launcher"))
  var launcher: [String] = []

  func validate() throws {
    if !launcher.isEmpty, !supervise { throw ValidationError("what follows -- is for --supervise; without it, put mpirun before martinet") }
    guard (0...1000).contains(maxRestarts) else { throw ValidationError("--max-restarts \(maxRestarts) is not between 0 and 1000") }
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
    try withRanks(reports.terms) { communicator in
      var (engine, coordinator): (LocalEngine?, RunningCoordinator?)
      try agree(on: communicator) {
        guard communicator.isRoot else { return }
        try reports.check()
        let configuration = try server.configuration(folder: try model.folder())
        let started = makeEngine(configuration.codec, configuration.stopTokens)
        let running = try RunningCoordinator(engine: started, configuration: configuration) { started.stop() }
        say(server.announcement(configuration, port: running.port))
        (engine, coordinator) = (started, running)
      }
      try serve(communicator, engine: engine, onInterrupt: { coordinator?.drain() })
      try coordinator?.wait()
    }
  }

  /// The job of a supervisor, which speaks to rank 0 over its standard input and output.
  private func runLinked() throws {
    let output = try EngineLink.takeStandardOutput()
    try withRanks(reports.terms) { communicator in
      var (engine, link): (LocalEngine?, EngineLink?)
      try agree(on: communicator) {
        guard communicator.isRoot else { return }
        try reports.check()
        let folder = try model.folder()
        let codec = TextCodec(folder: folder)
        let stopTokens = try StopTokens.read(try CheckpointFolder(path: folder), tokenizer: codec.optionalTokenizer)
        let started = makeEngine(codec, stopTokens)
        link = EngineLink(engine: started, input: 0, output: output)
        try link?.start()
        engine = started
      }
      // A signal from outside ends this job; the supervisor carries its requests to the next.
      try serve(communicator, engine: engine, onInterrupt: { throw InferenceError.interrupted })
      link?.finish()
    }
  }

  private func makeEngine(_ codec: TextCodec, _ stopTokens: Set<Int32>) -> LocalEngine {
    let grammars = GrammarConstraints(codec: codec, stopTokens: stopTokens)
    return LocalEngine { try grammars.constraint($0, $1) }
  }

  /// Loads the model on all ranks and runs `engine`, which rank 0 has, until it is stopped. Collective.
  private func serve(
    _ communicator: any Communicator, engine: LocalEngine?, onInterrupt: () throws -> Void
  ) throws {
    let session = try model.open(communicator, isSupervised: engineLink, onLoading: { engine?.loading(bytes: $0, of: $1) })
    reports.prepare(session)
    try withLoop(session) { loop in
      guard let engine else { return }
      say("martinet: ready")
      try engine.run(loop, facts: session.facts, onInterrupt: onInterrupt)
      try reports.write(loop, session, statistics: loop.statistics)
    }
  }
}
