import ArgumentParser
import Benchmarking
import ExpertParallelism
import Foundation
import Inference
import JSON
import Machine
import MoEModel
import Reports
import Telemetry

/// `martinet bench sweep`: how speed, communication and balance change with ranks, experts, batch and context.
struct BenchSweep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Many runs under mpirun, as one study: scaling, communication, balance, and what limits.",
    discussion: """
      Started without mpirun: it starts mpirun itself, for every combination of ranks, batch, prompt length and form of
      sums. Run it again with the same settings to go on after an interruption; what has run is kept in the folder.
      --batch keeps the batch as ranks grow (strong scaling), --batch-per-rank lets it grow with them (weak scaling).
      --experts-per-rank makes models with random weights whose experts grow with the ranks, the rest staying as it is
      in --shape.
        martinet bench sweep --ranks 1,2,4 --batch 1,32 --batch-per-rank 8 --out study
        martinet bench sweep --ranks 2,4,8 --experts-per-rank 8,16 --shape config.json --hostfile hosts --out experts
      The folder gets sweep.html, sweep.csv and sweep.json.
      """)

  @Option(parsing: .unconditional, help: ArgumentHelp("Ranks.", valueName: "n,…")) var ranks = "1,2"
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Sequences in all. (default: 1,16 unless --batch-per-rank is given)", valueName: "n,…"))
  var batch: String?
  @Option(parsing: .unconditional, help: ArgumentHelp("Sequences for each rank.", valueName: "n,…")) var batchPerRank:
    String?
  @Option(parsing: .unconditional, help: ArgumentHelp("Tokens of each prompt.", valueName: "n,…")) var promptLength =
    "128"
  @Option(help: ArgumentHelp("Forms of the sums between ranks: f32, bf16.", valueName: "name,…")) var combineFormat =
    "f32"
  @Option(parsing: .unconditional, help: "Tokens sampled for each prompt.") var outputLength = 32
  @Option(parsing: .unconditional, help: "Measured repetitions of each run.") var repetitions = 3
  @Option(help: ArgumentHelp("Folder of a checkpoint; without it, the demonstration model.", valueName: "dir"))
  var model: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Experts of each layer on each rank, in models made for it; needs --shape.", valueName: "n,…"))
  var expertsPerRank: String?
  @Option(
    help: ArgumentHelp(
      "What those models are otherwise: \(CheckpointShape.names.joined(separator: ", ")), or a config.json.",
      valueName: "name|file.json"))
  var shape: String?
  @Option(help: "How weights are held: auto, mixed, f32, bf16, q8 or q4.") var weights = WeightPrecision.auto
  @Option(parsing: .unconditional, help: "Worker threads of each rank.") var threads: Int?
  @OptionGroup var coreOptions: CoreOptions
  @Option(help: ArgumentHelp("Hosts, for mpirun.", valueName: "file")) var hostfile: String?
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Further options of mpirun, separated by blanks.", valueName: "text"))
  var mpirunOptions = "--bind-to none"
  @Option(help: ArgumentHelp("Folder for results.", valueName: "dir")) var out: String
  @Flag(help: "One JSON object.") var json = false

  func validate() throws {
    _ = try cells()
    try require("output-length", outputLength, in: 2...(1 << 20))
    try require("repetitions", repetitions, in: 1...1000)
    guard (expertsPerRank == nil) == (shape == nil) else {
      throw ValidationError("--experts-per-rank and --shape need each other")
    }
    guard shape == nil || model == nil else { throw ValidationError("--model and --shape exclude each other") }
  }

  private func cells() throws -> [SweepCell] {
    func list(_ name: String, _ text: String, _ limit: Int) throws -> [Int] {
      let numbers = try numbers(name, text, in: 1...limit)
      guard Set(numbers).count == numbers.count else {
        throw ValidationError("--\(name) \(text): a number comes twice")
      }
      return numbers
    }
    let counts = try list("ranks", ranks, 4096).sorted()
    let prompts = try list("prompt-length", promptLength, 1 << 20)
    let experts: [Int?] = try expertsPerRank.map { try list("experts-per-rank", $0, 4096) } ?? [nil]
    let strong = try (batch ?? (batchPerRank == nil ? "1,16" : nil)).map { try list("batch", $0, 4096) } ?? []
    let weak = try batchPerRank.map { try list("batch-per-rank", $0, 4096) } ?? []
    let forms = try combineFormat.split(separator: ",").map { name in
      guard let form = WireFormat.Sums(rawValue: String(name)) else {
        throw ValidationError("--combine-format \(name): f32 or bf16")
      }
      return form
    }
    guard !forms.isEmpty else { throw ValidationError("--combine-format: f32, bf16, or both") }
    let sizes: [(Int, Bool)] = strong.map { ($0, false) } + weak.map { ($0, true) }
    var cells: [SweepCell] = []
    for expert in experts {
      for prompt in prompts {
        for form in forms {
          for (size, isWeak) in sizes {
            for count in counts {
              cells.append(
                SweepCell(
                  ranks: count, expertsPerRank: expert, batch: isWeak ? size * count : size, isWeak: isWeak,
                  promptLength: prompt,
                  combineFormat: form))
            }
          }
        }
      }
    }
    return cells
  }

  func run() throws {
    try tellingFailure {
      do { try sweep() } catch InferenceError.interrupted {
        say("martinet: stopped; the same command goes on from here")
        throw ExitCode(130)
      }
    }
  }

  private func sweep() throws {
    try Interrupt.install()
    let cells = try cells()
    let runner = try makeRunner()
    try runner.prepare()
    var bar = ProgressBar("sweep")
    var results: [SweepResult] = []
    var failed: [SweepCell] = []
    for (i, cell) in cells.enumerated() {
      bar.show(i, of: cells.count, cell.words)
      if let known = runner.result(cell) {
        results.append(known)
      } else if let result = try runner.run(cell) {
        results.append(result)
      } else {
        failed.append(cell)
      }
      // After each run: an interrupted study has its pictures too.
      try write(results, runner)
    }
    bar.finish()
    let page = page(results)
    if json {
      show(page.json.text(pretty: true))
    } else {
      for sentence in page.sentences { show(sentence) }
      show("\(Figures.count(results.count, "run")) in \(out): sweep.html, sweep.csv, sweep.json")
    }
    for cell in failed { say("martinet: \(cell.words) failed; see \(runner.log(cell))") }
    if !failed.isEmpty { throw ExitCode(1) }
  }

  private func page(_ results: [SweepResult]) -> SweepPage {
    SweepPage(
      title: "Sweep of \(shape ?? model.map { URL(filePath: $0).lastPathComponent } ?? "the demonstration model")",
      results: results)
  }

  private func write(_ results: [SweepResult], _ runner: SweepRunner) throws {
    let page = page(results)
    try runner.write(page.html, to: out + "/sweep.html")
    try runner.write(page.csv, to: out + "/sweep.csv")
    try runner.write(page.json.text(pretty: true) + "\n", to: out + "/sweep.json")
  }

  private func makeRunner() throws -> SweepRunner {
    let description = try shape.map { try CheckpointShape($0, weights: .bf16) }
    if let description, description.description.moe == nil {
      throw ValidationError("--shape \(shape ?? "") has no experts")
    }
    if let topK = description?.description.moe?.topK,
      let smallest = try cells().map({ ($0.expertsPerRank ?? topK) * $0.ranks }).min(), smallest < topK
    {
      throw ValidationError(
        """
        a token of --shape chooses \(topK) experts, and the smallest model would have \(smallest): raise \
        --experts-per-rank
        """
      )
    }
    var launcher = ["mpirun"]
    // Containers and small test machines know no other user.
    if geteuid() == 0 { launcher.append("--allow-run-as-root") }
    if let hostfile { launcher += ["--hostfile", hostfile] }
    launcher += mpirunOptions.split(separator: " ").map(String.init)
    var options = [
      "--output-length", "\(outputLength)", "--repetitions", "\(repetitions)", "--weights", weights.rawValue,
    ]
    if let threads { options += ["--threads", "\(threads)"] }
    options += coreOptions.arguments
    let settings: JSONValue = [
      "launcher": .array(launcher.map { .string($0) }), "options": .array(options.map { .string($0) }),
      "model": model.map { .string($0) } ?? .null, "shape": description?.config ?? .null,
    ]
    return SweepRunner(
      folder: out, settings: settings, program: try Self.program(), launcher: launcher, options: options, model: model,
      shape: description?.config)
  }

  /// This program, as mpirun is to start it.
  private static func program() throws -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { throw SweepError.launch("the path of this program is unknown") }
    return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
