import ArgumentParser
import Machine
import ModelRuntime

/// Whether weights outlive the processes that use them.
struct KeepingFlags: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Have a small process on each host keep the packed weights, for a job that is started again to take instead \
      of reading files: off; restarts, until this one ends in good order; always, after that too. (default: \
      restarts under --supervise, otherwise off)
      """,
      valueName: "off|restarts|always"))
  var keepWeights: KeepingOptions.Mode?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How long weights are kept when no process uses them.", valueName: "seconds"))
  var keepWeightsFor = 600

  func validate() throws { try require("keep-weights-for", keepWeightsFor, in: 0...KeeperLimits.seconds) }

  /// These options as a supervised job takes them.
  var arguments: [String] {
    ["--keep-weights", (keepWeights ?? .restarts).rawValue, "--keep-weights-for", "\(keepWeightsFor)"]
  }

  var options: KeepingOptions {
    var options = KeepingOptions()
    (options.mode, options.seconds) = (keepWeights ?? .off, keepWeightsFor)
    options.command = [ProgramFile.path ?? CommandLine.arguments[0], KeepWeights._commandName]
    return options
  }
}

extension KeepingOptions.Mode: ExpressibleByArgument {}
