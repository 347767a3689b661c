/// What a user gives a launcher: words after `--`, and a host file.
package struct LauncherOptions: Sendable, Equatable {
  /// As for `serve --supervise`: options of mpirun, or another launcher and its options.
  private let words: [String]
  private let hostfile: String?
  private let isRoot: Bool

  package init(words: [String], hostfile: String?, isRoot: Bool) {
    (self.words, self.hostfile, self.isRoot) = (words, hostfile, isRoot)
  }

  private static let hostfileOptions: Set<String> = [
    "--hostfile", "-hostfile", "--machinefile", "-machinefile", "--default-hostfile",
  ]
  private static let hostOptions: Set<String> = ["--host", "-host", "-H"]
  /// Those that decide how many ranks run and where.
  private static let layoutOptions: Set<String> = [
    "-n", "--n", "-np", "--np", "-c", "-N", "--map-by", "-map-by", "--npernode", "-npernode", "--rankfile", "-rf",
    "--ppr",
  ]
  /// Those that decide how hosts are reached, with the number of words that follow them.
  private static let reachOptions: [String: Int] = [
    "--mca": 2, "-mca": 2, "--gmca": 2, "-gmca": 2, "-x": 1, "--prefix": 1, "-prefix": 1, "--tune": 1, "-tune": 1,
    "--am": 1, "-am": 1,
    "--allow-run-as-root": 0, "-allow-run-as-root": 0,
  ]

  /// Whether mpirun is what starts the ranks.
  package var isMPIRun: Bool { words.first.map { $0.hasPrefix("-") || $0.hasSuffix("mpirun") } ?? true }

  private var options: [String] { words.first.map { $0.hasPrefix("-") } ?? true ? words : Array(words.dropFirst()) }
  private var program: String { words.first.flatMap { $0.hasPrefix("-") ? nil : $0 } ?? "mpirun" }

  private func values(of names: Set<String>) -> [String] {
    zip(options, options.dropFirst()).filter { names.contains($0.0) }.map(\.1)
  }

  /// The host files named, one option's or the other's.
  package var hostfiles: [String] { (hostfile.map { [$0] } ?? []) + (isMPIRun ? values(of: Self.hostfileOptions) : []) }

  /// Names given in place of a file.
  package var hosts: [String] { isMPIRun ? values(of: Self.hostOptions).flatMap { HostList.names(inList: $0) } : [] }

  private var start: [String] {
    guard isMPIRun else { return [program] }
    return [program]
      + (isRoot && !options.contains { $0.hasSuffix("-allow-run-as-root") } ? ["--allow-run-as-root"] : [])
  }

  /// Starts the ranks of a run; unless told otherwise, one on each host with all its cores.
  package func run(_ command: [String]) -> [String] {
    guard isMPIRun else { return start + options + command }
    var line = start
    if let hostfile { line += ["--hostfile", hostfile] }
    let isLaidOut = options.contains { Self.layoutOptions.contains($0) }
    if !isLaidOut { line += ["--map-by", "ppr:1:node", "--bind-to", "none"] }
    return line + options + command
  }

  /// Starts one process on one host, reached as the ranks will be. Only for mpirun.
  package func probe(_ host: String, _ command: [String]) -> [String] {
    var kept: [String] = []
    var index = 0
    while index < options.count {
      let count = Self.reachOptions[options[index]]
      if let count { kept += options[index..<min(options.count, index + 1 + count)] }
      index += 1 + (count ?? 0)
    }
    return start + kept + ["--host", host, "-n", "1", "--bind-to", "none"] + command
  }
}
