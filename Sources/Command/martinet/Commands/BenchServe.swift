import ArgumentParser
import Fabric
import Glibc
import LoadGenerator
import Machine

/// `martinet bench serve`: load on a server, and what its clients feel of it.
struct BenchServe: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Load a server that speaks OpenAI's API, and time its answers.",
    discussion: """
      Sends --requests, at random with the mean rate --request-rate, at most --concurrency at once, or both; without
      either 16 at once. Needs no ranks: run it where the clients are.

      Data sets: random (different token ids), shared-prefix (the same --prefix-length ids, then --prompt-length more),
      heldout (the demonstration model's held-out text, in a clone of the repository), or a file with a JSON object a
      line:
      "prompt" (text or ids), "text" or "messages". With --prompt-length, texts are cut into stretches of so many
      tokens.

      Times are in milliseconds: TTFT to the first token, TPOT a token after it, ITL between tokens, E2EL to the last
      one.
      """)

  /// A gibibyte of prompts.
  private static let tokenLimit = 1 << 28
  static let heldoutPath = "Tests/Fixtures/demo-model/heldout.jsonl"

  @Option(help: "Where the server listens.") var url = "http://127.0.0.1:8000"
  @Option(help: "Sent as bearer token. Others on this host can see it; prefer --api-key-file.") var apiKey: String?
  @Option(help: ArgumentHelp("The same, out of the first line of a file.", valueName: "file")) var apiKeyFile: String?
  @Option(
    help: ArgumentHelp(
      "Certificates (PEM) that vouch for an https server, in place of those this host trusts.", valueName: "file"))
  var caCertificate: String?
  @Option(help: "The model to ask for. (default: the first that the server lists)") var model: String?
  @Option(
    help: ArgumentHelp(
      "Which API. (default: completions for token ids, chat for text and messages)", valueName: "chat|completions"))
  var endpoint: Endpoint?
  @Option(help: ArgumentHelp("What to ask.", valueName: "random|shared-prefix|heldout|file.jsonl")) var dataset =
    "random"
  @Option(
    parsing: .unconditional,
    help: "Tokens of a prompt, or of what follows a shared prefix. (default: 128; whole texts of a file)")
  var promptLength: Int?
  @Option(parsing: .unconditional, help: "Tokens of the shared prefix.") var prefixLength = 1024
  @Option(parsing: .unconditional, help: "Most tokens of an answer.") var outputLength = 128
  @Flag(inversion: .prefixedNo, help: "Have answers go on to their full length.") var ignoreEos = true
  @Option(parsing: .unconditional, help: "0 takes the most probable token.") var temperature = 0.0
  @Option(parsing: .unconditional, help: "Requests to send.") var requests = 100
  @Option(parsing: .unconditional, help: "Most requests at once.") var concurrency: Int?
  @Option(parsing: .unconditional, help: "Mean number of requests a second.") var requestRate: Double?
  @Option(
    parsing: .unconditional,
    help: "Shape of the gamma-distributed times between requests: 1 is a Poisson process, less comes in bursts.")
  var burstiness = 1.0
  @Option(parsing: .unconditional, help: "Of prompts and arrivals.") var seed: UInt64 = 0
  @Option(
    help: ArgumentHelp(
      "Count requests that keep these limits in milliseconds: ttft, tpot, itl, e2el.", valueName: "ttft:500,tpot:50"))
  var goodput: String?
  @Option(parsing: .unconditional, help: "Requests beforehand that are not counted.") var warmup = 1
  @Option(parsing: .unconditional, help: "Seconds that a request may take.") var timeout = 600.0
  @Flag(help: "When the server is full (429), wait as it asks and send again, instead of counting a failure.")
  var retry = false
  @Option(parsing: .unconditional, help: "Token ids to choose prompts from. (default: as the server tells)")
  var vocabularySize: Int?
  @Flag(help: "One JSON object.") var json = false
  @Option(help: ArgumentHelp("Write the same with every request's times.", valueName: "file.json")) var reportJson:
    String?

  func validate() throws {
    try require("prompt-length", promptLength, in: 1...(1 << 20))
    try require("prefix-length", prefixLength, in: 1...(1 << 20))
    try require("output-length", outputLength, in: 1...(1 << 20))
    try require("temperature", temperature, in: 0...100)
    try require("requests", requests, in: 1...1_000_000)
    try require("concurrency", concurrency, in: 1...10_000)
    try require("request-rate", requestRate, in: 0.0001...100_000)
    try require("burstiness", burstiness, in: 0.001...1000)
    try require("warmup", warmup, in: 0...10_000)
    try require("timeout", timeout, in: 0.001...1_000_000)
    try require("vocabulary-size", vocabularySize, in: 1...(1 << 24))
    let tokens = (promptLength ?? 128) + (dataset == "shared-prefix" ? prefixLength : 0)
    guard (requests + warmup) * tokens <= Self.tokenLimit else {
      throw ValidationError(
        """
        \(requests + warmup) prompts of \(tokens) tokens are more than the \(Self.tokenLimit) tokens that are held \
        at once; lower --requests
        """
      )
    }
    if apiKey != nil, apiKeyFile != nil {
      throw ValidationError("--api-key and --api-key-file are two ways of the same; give one")
    }
    if let goodput { _ = try Goodput(parsing: goodput) }
    if ["random", "shared-prefix"].contains(dataset), endpoint == .chat {
      throw ValidationError(
        "--dataset \(dataset) has token ids, which --endpoint chat cannot take; use completions, or a file")
    }
  }

  func run() throws {
    // Under a launcher one rank is enough.
    guard Launch.earlyRank == 0 else { return }
    do {
      try waiting { try await load() }
    } catch let error as ExitCode {
      throw error
    } catch {
      say("martinet: \(error)")
      throw ExitCode(1)
    }
  }

  private func load() async throws {
    try Interrupt.install()
    let limit = concurrency ?? (requestRate == nil ? 16 : nil)
    let lines = try datasetLines()
    if let reportJson { try ReportFile.check(reportJson) }
    let client = try ServerClient(url: url, key: try key(), authorities: caCertificate, connections: limit ?? requests)
    let record: LoadRecord
    let setting: LoadSetting
    do {
      setting = try await prepare(client, lines)
      record = try await measure(client, setting, limit)
    } catch {
      await client.close()
      throw error
    }
    await client.close()
    let figures = ServingFigures(record, goal: try goodput.map { try Goodput(parsing: $0) })
    let output = LoadOutput(
      command: self, model: setting.shape.model, endpoint: setting.shape.endpoint, limit: limit, figures: figures)
    try output.write()
    if record.isInterrupted { throw ExitCode(130) }
    if figures.completed == 0 { throw ExitCode(1) }
  }

  private func measure(_ client: ServerClient, _ setting: LoadSetting, _ limit: Int?) async throws -> LoadRecord {
    let meter = LoadMeter()
    defer { meter.finish() }
    if warmup > 0 {
      // Prompts of their own, so that they leave nothing in the server's cache but the shared prefix.
      let run = LoadRun(
        client: client, shape: setting.shape, prompts: setting.warmUp, arrivals: Array(repeating: 0, count: warmup),
        concurrency: min(limit ?? 1, warmup))
      let record = await run.run(isInterrupted: { Interrupt.requested }, onProgress: { meter.show($0, "warming up") })
      if record.isInterrupted {
        var nothing = LoadRecord()
        (nothing.requested, nothing.isInterrupted) = (requests, true)
        return nothing
      }
      for case .failed(let reason) in record.outcomes.map(\.ending) { throw LoadError.warmUpFailed(reason) }
    }
    let arrivals = ArrivalProcess(rate: requestRate, burstiness: burstiness).times(requests, seed: seed &+ 1)
    let run = LoadRun(
      client: client, shape: setting.shape, prompts: setting.prompts, arrivals: arrivals, concurrency: limit)
    return await run.run(isInterrupted: { Interrupt.requested }, onProgress: { meter.show($0, "") })
  }

  private func key() throws -> String? {
    guard let apiKeyFile else { return apiKey }
    return String(try InputText.read(apiKeyFile).prefix { !$0.isNewline })
  }
}

extension Endpoint: ExpressibleByArgument {}
