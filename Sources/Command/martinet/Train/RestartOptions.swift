import ArgumentParser
import Machine

/// How a supervised training is watched and started again.
struct RestartOptions: ParsableArguments {
  @Flag(
    help:
      """
      Run the ranks in a job that is watched, and started again from its last checkpoint when it ends or hangs; \
      what follows -- is for mpirun, or another launcher by its name.
      """
  )
  var supervise = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Under supervision: how long starts may go on failing without a step before no more is tried.",
      valueName: "seconds"))
  var restartFor = 1800

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Under supervision: starts in a row without a step before no more is tried, however soon. (default: any number)",
      valueName: "n"))
  var maxRestarts: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Under supervision: how long nothing may be heard of a job, no step and no word of its start, before it is \
      ended and started again; 0 for ever.
      """,
      valueName: "seconds"))
  var stallLimit = 1800

  /// Whether this is the job of a supervisor.
  @Flag(help: .hidden)
  var supervisedJob = false

  @Argument(
    parsing: .postTerminator,
    help: ArgumentHelp("Under supervision: options of mpirun, or a launcher and its options.", valueName: "launcher"))
  var launcher: [String] = []

  func validate() throws {
    if !launcher.isEmpty, !supervise, !supervisedJob {
      throw ValidationError("what follows -- is for --supervise; without it, put mpirun before martinet")
    }
    try require("max-restarts", maxRestarts, in: 0...1_000_000)
    try require("restart-for", restartFor, in: 0...31_536_000)
    try require("stall-limit", stallLimit, in: 0...31_536_000)
  }

  /// What starts a job whose command line was `words`, the program's name apart: a launcher, and this program as its
  /// ranks.
  func job(of words: [String], resumes: Bool) -> [String] {
    var launcher = launcher
    if let first = launcher.first, first.hasPrefix("-") { launcher.insert("mpirun", at: 0) }
    var own = words.prefix { $0 != "--" }.filter { $0 != "--supervise" }
    own.append("--supervised-job")
    if resumes, !own.contains("--resume") { own.append("--resume") }
    return launcher + [ProgramFile.path ?? CommandLine.arguments[0]] + own
  }
}
