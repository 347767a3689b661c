import ArgumentParser
import DistributedTraining
import Fabric
import Gradients
import JSON
import Checkpoints
import Evaluation
import Kernels
import Machine
import ModelRuntime
import MoEModel
import Reports
import Supervision

/// A training from the command line, of whatever kind: on all ranks from their start to the account of what it cost.
struct TrainingRun {
  /// What says how a training is started, and not what it computes.
  private static let notOfRecipes: Set<String> = [
    "resume", "supervise", "restart-for", "max-restarts", "stall-limit", "launcher", "dry-run", "account",
    "ignore-memory-check", "node-price", "node-watts", "task", "task-every", "task-limit", "task-chat",
  ]

  private let command: any TrainingCommand
  private var options: TrainingRunOptions { command.options }

  init(_ command: some TrainingCommand) { self.command = command }

  /// Returns when the training is through, or was told to stop and has saved.
  func run() throws {
    let restarts = options.restarts
    if restarts.supervise, !restarts.supervisedJob, !options.costs.dryRun {
      // What is wrong with the options is told here, once.
      _ = try told { try command.settings() }
      return try SupervisedTraining(restarts).run()
    }
    let recipe = try told { try type(of: command).settings(Array(CommandLine.arguments.dropFirst(3))) }
    var terms = RunTerms.arguments(except: ["--threads"])
    terms.add("the recipe", recipe.json(except: Self.notOfRecipes).text())
    let mark = restarts.supervisedJob ? EngineLink.failureMark : "martinet: "
    // Before this thread is pinned to a core.
    let writing = try WriterThread()
    try withRanks(terms, mark: mark) { communicator in
      do { try train(communicator, recipe, writing) } catch let error as DistributedTrainingError {
        throw error.shared(by: communicator)
      }
    }
  }

  /// A failure before there are ranks, in the words of all others.
  private func told<T>(_ body: () throws -> T) throws -> T {
    do { return try body() } catch {
      if Launch.earlyRank == 0 { say("martinet: \(error)", isFailure: true) }
      throw ExitCode(1)
    }
  }

  private func train(_ communicator: any Communicator, _ recipe: CommandSettings, _ writing: WriterThread) throws {
    let (restarts, reports, costOptions, json) = (options.restarts, options.reports, options.costs, options.json)
    let options = options.training
    var (settings, material) = try agree(on: communicator) { (try command.settings(), try command.material()) }
    settings.options = recipe.json(except: Self.notOfRecipes)
    let start = try agree(on: communicator) {
      if communicator.isRoot, !costOptions.dryRun { try reports.check() }
      return try command.beginning(settings)
    }
    let runtime = try ClusterRuntime(
      communicator, threadsPerRank: self.options.threads, cores: self.options.cores.wishes
    ) {
      say("martinet: \($0)")
    }
    let opened = try OpenedModel(
      opening: { start.shape }, holding: settings.products == .bfloat16 ? .bf16 : .auto,
      predicting: settings.predictionLoss != nil, on: communicator)
    let description = opened.description
    try agree(on: communicator) {
      try material.prepare(description, start, &settings)
      try description.checkTrainable(sequenceLength: settings.sequenceLength)
    }
    var costs = try TrainingCosts(
      description, settings, .init(material), companions: start.companions, runtime: runtime, rates: costOptions.rates,
      checksMemory: !costOptions.ignoreMemoryCheck)
    if costOptions.dryRun { return try tell(costs, material, on: communicator) }
    try costs.check()
    try agree(on: communicator) { try material.open(pool: runtime.compute.pool) }
    let tasks = try TrainingTasks(
      self.options.tasks, settings, start: start, description: description, runtime: runtime)
    try costs.check(dataBytes: material.memoryBytes + min(tasks?.cacheByteCount ?? 0, Int.max / 4))
    try agree(on: communicator) {
      if communicator.isRoot, let path = costOptions.account { try ReportFile.check(path) }
    }
    material.rolloutShare = costs.rolloutShare
    let forecast = try costs.forecast()
    var watch = TrainingWatch(costs.account(forecast), rates: costs.rates, json: json, isRoot: communicator.isRoot)
    let loaded = try LoadedModel(opened, runtime: runtime, options: LoadOptions(), onEvent: { _ in })
    let training = try TrainingLoop(
      loaded, runtime: runtime, source: try material.source(loaded, runtime, settings), companions: start.companions,
      settings: settings, thread: writing
    ) { _, spec, first, buffer in try start.fill(spec, first, buffer) }
    try tasks?.prepare(loaded)
    var output = TrainingOutput(
      description, settings: settings, linesEvery: options.linesEvery, material: material, peak: forecast.peak,
      ranks: communicator.size, rates: costs.rates, json: json, isRoot: communicator.isRoot)
    output.begin(threads: runtime.compute.workerCount)
    let report = TrainingReport(
      description, name: ModelLocation.displayName(command.model ?? options.out), settings: settings,
      files: material.files,
      instructionSet: runtime.compute.instructionSet.rawValue, peak: forecast.peak)
    let reporter = TrainingReporter(
      training, report, options: reports, folder: options.out, isRoot: communicator.isRoot,
      utilization: output.utilization)
    try Interrupt.install()
    let link = restarts.supervisedJob && communicator.isRoot ? TrainingLink() : nil
    link?.begin(step: training.step)
    do {
      try training.run(shouldStop: { Interrupt.requested || link?.isAbandoned == true }) { event in
        watch.add(event)
        // Before tasks are asked, which may take longer than a step.
        link?.tell(event)
        var results: [TaskResult]?
        if case .step(let report) = event { results = try tasks?.ask(after: report.number) }
        output.show(event, watch.progress, tasks: results)
        try reporter.hear(event, tasks: results)
      }
    } catch {
      reporter.fail("\(error)")
      if error is DistributedTrainingError { link?.fail() }
      throw error
    }
    output.end(try reporter.end(try watch.close(on: communicator)))
    try watch.tell(costOptions.account)
  }

  /// What `--dry-run` does. Fails, having told it, where the training would not fit. Collective.
  private func tell(
    _ found: TrainingCosts, _ material: any TrainingMaterial, on communicator: any Communicator
  ) throws {
    var costs = found
    try agree(on: communicator) { try material.checkFiles() }
    let forecast = try costs.forecast()
    if communicator.isRoot {
      let report = DryRunReport(costs: costs, forecast: forecast, resident: ProcessUsage().residentBytes)
      if options.json { show(report.json.text(pretty: true)) } else { for line in report.lines { show(line) } }
    }
    try costs.check()
  }
}
