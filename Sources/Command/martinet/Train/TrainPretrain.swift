import ArgumentParser
import Checkpoints
import Fabric
import Gradients
import JSON
import Machine
import ModelRuntime
import ModelText
import MoEModel
import Pretraining
import Reports
import Supervision
import Tokenization
import Training

/// `martinet train pretrain`: next tokens of text, from a shape or from a model.
struct TrainPretrain: ParsableCommand {
  static let words = ["train", "pretrain"]
  /// What says how a training is started, and not what it computes.
  private static let notOfRecipes: Set<String> = [
    "resume", "supervise", "restart-for", "max-restarts", "stall-limit", "launcher", "dry-run", "account",
    "ignore-memory-check", "node-price", "node-watts",
  ]

  static let configuration = CommandConfiguration(
    commandName: "pretrain", abstract: "Train on text: the next token from those before it.",
    discussion: """
      martinet train pretrain --shape config.json --tokenizer DIR --data text.jsonl --out OUT --steps 1000
      mpirun -n 4 martinet train pretrain --model DIR --data text.jsonl --out OUT --steps 1000 --resume

      OUT/step-NNNNNN is a folder that martinet and transformers load, OUT/state-NNNNNN what a training goes on from, OUT/latest names
      the last whole one. The same data, seed and steps give the same weights, bit for bit, on any number of ranks and threads,
      stopped and resumed or not. Weights are kept in fp32 and computed with as they are exported, in bf16.
      """)

  @Option(help: ArgumentHelp("The settings of a new model, as in config.json.", valueName: "config.json"))
  var shape: String?
  @Option(help: ArgumentHelp("A folder whose tokenizer the new model gets.", valueName: "dir"))
  var tokenizer: String?
  @Option(help: ArgumentHelp("Go on with this model's weights.", valueName: "dir"))
  var model: String?
  @OptionGroup var options: TrainingOptions
  @OptionGroup var reports: TrainingReportOptions
  @OptionGroup var costOptions: CostOptions
  @Option(parsing: .unconditional, help: "Worker threads of each rank; by default one on each core the rank may use.")
  var threads: Int?
  @OptionGroup var coreOptions: CoreOptions
  @Flag(help: "One JSON object a step, on a line of its own, instead of a table.") var json = false
  @Option(
    help: ArgumentHelp(
      "Options from a JSON object, by their names without dashes; those given here count before them. What ran lies in OUT/recipe.json.",
      valueName: "file"))
  var recipe: String?
  @OptionGroup var restarts: RestartOptions

  func validate() throws {
    guard (shape == nil) != (model == nil) else { throw ValidationError("give one of --shape and --model") }
    guard model == nil || tokenizer == nil else {
      throw ValidationError("--tokenizer goes with --shape: a --model has its own")
    }
    if let threads, !(1...4096).contains(threads) {
      throw ValidationError("--threads \(threads) is not between 1 and 4096")
    }
  }

