import ArgumentParser
import ClusterCheck
import Fabric
import Foundation
import Inference
import JSON
import Machine
import ModelRuntime

/// `martinet check`: whether hosts are ready for a run, before it.
struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Whether hosts are ready for a run: program, model, memory, cores, links, clocks, limits.",
    discussion: """
      Alone it looks at this machine. With a host file it asks every host by itself first, so that one that cannot be
      reached, or has no program, another one or other files, is named; then it starts ranks on all of them, as a run
      would, and times messages between hosts. Give it the model and the options of the run; what follows -- is for
      mpirun:
        martinet check --model DIR
        martinet check --hostfile hosts --model DIR --weights q8
        martinet check --hostfile hosts --model DIR -- --map-by ppr:1:numa --bind-to numa
      Under a launcher it looks at the ranks that are there: srun -n 8 martinet check --model DIR
      One row a finding: ok, warning (it will run, but not well) or problem (it will not), and what to do. The exit
      status is 1 when there is a problem.
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var speculation: SpeculationFlags
  @OptionGroup var moving: RebalanceRoom
  @Option(help: ArgumentHelp("Hosts, a line each, as for mpirun.", valueName: "file")) var hostfile: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds a host may take to answer; all ranks together may take four times that.", valueName: "s"))
  var timeout = 30
  @Flag(help: "One JSON object.") var json = false

  /// What a process started by another check tells on standard output instead of a table.
  enum Telling: String, ExpressibleByArgument, CaseIterable { case host, run }
  @Option(help: .hidden) var tell: Telling?

  @Argument(
    parsing: .postTerminator,
    help: ArgumentHelp("Options of mpirun, or a launcher and its options.", valueName: "launcher"))
  var launcher: [String] = []

  /// As the run that is checked for takes them.
  var sessionOptions: SessionOptions {
    var options = model.sessionOptions
    (options.speculation, options.experts.moves) = (speculation.options, moving.isKept)
    return options
  }

  /// These options of a run, with those of `model`, as another process takes them.
  func arguments(_ model: ModelOptions) -> [String] { model.arguments + speculation.arguments + moving.arguments }

  func validate() throws {
    try require("timeout", timeout, in: 1...3600)
    if Launch.current.launcher != nil, tell == nil, hostfile != nil || !launcher.isEmpty {
      throw ValidationError("check starts mpirun itself with --hostfile or --; under a launcher, leave both out")
    }
  }

  func run() throws {
    if tell == .host {
      try tellingFailure { show(HostProbe.mark + (try RankCheck(self).hostFacts().json.text())) }
    } else if tell == nil, hostfile != nil || !launcher.isEmpty {
      try examineHosts()
    } else {
      try examineRanks()
    }
  }

  /// The ranks that are there, or this process alone.
  private func examineRanks() throws {
    var hasProblem = false
    try withRanks { communicator in
      guard let facts = try RankCheck(self).facts(communicator) else { return }
      guard tell == nil else { return show(HostProbe.mark + facts.json.text()) }
      let findings =
        HostJudgement(facts).findings + RankJudgement(facts, threadsAreGiven: model.threads != nil).findings
      let report = CheckReport(findings: findings, facts: facts)
      report.print(asJSON: json)
      hasProblem = report.hasProblem
    }
    if hasProblem { throw ExitCode(1) }
  }

  /// Every host by itself, and then all together.
  private func examineHosts() throws {
    try tellingFailure {
      try Interrupt.install()
      let check = HostsCheck(self)
      let report = try check.report()
      report.print(asJSON: json)
      if report.hasProblem { throw ExitCode(1) }
    }
  }
}
