import Foundation
import TestSupport

/// The built program, which lies beside the test bundle, on its own or under mpirun.
enum Program {
  static let path = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    .appendingPathComponent("martinet").path

  /// Where programs under test find their keeper of weights, and nobody else.
  static let keeperFolder = TemporaryFolder.ofProcess.file("keeper")

  struct Outcome {
    /// The exit status; 128 and the signal's number where a signal ended it.
    let status: Int32
    let output: String
    let errors: String

    /// Ends that no input may cause: a trap's signals (129 to 159, but for 130, a polite interruption), or a time
    /// limit.
    var isCrash: Bool { (status > 128 && status < 160 && status != 130) || status == 124 || status == 110 }
    var lines: [String] { output.split(separator: "\n").map { String($0) } }
  }

  static func mpirun(ranks: Int) -> [String] {
    ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--timeout", "900", "-n", "\(ranks)"]
  }

  /// Runs the program to its end; without `ranks`, alone. Nothing takes minutes unless it hangs.
  static func run(_ arguments: [String], ranks: Int? = nil) throws -> Outcome {
    let launch = ranks.map { mpirun(ranks: $0) } ?? ["timeout", "900"]
    return try execute(launch + [path] + arguments)
  }

  /// Runs any command line to its end.
  static func execute(_ command: [String]) throws -> Outcome {
    let running = try RunningProgram(command)
    running.process.waitUntilExit()
    return try running.outcome()
  }
}

/// A command under way, its two streams going to files.
final class RunningProgram {
  let process = Process()
  private let folder = TemporaryFolder()

  init(_ command: [String], output: Pipe? = nil) throws {
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    // The tests themselves may run under a launcher or in a batch job; a backtrace would take minutes; and what mpirun
    // leaves behind when it is killed goes away with the folder.
    process.environment = ProcessInfo.processInfo.environment.filter { name, _ in
      !["OMPI_", "PMI", "SLURM_"].contains { name.hasPrefix($0) }
    }.merging(["SWIFT_BACKTRACE": "enable=no", "TMPDIR": folder.path, "MARTINET_KEEPER_FOLDER": Program.keeperFolder]) {
      $1
    }
    if let output { process.standardOutput = output } else { process.standardOutput = try file("output") }
    process.standardError = try file("errors")
    process.standardInput = FileHandle.nullDevice
    try runUnblocked()
  }

  /// Starts the process with no signal blocked: it inherits this thread's mask, and a task's thread blocks most.
  private func runUnblocked() throws {
    var (none, before) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
  }

  deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

  private func file(_ name: String) throws -> FileHandle {
    try FileHandle(forWritingTo: URL(filePath: folder.write([], as: name)))
  }

  private func text(_ name: String) -> String {
    String(decoding: (try? Data(contentsOf: URL(filePath: folder.file(name)))) ?? Data(), as: UTF8.self)
  }

  var outputSoFar: String { text("output") }
  var errorsSoFar: String { text("errors") }

  /// Waits until at least `count` bytes of output have come; false when they do not.
  func waitForOutput(_ count: Int) -> Bool {
    waitUntil { outputSoFar.utf8.count >= count }
  }

  /// Waits until standard error has `text`; false when it does not get it.
  func waitForErrors(_ text: String) -> Bool {
    waitUntil { errorsSoFar.contains(text) }
  }

  /// Waits until something is so; false when it is not when the program has ended, or after minutes.
  func waitUntil(_ isSo: () -> Bool) -> Bool {
    var hasEnded = false
    return eventually {
      // What was written last is there once the process is not.
      hasEnded = !process.isRunning
      return isSo() || hasEnded
    } && (!hasEnded || isSo())
  }

  /// Waits until the program, or all ranks of mpirun, have computed for so many seconds, of all threads together, from
  /// now on.
  func waitForWork(seconds: Double) -> Bool {
    let before = processorSeconds
    return waitUntil { processorSeconds >= before + seconds }
  }

  private var processorSeconds: Double {
    let ids = [process.processIdentifier] + ranks().values
    return ids.reduce(0) { $0 + Self.processorSeconds(of: $1) }
  }

  /// Of all its threads.
  private static func processorSeconds(of id: pid_t) -> Double {
    guard let stat = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
      let end = stat.lastIndex(of: ")")
    else { return 0 }
    let ticks = stat[end...].split(separator: " ").dropFirst(12).prefix(2).compactMap { Double($0) }
    return ticks.reduce(0, +) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  /// Whether it ends: false when minutes do not suffice.
  func ends() -> Bool { eventually { !process.isRunning } }

  /// What came of it; ends it first where it has not ended.
  func outcome() throws -> Program.Outcome {
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    let status = process.terminationStatus + (process.terminationReason == .uncaughtSignal ? 128 : 0)
    return Program.Outcome(status: status, output: text("output"), errors: text("errors"))
  }

  /// Process ids of the ranks of mpirun, which this is or has started, by rank.
  func ranks() -> [Int: pid_t] {
    var children: [pid_t: [pid_t]] = [:]
    for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
      guard let pid = pid_t(name), let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
        let end = stat.lastIndex(of: ")"),
        let parent = stat[end...].split(separator: " ").dropFirst(2).first.flatMap({ pid_t($0) })
      else { continue }
      children[parent, default: []].append(pid)
    }
    var ranks: [Int: pid_t] = [:]
    var next = [process.processIdentifier]
    while let parent = next.popLast() {
      for pid in children[parent] ?? [] {
        next.append(pid)
        if let rank = Self.rank(of: pid) { ranks[rank] = pid }
      }
    }
    return ranks
  }

  private static func rank(of pid: pid_t) -> Int? {
    guard let environment = try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/environ")) else { return nil }
    for variable in environment.split(separator: 0) {
      let parts = String(decoding: variable, as: UTF8.self).split(separator: "=")
      if parts.first == "OMPI_COMM_WORLD_RANK", let rank = parts.last.flatMap({ Int($0) }) { return rank }
    }
    return nil
  }
}
