import ArgumentParser
import Evaluation
import Inference

/// What `eval` and `audit` have in common beside the model: the endpoint in its place, and what is written.
struct EvaluationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Ask a server that speaks OpenAI's API instead of a model in this process.", valueName: "http://host:port"))
  var endpoint: String?

  @Option(help: ArgumentHelp("The endpoint's model. (default: the first that it lists)", valueName: "name"))
  var endpointModel: String?

  @Option(help: ArgumentHelp("Sent to the endpoint as bearer token: the first line of this file.", valueName: "file"))
  var apiKeyFile: String?

  @Option(
    help: ArgumentHelp(
      "Certificates (PEM) that vouch for an https endpoint, in place of those this host trusts.", valueName: "file"))
  var caCertificate: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("Most requests to the endpoint at once.", valueName: "n"))
  var concurrency = 32

  @Option(parsing: .unconditional, help: "Seconds that a request to an endpoint may take.") var timeout = 600.0

  @Option(parsing: .unconditional, help: ArgumentHelp("Only the first n items of each task.", valueName: "n"))
  var limit: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Most tokens of an answer. (default: as the task says)", valueName: "n"))
  var maxNewTokens: Int?

  @Option(
    parsing: .unconditional, help: "Of the sampling, where a task samples: every answer's own seed follows from it.")
  var seed: UInt64 = 0

  @Option(help: ArgumentHelp("Write results with every answer.", valueName: "file.json")) var out: String?

  @Option(help: ArgumentHelp("Write a page where every answer can be read and filtered.", valueName: "file.html"))
  var report: String?

  @Option(help: ArgumentHelp("Compare item by item with what --out wrote for another model.", valueName: "file.json"))
  var compare: String?

  @OptionGroup var speculation: SpeculationFlags

  @Flag(help: "One JSON object a task, on a line of its own.") var json = false

  func validate() throws {
    try require("concurrency", concurrency, in: 1...10_000)
    try require("timeout", timeout, in: 0.001...1_000_000)
    try require("limit", limit, in: 1...100_000_000)
    try require("max-new-tokens", maxNewTokens, in: 1...(1 << 20))
    if endpoint == nil {
      for (name, value) in [
        ("endpoint-model", endpointModel), ("api-key-file", apiKeyFile), ("ca-certificate", caCertificate),
      ] where value != nil { throw ValidationError("--\(name) needs --endpoint") }
    }
    if endpoint != nil, speculation.speculate != .off {
      throw ValidationError("--speculate is for a model in this process, not for an --endpoint")
    }
    let files = [out, report].compactMap { $0 }
    if Set(files).count < files.count { throw ValidationError("--out and --report need different files") }
    if let report, report == compare { throw ValidationError("--report and --compare need different files") }
  }

  /// Throws where there are two places to ask.
  func check(_ model: ModelOptions) throws {
    guard endpoint == nil || model.model == nil else {
      throw ValidationError(
        "--model and --endpoint are two places to ask; give one (--endpoint-model names an endpoint's)")
    }
  }

  /// Finds files that cannot be read or written before the work and not after it; on rank 0.
  func checkFiles() throws {
    for path in [out, report].compactMap({ $0 }) { try ReportFile.check(path) }
    if let compare { _ = try EvaluationOutput.results(compare) }
  }

  /// Throws where what is to be compared with is no run, or one of other tasks.
  func checkComparison(_ runs: [TaskRun]) throws {
    guard let compare else { return }
    try RunComparison.check(
      EvaluationOutput.results(compare), file: compare, names: runs.map(\.task.description.name))
  }

  /// The tasks, read whole.
  func runs(_ names: [String]) throws -> [TaskRun] {
    try names.map { name in
      var task = try EvaluationTask(name, limit: limit)
      if let maxNewTokens { task.limitAnswers(to: maxNewTokens) }
      return TaskRun(task, seed: seed)
    }
  }
}