  func run() throws {
    if restarts.supervise, !restarts.supervisedJob, !costOptions.dryRun {
      // What is wrong with the options is told here, once.
      _ = try told { try options.settings() }
      return try SupervisedTraining(restarts).run()
    }
    let recipe = try told { try CommandSettings(pretraining: Array(CommandLine.arguments.dropFirst(3))) }
    var terms = RunTerms.arguments(except: ["--threads"])
    terms.add("the recipe", recipe.json(except: Self.notOfRecipes).text())
    let mark = restarts.supervisedJob ? EngineLink.failureMark : "martinet: "
    // Before this thread is pinned to a core.
    let writing = try WriterThread()
    try withRanks(terms, mark: mark) { communicator in
      do { try train(communicator, recipe, writing) } catch let error as PretrainingError {
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
    var settings = try agree(on: communicator) { try options.settings() }
    settings.options = recipe.json(except: Self.notOfRecipes)
    let start = try agree(on: communicator) {
      if communicator.isRoot, !costOptions.dryRun { try reports.check() }
      return try beginning(settings)
    }
    let runtime = try ClusterRuntime(communicator, threadsPerRank: threads, cores: coreOptions.wishes) {
      say("martinet: \($0)")
    }
    let opened = try OpenedModel(
      opening: { start.shape }, holding: settings.products == .bfloat16 ? .bf16 : .auto,
      predicting: settings.predictionLoss != nil, on: communicator)
    let description = opened.description
    var costs = try TrainingCosts(
      description, settings, companions: start.companions, runtime: runtime, rates: costOptions.rates,
      checksMemory: !costOptions.ignoreMemoryCheck)
    if costOptions.dryRun { return try tell(costs, on: communicator) }
    try costs.check()
    let (data, heldOut) = try agree(on: communicator) {
      (
        try options.open(options.data, description, start.tokenizer, pool: runtime.compute.pool),
        try options.heldOut.map { try options.open($0, description, start.tokenizer, pool: runtime.compute.pool) }
      )
    }
    try costs.check(dataBytes: data.memoryBytes + (heldOut?.memoryBytes ?? 0))
    try agree(on: communicator) {
      if communicator.isRoot, let path = costOptions.account { try ReportFile.check(path) }
    }
    let forecast = try costs.forecast()
    var watch = TrainingWatch(costs.account(forecast), rates: costs.rates, json: json, isRoot: communicator.isRoot)
    let loaded = try LoadedModel(opened, runtime: runtime, options: LoadOptions(), onEvent: { _ in })
    let training = try Pretraining(
      loaded, runtime: runtime, data: data, heldOut: heldOut, companions: start.companions, settings: settings,
      thread: writing
    ) { _, spec, first, buffer in try start.fill(spec, first, buffer) }
    var output = TrainingOutput(
      description, options: options, data: data, peak: forecast.peak, ranks: communicator.size, rates: costs.rates,
      json: json,
      isRoot: communicator.isRoot)
    output.begin(threads: runtime.compute.workerCount)
    let report = TrainingReport(
      description, name: ModelLocation.displayName(model ?? options.out), settings: settings, options: options,
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
        output.show(event, watch.progress)
        try reporter.hear(event)
        link?.tell(event)
      }
    } catch {
      reporter.fail("\(error)")
      if error is PretrainingError { link?.fail() }
      throw error
    }
    output.end(try reporter.end(try watch.close(on: communicator)))
    try watch.tell(costOptions.account)
  }

  /// What `--dry-run` does. Fails, having told it, where the training would not fit. Collective.
  private func tell(_ found: TrainingCosts, on communicator: any Communicator) throws {
    var costs = found
    try agree(on: communicator) { try options.checkFiles() }
    let forecast = try costs.forecast()
    if communicator.isRoot {
      let report = DryRunReport(costs: costs, forecast: forecast, resident: ProcessUsage().residentBytes)
      if json { show(report.json.text(pretty: true)) } else { for line in report.lines { show(line) } }
    }
    try costs.check()
  }

  /// What a training begins with.
  private struct Start {
    let shape: ShapeCheckpoint
    let tokenizer: Tokenizer?
    let companions: Companions
    /// Fills part of a parameter of the new model.
    let fill: (ParameterSpec, Int, UnsafeMutableBufferPointer<Float>) throws -> Void
  }

  private func beginning(_ settings: PretrainingSettings) throws -> Start {
    let predicts = settings.predictionLoss != nil
    if let model {
      let folder = try ModelLocation.resolve(model)
      let source = try CheckpointFormat.open(folder)
      let description = try ModelConfiguration.read(source)
      let reader = try ParameterReader(description, checkpoint: source)
      let initial = try Initialization(description, seed: settings.seed, spread: options.spread)
      return Start(
        shape: try ShapeCheckpoint(source.config, path: folder + "/config.json", predicts: predicts),
        tokenizer: TextCodec(source).optionalTokenizer, companions: try Companions(of: folder)
      ) { spec, first, buffer in
        // A prediction module that the model does not have is begun anew.
        if description.predictionLayerCount == 0, let layer = spec.layer, layer >= description.layerCount {
          return initial.fill(buffer, with: spec, from: first)
        }
        try reader.read(spec, from: first, into: buffer)
      }
    }
    let path = shape ?? ""
    let bytes = try InputFile(path: path).contents(limit: 16 << 20)
    let config: JSONValue
    do throws(JSONError) { config = try JSONValue(parsing: bytes) } catch {
      throw ValidationError("--shape \(path): \(error)")
    }
    let checkpoint = try ShapeCheckpoint(config, path: path, predicts: predicts)
    let initial = try Initialization(
      try ModelConfiguration.read(checkpoint), seed: settings.seed, spread: options.spread)
    let documents = tokenizer.map { CheckpointFormat.documents(of: $0) }
    return Start(
      shape: checkpoint, tokenizer: try documents.map { try TextCodec($0).tokenizer() },
      companions: try tokenizer.map { try Companions(of: $0) } ?? Companions()
    ) { spec, first, buffer in initial.fill(buffer, with: spec, from: first) }
  }
}
