import ArgumentParser
import Checkpoints
import DemoModel
import ExpertParallelism
import Fabric
import Inference
import Kernels
import MoEModel
import ModelRuntime
import Reports
import Telemetry

/// Which model, and how it is laid out on this rank.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Folder of a checkpoint as published: config.json, safetensors, tokenizer.json; a GGUF file; or a model of \
      the local Hugging Face cache as org/name. Without it, the embedded demonstration model runs.
      """,
      valueName: "dir"))
  var model: String?

  @Option(parsing: .unconditional, help: "Worker threads of each rank; by default one on each core the rank may use.")
  var threads: Int?

  @OptionGroup var coreOptions: CoreOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens of attention cache on each rank. (default: 8192, or what the longest prompt needs)", valueName: "n"))
  var kvCacheTokens: Int?

  @Option(
    help: ArgumentHelp(
      "Type of the attention cache: f32, exact; bf16, half the memory, rounded once; or q8, a quarter, and faster.",
      valueName: "f32|bf16|q8"))
  var kvCache: CacheType = .f32

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Recurrent states on each rank, for models that keep one of each sequence (Qwen3-Next, Qwen3.5): one is taken \
      by each sequence in progress, the others keep beginnings of prompts. (default: \
      \(SessionOptions.defaultStateCount))
      """,
      valueName: "n"))
  var recurrentStates: Int?

  @Flag(help: "Read every prompt anew, also where the attention cache still holds its beginning.")
  var noPrefixCache = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Most tokens one rank feeds in a step; longer prompts are read in chunks.", valueName: "n"))
  var maxBatchTokens = 512

  @Option(parsing: .unconditional, help: ArgumentHelp("Most sequences in progress at once.", valueName: "n"))
  var maxSequences = 256

  @Option(
    help:
      "Kernels to use: \(InstructionSet.words). Results do not depend on it. (default: the fastest this host has)"
  )
  var isa: InstructionSet?

  @Option(
    help:
      """
      How weights are held: auto (as stored), mixed (as stored where that is 8 bits or fewer, the rest as q8), \
      f32, bf16, q8 or q4. With bf16 the rows they meet are rounded to bf16 too, with q8 and q4 to 8 bits.
      """
  )
  var weights = WeightPrecision.auto

  @Option(
    help: ArgumentHelp(
      """
      How experts' sums come back from other ranks: f32, or bf16, half the bytes, for slow networks; results then \
      depend on the layout of ranks.
      """,
      valueName: "f32|bf16"))
  var combineFormat = WireFormat.Sums.float32

  @Option(
    help: ArgumentHelp(
      """
      How ranks share what is no routed expert: spread, each its own sequences; sliced, every rank some heads and \
      some rows of every matrix, of experts too, for all sequences, so that one gets faster with each rank; auto, \
      whichever is expected to be faster. Results do not depend on it.
      """,
      valueName: "spread|sliced|auto"))
  var layout = RankLayout.spread

  @OptionGroup var placementOptions: PlacementOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds a rank may be in one place of a step before it says so on standard error; 0 for as long as it likes.",
      valueName: "seconds"))
  var stallLimit = 10

  @Flag(
    help:
      """
      Before anything else, read all weights once on every host and compare them, with one another and with the \
      sums recorded beside them.
      """
  )
  var checkWeights = false

  @Flag(
    help:
      """
      Give each rank a copy of its own of all it needs, also of what ranks on one NUMA node would otherwise have \
      in common.
      """
  )
  var noShareWeights = false

  @Flag(help: "Load even when the model seems not to fit into the memory available.")
  var ignoreMemoryCheck = false

  func validate() throws {
    try require("threads", threads, in: 1...4096)
    try require("kv-cache-tokens", kvCacheTokens, in: 1...(1 << 30))
    try require("recurrent-states", recurrentStates, in: 1...(1 << 16))
    try require("max-batch-tokens", maxBatchTokens, in: 1...(1 << 20))
    try require("stall-limit", stallLimit, in: 0...86_400)
    try require("max-sequences", maxSequences, in: 1...(1 << 16))
    try isa?.checkIsSupported()
  }

  /// These options as another process takes them.
  var arguments: [String] {
    var arguments: [String] = []
    func add(_ name: String, _ value: (some CustomStringConvertible)?) {
      if let value { arguments += ["--\(name)", "\(value)"] }
    }
    add("model", model)
    add("threads", threads)
    add("kv-cache-tokens", kvCacheTokens)
    add("kv-cache", kvCache.rawValue)
    add("recurrent-states", recurrentStates)
    add("max-batch-tokens", maxBatchTokens)
    add("max-sequences", maxSequences)
    add("isa", isa?.rawValue)
    add("weights", weights.rawValue)
    add("combine-format", combineFormat.rawValue)
    add("layout", layout.rawValue)
    add("stall-limit", stallLimit)
    arguments += coreOptions.arguments + placementOptions.arguments
    if noPrefixCache { arguments.append("--no-prefix-cache") }
    if checkWeights { arguments.append("--check-weights") }
    if noShareWeights { arguments.append("--no-share-weights") }
    if ignoreMemoryCheck { arguments.append("--ignore-memory-check") }
    return arguments
  }

  /// The folder given, or the demonstration model's.
  func folder() throws -> String {
    if let model { return try ModelLocation.resolve(model) }
    guard let folder = DemoModel.folder else {
      throw ValidationError("the demonstration model is not beside the program; give a folder with --model")
    }
    return folder
  }

  /// These options as a session takes them.
  var sessionOptions: SessionOptions {
    var options = SessionOptions()
    options.threadsPerRank = threads
    options.cores = coreOptions.wishes
    options.cacheTokens = kvCacheTokens
    options.cacheType = kvCache
    options.stateCount = recurrentStates
    options.keepsPrefixes = !noPrefixCache
    options.batchTokens = maxBatchTokens
    options.sequences = maxSequences
    options.instructionSet = isa
    options.weights = weights
    options.sums = combineFormat
    options.stallLimit = stallLimit > 0 ? .seconds(stallLimit) : nil
    options.layout = layout
    options.experts = placementOptions.experts
    options.checksWeights = checkWeights
    options.checksMemory = !ignoreMemoryCheck
    options.keeping.shares = !noShareWeights
    return options
  }

  /// Opens a session for `streams` sequences at once, with a progress bar and one line about it on rank 0. `onLoading`
  /// is called on every rank.
  func open(
    _ communicator: any Communicator, quiet: Bool = false, isSupervised: Bool = false, movesExperts: Bool = false,
    speculation: SpeculationOptions = SpeculationOptions(), keeping: KeepingOptions = KeepingOptions(),
    streams: Int = 1,
    prepare: (any Checkpoint, DecoderDescription) throws -> Int = { _, _ in 0 },
    onStall: @escaping @Sendable (StallReport?) -> Void = { _ in },
    onLoading: @escaping (_ bytes: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> GenerationSession {
    var options = sessionOptions
    // What a job before has left on this host may still hold them.
    if isSupervised { options.cores.patience = .seconds(5) }
    (options.isSupervised, options.speculation, options.experts.moves) = (isSupervised, speculation, movesExperts)
    options.keeping = keeping
    options.keeping.shares = !noShareWeights
    (options.onStall, options.streams) = (onStall, streams)
    var bar = ProgressBar("loading")
    let isRoot = communicator.isRoot
    let folder = try agree(on: communicator) { try self.folder() }
    let session = try GenerationSession(model: folder, options: options, communicator: communicator, prepare: prepare) {
      event in
      switch event {
      case .note(let text): if isRoot, !quiet { say("martinet: \(text)") }
      case .loading(let bytes, let total):
        if isRoot { bar.show(bytes: bytes, of: total) }
        onLoading(bytes, total)
      }
    }
    bar.finish()
    if isRoot, !quiet {
      let layout =
        "\(Figures.count(communicator.size, "rank")) × \(Figures.count(session.compute.workerCount, "thread"))"
        + (session.isSliced ? ", sliced" : "")
      say(
        """
        martinet: \(session.description.family) on \(layout) (\(session.compute.instructionSet.rawValue)); \
        \(session.summary)
        """
      )
      say("martinet: on this processor \(session.compute.instructionSet.preference)")
      if session.model.report.misplacedPages > 0 {
        say(
          """
          martinet: \(session.model.report.misplacedPages) of the memory pages sampled lie on another NUMA node \
          than their readers; free memory on the nodes, or bind ranks with --map-by numa --bind-to numa
          """
        )
      }
    }
    return session
  }
}

extension CacheType: ExpressibleByArgument {}
extension WireFormat.Sums: ExpressibleByArgument {}
extension RowFormat: ExpressibleByArgument {}
extension WeightPrecision: ExpressibleByArgument {}
extension RankLayout: ExpressibleByArgument {}
