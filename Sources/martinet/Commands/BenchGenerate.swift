import ArgumentParser
import Fabric
import Inference
import JSON
import MoEModel

/// `martinet bench generate`: prefill and decode speed of a model.
struct BenchGenerate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Speed of prefill and decode, beside the memory bandwidth.",
    discussion: """
      Prompts are pseudo-random token ids. The share of the read bandwidth counts the bytes of weights a decode step
      reads: those every rank with tokens needs, and the distinct experts visited.
      """)

  @OptionGroup var model: ModelOptions
  @Option(parsing: .unconditional, help: "Tokens of each prompt.") var promptLength = 128
  @Option(parsing: .unconditional, help: "Tokens drawn for each prompt.") var outputLength = 32
  @Option(parsing: .unconditional, help: "Prompts at once.") var batch = 1
  @Flag(help: "The same prompt for all, so that all visit the same experts.") var samePrompt = false
  @Option(parsing: .unconditional, help: "Runs; the median is reported.") var repetitions = 3
  @Flag(help: "One JSON object.") var json = false

  func validate() throws {
    for (name, value, limit) in [
      ("prompt-length", promptLength, 1 << 20), ("output-length", outputLength, 1 << 20), ("batch", batch, 4096),
      ("repetitions", repetitions, 1000),
    ] where !(1...limit).contains(value) {
      throw ValidationError("--\(name) \(value) is not between 1 and \(limit)")
    }
  }

  func run() throws {
    try withRanks { communicator in
      var inventory: ModelInventory?
      var options = model
      // Room for the whole batch on one rank.
      let room = (promptLength + outputLength + KeyValueCache.blockTokens) * batch
      if options.kvCacheTokens == nil { options.kvCacheTokens = (room + communicator.size - 1) / communicator.size + room / batch }
      let session = try options.open(communicator, quiet: json) { folder, description in
        guard communicator.isRoot else { return 0 }
        inventory = try ModelInventory(description, folder: folder)
        _ = try requests(description).first?.checked(against: description, index: 0)
        return 0
      }
      let readBefore = try probeTogether(session, communicator)
      var runs: [LoopStatistics] = []
      try withLoop(session) { loop in
        // One more than asked for: the first warms caches and clocks.
        for repetition in 0...repetitions {
          let before = loop.statistics
          try runOnce(loop, session.description)
          if repetition > 0 { runs.append(loop.statistics.since(before)) }
        }
      }
      let readAfter = try probeTogether(session, communicator)
      guard communicator.isRoot, let inventory else { return }
      let report = GenerateBenchmark(
        runs: runs, ranks: communicator.size, threads: session.compute.workerCount, batch: batch, promptLength: promptLength,
        outputLength: outputLength, inventory: inventory, readBefore: readBefore, readAfter: readAfter,
        isa: session.compute.instructionSet.rawValue)
      if json { show(report.json.text(pretty: true)) } else { for line in report.lines { show(line) } }
    }
  }

  /// Bytes per second that all ranks together read at the same time. Collective.
  private func probeTogether(_ session: Session, _ communicator: any Communicator) throws -> Double {
    try communicator.barrier()
    return Double(try communicator.allReduceSum(Int64(session.compute.probeRead())))
  }

  private func runOnce(_ loop: GenerationLoop, _ description: DecoderDescription) throws {
    for (index, request) in requests(description).enumerated() { _ = try loop.submit(request, index: index) }
    while loop.hasWork { _ = try loop.step() }
  }

  private func requests(_ description: DecoderDescription) -> [GenerationRequest] {
    var state: UInt64 = 0x9E37_79B9
    let start = state
    return (0..<batch).map { _ in
      if samePrompt { state = start }
      let prompt = (0..<promptLength).map { _ -> Int32 in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int32(truncatingIfNeeded: Int(state >> 33) % description.vocabularySize)
      }
      return GenerationRequest(
        prompt: prompt, task: .generate(maxNewTokens: outputLength, sampling: SamplingParameters(), stopTokens: []))
    }
  }
}
