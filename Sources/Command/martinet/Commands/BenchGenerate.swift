import ArgumentParser
import Benchmarking
import EngineAPI
import Fabric
import Inference
import JSON
import Kernels
import ModelRuntime
import MoEModel

/// `martinet bench generate`: prefill and decode speed of a model.
struct BenchGenerate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Speed of prefill and decode, beside the memory bandwidth.",
    discussion: """
      Prompts are pseudo-random token ids. The share of the read bandwidth counts the bytes of weights a decode step
      reads: those every rank with tokens needs, and the distinct experts visited.

      Lengths and batch may be lists: the model is loaded once, and case i takes item i of each. A list of one item
      stands for all cases.

      A report covers the measured runs of one case. --accounting-cost runs each repetition twice, with accounts kept
      and without, and prints what keeping them costs.
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var speculation: SpeculationFlags
  @Option(parsing: .unconditional, help: ArgumentHelp("Tokens of each prompt.", valueName: "n,…")) var promptLength =
    "128"
  @Option(parsing: .unconditional, help: ArgumentHelp("Tokens sampled for each prompt.", valueName: "n,…"))
  var outputLength = "32"
  @Option(parsing: .unconditional, help: ArgumentHelp("Prompts at once.", valueName: "n,…")) var batch = "1"
  @Flag(help: "Give every sequence the same prompt: all choose the same experts.") var samePrompt = false
  @Option(parsing: .unconditional, help: "Runs; the median is reported.") var repetitions = 3
  @Flag(help: "Compare runs with and without accounts.") var accountingCost = false
  @Flag(help: "One JSON object.") var json = false
  @OptionGroup var reports: ReportOptions

  func validate() throws {
    try require("repetitions", repetitions, in: 1...1000)
    let count = try cases().count
    if reports.isWanted, count > 1 || accountingCost {
      throw ValidationError(
        "--report, --report-json, --trace and --record-routing cover one case, and not --accounting-cost")
    }
  }

  private func cases() throws -> [GenerateBenchmark.Case] {
    let prompts = try numbers("prompt-length", promptLength, in: 1...(1 << 20))
    let outputs = try numbers("output-length", outputLength, in: 1...(1 << 20))
    let batches = try numbers("batch", batch, in: 1...4096)
    let count = max(prompts.count, outputs.count, batches.count)
    guard [prompts, outputs, batches].allSatisfy({ $0.count == 1 || $0.count == count }) else {
      throw ValidationError("--prompt-length, --output-length and --batch: lists of one item or of the same length")
    }
    return (0..<count).map {
      .init(
        batch: batches[$0 % batches.count], promptLength: prompts[$0 % prompts.count],
        outputLength: outputs[$0 % outputs.count])
    }
  }

  func run() throws {
    let cases = try cases()
    try withRanks(.arguments(except: ["--model", "--threads", "--isa"])) { communicator in
      var inventory: ModelInventory?
      var options = model
      // The same prompts come again and again, and are to be read each time.
      options.noPrefixCache = true
      // Room for the whole batch on one rank.
      let rooms = cases.map { ($0.promptLength + $0.outputLength + KeyValueCache.blockTokens, $0.batch) }
      if options.kvCacheTokens == nil {
        options.kvCacheTokens = rooms.map { ($0 * $1 + communicator.size - 1) / communicator.size + $0 }.max()
      }
      if options.recurrentStates == nil {
        options.recurrentStates = min(1 << 16, max(SessionOptions.defaultStateCount, cases.map(\.batch).max() ?? 0))
      }
      let streams = cases.map(\.batch).max() ?? 1
      // Where all ranks feed all sequences, each has room for all of them.
      if model.kvCacheTokens == nil, model.layout != .spread {
        options.kvCacheTokens = rooms.map { $0 * ($1 + 1) }.max()
      }
      let session = try options.open(communicator, quiet: json, speculation: speculation.options, streams: streams) {
        checkpoint, description in
        guard communicator.isRoot else { return 0 }
        try reports.check()
        inventory = try ModelInventory(description, checkpoint: checkpoint)
        for benchmark in cases {
          _ = try requests(benchmark, description).first?.checked(against: description, index: 0)
        }
        return 0
      }
      reports.prepare(session)
      var results: [GenerateBenchmark] = []
      var readBefore = try probeTogether(session, communicator)
      for benchmark in cases {
        let (runs, unaccounted) = try measure(benchmark, session)
        let readAfter = try probeTogether(session, communicator)
        guard communicator.isRoot, let inventory else { continue }
        let report = GenerateBenchmark(
          runs: runs, unaccounted: unaccounted, ranks: communicator.size, threads: session.compute.workerCount,
          benchmark: benchmark,
          inventory: inventory, readBefore: readBefore, readAfter: readAfter,
          isa: session.compute.instructionSet.rawValue)
        results.append(report)
        if !json { for line in report.lines { show(line) } }
        readBefore = readAfter
      }
      guard communicator.isRoot, json else { return }
      let all = results.map(\.json)
      show((all.count == 1 ? all[0] : ["cases": .array(all)] as JSONValue).text(pretty: true))
    }
  }

  /// What each run of one case took, and where asked for the same without accounts; on rank 0. Collective.
  private func measure(
    _ benchmark: GenerateBenchmark.Case, _ session: GenerationSession
  ) throws -> (runs: [LoopStatistics], unaccounted: [LoopStatistics]) {
    var (runs, unaccounted): ([LoopStatistics], [LoopStatistics]) = ([], [])
    try withLoop(session) { loop in
      // The first run warms caches and clocks.
      _ = try run(benchmark, loop, session)
      try loop.resetAccounts()
      let before = loop.statistics
      for _ in 0..<repetitions {
        if accountingCost {
          try loop.keepAccounts(false)
          unaccounted.append(try run(benchmark, loop, session))
          try loop.keepAccounts(true)
        }
        runs.append(try run(benchmark, loop, session))
      }
      try reports.write(loop, session, statistics: loop.statistics.since(before), runs: runs)
    }
    return (runs, unaccounted)
  }

  private func run(_ benchmark: GenerateBenchmark.Case, _ loop: GenerationLoop, _ session: GenerationSession) throws
    -> LoopStatistics
  {
    let before = loop.statistics
    for (index, request) in requests(benchmark, session.description).enumerated() {
      _ = try loop.submit(request, index: index)
    }
    while loop.hasWork {
      for case .failed(_, let reason) in try loop.step() { throw InferenceError.sequenceFailed(reason) }
    }
    return loop.statistics.since(before)
  }

  /// Bytes per second that all ranks together read at the same time. Collective.
  private func probeTogether(_ session: GenerationSession, _ communicator: any Communicator) throws -> Double {
    try communicator.barrier()
    return Double(try communicator.allReduceSum(Int64(session.compute.probeRead())))
  }

  private func requests(_ benchmark: GenerateBenchmark.Case, _ description: DecoderDescription) -> [GenerationRequest] {
    var state: UInt64 = 0x9E37_79B9
    let start = state
    return (0..<benchmark.batch).map { _ in
      if samePrompt { state = start }
      let prompt = (0..<benchmark.promptLength).map { _ -> Int32 in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int32(truncatingIfNeeded: Int(state >> 33) % description.vocabularySize)
      }
      return GenerationRequest(
        prompt: prompt,
        task: .generate(maxNewTokens: benchmark.outputLength, sampling: SamplingParameters(), stopTokens: []))
    }
  }
}
