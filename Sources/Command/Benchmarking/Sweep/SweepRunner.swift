import ExpertParallelism
import Foundation
import Inference
import JSON
import Machine
import Reports

/// Starts the runs of a sweep, one after another, and keeps what each reported in a folder; what is there already is
/// not run again.
package struct SweepRunner {
  let folder: String
  /// What decides the results: a folder with other settings is not continued.
  let settings: JSONValue
  let program: String
  /// Before the program.
  let launcher: [String]
  /// After `bench generate`, for every run.
  let options: [String]
  /// The folder or the configuration to vary.
  let model: String?
  let shape: JSONValue?

  package init(
    folder: String, settings: JSONValue, program: String, launcher: [String], options: [String], model: String?,
    shape: JSONValue?
  ) {
    (self.folder, self.settings, self.program, self.launcher) = (folder, settings, program, launcher)
    (self.options, self.model, self.shape) = (options, model, shape)
  }

  private var cells: String { folder + "/cells" }
  private func report(_ cell: SweepCell) -> String { "\(cells)/\(cell.name).json" }
  package func log(_ cell: SweepCell) -> String { "\(cells)/\(cell.name).log" }

  /// Makes the folder, or checks that it is this sweep's.
  package func prepare() throws {
    let path = folder + "/settings.json"
    if let bytes = FileManager.default.contents(atPath: path) {
      guard (try? JSONValue(parsing: Array(bytes))) == settings else { throw SweepError.otherSettings(folder: folder) }
    }
    do { try FileManager.default.createDirectory(atPath: cells, withIntermediateDirectories: true) } catch {
      throw SweepError.file(path: cells, reason: "\(error.localizedDescription)")
    }
    try write(settings.text(pretty: true) + "\n", to: path)
  }

  package func write(_ text: String, to path: String) throws {
    do { try Data(text.utf8).write(to: URL(filePath: path), options: .atomic) } catch {
      throw SweepError.file(path: path, reason: "\(error.localizedDescription)")
    }
  }

  /// What a run reported; nil where it has not run, or did not finish.
  package func result(_ cell: SweepCell) -> SweepResult? {
    guard let bytes = FileManager.default.contents(atPath: report(cell)),
      let json = try? JSONValue(parsing: Array(bytes)),
      let report = try? RunReport(json: json), report.rankCount == cell.ranks
    else { return nil }
    return SweepResult(
      ranks: cell.ranks, expertsPerRank: cell.expertsPerRank, batch: cell.batch, isWeak: cell.isWeak,
      promptLength: cell.promptLength,
      combineFormat: cell.combineFormat.rawValue, report: report)
  }

  /// Runs one; nil when it failed, with its words in its log. Throws `InferenceError.interrupted` when asked to stop.
  package func run(_ cell: SweepCell) throws -> SweepResult? {
    var arguments =
      launcher + [
        "-n", "\(cell.ranks)", program, "bench", "generate", "--batch", "\(cell.batch)", "--prompt-length",
        "\(cell.promptLength)",
      ]
    arguments += ["--combine-format", cell.combineFormat.rawValue]
    if let folder = try modelFolder(cell) { arguments += ["--model", folder] }
    let partial = report(cell) + ".partial"
    let status = try start(arguments + options + ["--report-json", partial], log: log(cell))
    guard status == 0 else { return nil }
    // Under its name only when whole.
    _ = rename(partial, report(cell))
    return result(cell)
  }

  /// The model of a run: one that everybody has, or one with as many experts as its ranks ask for, made when first
  /// needed.
  private func modelFolder(_ cell: SweepCell) throws -> String? {
    guard let perRank = cell.expertsPerRank, var config = shape?.object else { return model }
    let count = perRank * cell.ranks
    let path = "\(folder)/models/experts\(count)"
    guard !FileManager.default.fileExists(atPath: path + "/done") else { return path }
    for key in ["n_routed_experts", "num_experts", "num_local_experts"] where config[key] != nil {
      config[key] = .int(count)
    }
    // Groups of experts must be equal.
    if let groups = config["n_group"]?.exactInt, groups < 1 || count % groups != 0 || count / groups < 2 {
      (config["n_group"], config["topk_group"]) = (1, 1)
    }
    try? FileManager.default.removeItem(atPath: path)
    do { try FileManager.default.createDirectory(atPath: folder + "/models", withIntermediateDirectories: true) } catch
    {
      throw SweepError.file(path: folder + "/models", reason: "\(error.localizedDescription)")
    }
    try write(JSONValue.object(config).text(pretty: true), to: path + ".json")
    let log = path + ".log"
    guard try start([program, "bench", "make-checkpoint", "--shape", path + ".json", path], log: log) == 0 else {
      throw SweepError.make(model: path, log: log)
    }
    try write("", to: path + "/done")
    return path
  }

  /// Runs a command to its end, its output in `log`, and returns its status.
  private func start(_ arguments: [String], log: String) throws -> Int32 {
    _ = FileManager.default.createFile(atPath: log, contents: Data((arguments.joined(separator: " ") + "\n").utf8))
    guard let output = FileHandle(forWritingAtPath: log) else {
      throw SweepError.file(path: log, reason: String(cString: strerror(errno)))
    }
    output.seekToEndOfFile()
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    do { try process.run() } catch { throw SweepError.launch("\(error.localizedDescription)") }
    while process.isRunning {
      usleep(50_000)
      guard Interrupt.requested else { continue }
      process.terminate()
      process.waitUntilExit()
      throw InferenceError.interrupted
    }
    process.waitUntilExit()
    return process.terminationStatus
  }
}
