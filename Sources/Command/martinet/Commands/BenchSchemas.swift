import ArgumentParser
import Checkpoints
import Dispatch
import Fabric
import Foundation
import JSON
import ModelText
import StructuredOutput
import Synchronization
import Tokenization

/// `martinet bench schemas`: JSON schemas with valid and invalid instances, as MaskBench has them.
struct BenchSchemas: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schemas", abstract: "Which schemas of a folder outputs can be held to, and how fast.",
    discussion: """
      Each file of the folder is an object with a "schema" and "tests", a list of objects with "data" and "valid": the
      layout of MaskBench (github.com/guidance-ai/jsonschemabench, folder maskbench/data). A schema passes when it
      compiles, each valid instance is accepted token by token, and each invalid one is refused. Times are processor
      time of one thread: compiling a schema, and a token's mask with the step behind it.
      """)

  @Argument(help: ArgumentHelp("Folder of files that end in .json, or one such file.", valueName: "dir"))
  var folder: String
  @Option(help: ArgumentHelp("Folder with tokenizer.json. (default: the demonstration model's)", valueName: "dir"))
  var model: String?
  @Option(help: "How instances are written: spaced, compact or indented.") var layout = "spaced"
  @Option(parsing: .unconditional, help: "Take each n-th file only.") var every = 1
  @Option(parsing: .unconditional, help: "Files tried at once; times suffer when cores are shared.") var threads = 1
  @Option(help: ArgumentHelp("Write what became of each file, one JSON object a line.", valueName: "file"))
  var details: String?
  @Flag(help: "One JSON object.") var json = false

  func validate() throws {
    guard SchemaBenchmark.Layout(rawValue: layout) != nil else {
      throw ValidationError("--layout \(layout) is not spaced, compact or indented")
    }
    guard every >= 1 else { throw ValidationError("--every \(every) is not 1 or more") }
    try require("threads", threads, in: 1...256)
  }

  func run() throws {
    try withRanks { communicator in
      guard communicator.isRoot else { return }
      do { try measure() } catch { throw ToldFailure(error: error) }
    }
  }

  private func measure() throws {
    var options = ModelOptions()
    options.model = model
    let tokenizer = try TextCodec(CheckpointFormat.documents(of: try options.folder())).tokenizer()
    let end = tokenizer.eosToken.flatMap { tokenizer.id(of: $0) } ?? 0
    let vocabulary = TokenVocabulary(tokenizer, size: tokenizer.vocabularySize, endTokens: [Int32(end)])
    let benchmark = SchemaBenchmark(
      vocabulary: vocabulary, layout: SchemaBenchmark.Layout(rawValue: layout) ?? .spaced
    ) { try tokenizer.encode($0, addSpecialTokens: false).map { Int32($0) } }
    let files = try names()
    let outcomes = Mutex<[(name: String, outcome: SchemaBenchmark.Outcome?)]>([])
    let next = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: threads) { _ in
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < files.count else { return }
        let outcome = FileManager.default.contents(atPath: files[index])
          .flatMap { try? JSONValue(parsing: Array($0)) }.flatMap { try? benchmark.run($0) }
        outcomes.withLock { $0.append((files[index], outcome)) }
      }
    }
    let sorted = outcomes.withLock { $0 }.sorted { $0.name < $1.name }
    if let details { try write(sorted, to: details) }
    let summary = SchemaBenchmark.Summary(
      sorted.compactMap(\.outcome), unreadableCount: sorted.count { $0.outcome == nil })
    show(json ? summary.json.text(pretty: true) : summary.text)
  }

  private func names() throws -> [String] {
    if folder.hasSuffix(".json") { return [folder] }
    let found = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".json") }.sorted()
    return found.enumerated().filter { $0.offset % every == 0 }.map { "\(folder)/\($0.element)" }
  }

  private func write(_ outcomes: [(name: String, outcome: SchemaBenchmark.Outcome?)], to path: String) throws {
    let lines = outcomes.map { name, outcome in
      var line = JSONObject([("file", .string((name as NSString).lastPathComponent))])
      if let outcome {
        line["passes"] = .bool(outcome.passes)
        line["compile_error"] = outcome.compileError.map { .string($0) }
        line["valid_refused"] = .array(outcome.refused.map { .int($0) })
        line["invalid_accepted"] = .array(outcome.accepted.map { .int($0) })
        line["compile_seconds"] = .double(outcome.compileTime / .seconds(1))
        line["slowest_mask_seconds"] = .double((outcome.maskTimes.max() ?? .zero) / .seconds(1))
      } else {
        line["passes"] = false
      }
      return JSONValue.object(line).text() + "\n"
    }
    try lines.joined().write(toFile: path, atomically: true, encoding: .utf8)
  }
}
