import ArgumentParser
import ClusterCheck
import Foundation
import Machine
import Reports

/// A check of several hosts, from one of them or from outside.
struct HostsCheck {
  private static let hostFileLimit = 1 << 20

  private let command: Check
  private let options: LauncherOptions

  init(_ command: Check) {
    self.command = command
    options = LauncherOptions(words: command.launcher, hostfile: command.hostfile, isRoot: geteuid() == 0)
  }

  func report() throws -> CheckReport {
    guard let program = ProgramFile.path else {
      throw MachineError.system(
        call: "readlink /proc/self/exe", errno: ENOENT, reason: "the path of this program is unknown")
    }
    let names = try hosts()
    var findings: [Finding] = []
    if !names.isEmpty {
      say("martinet: asking \(Figures.count(names.count, "host"))")
      let asked = ask(names, program)
      findings = asked.findings
      guard asked.isReady else {
        findings.append(
          Finding(
            "ranks", .problem,
            "not started: links, clocks, memory and cores are looked at once the hosts above answer alike"))
        return CheckReport(findings: findings, facts: nil)
      }
    }
    say("martinet: starting ranks")
    return run(program, findings)
  }

  private func hosts() throws -> [String] {
    var names: [String] = options.hosts
    for file in options.hostfiles {
      guard let handle = FileHandle(forReadingAtPath: file), let data = try? handle.read(upToCount: Self.hostFileLimit)
      else {
        throw ValidationError("the host file \(file) cannot be read: it has a name of a host on each line")
      }
      let found = HostList.names(inFile: String(decoding: data, as: UTF8.self))
      guard !found.isEmpty else { throw ValidationError("the host file \(file) names no host") }
      names += found.filter { !names.contains($0) }
    }
    return names
  }

  private func arguments(_ telling: Check.Telling) -> [String] {
    ["check", "--tell", telling.rawValue, "--timeout", "\(command.timeout)"] + command.arguments(command.model)
  }

  private func ask(_ names: [String], _ program: String) -> (findings: [Finding], isReady: Bool) {
    let (options, line) = (options, [program] + arguments(.host))
    let probes = HostProbe.askAll(
      names, program: program, limit: .seconds(command.timeout), isWanted: { !Interrupt.requested }
    ) {
      options.probe($0, line)
    }
    var (failed, answers): ([Finding], [(name: String, facts: HostFacts)]) = ([], [])
    for probe in probes {
      switch probe.answer {
      case .facts(let facts): answers.append((probe.host, facts))
      case .failed(let finding): failed.append(finding)
      }
    }
    var findings = failed
    if failed.isEmpty {
      findings.append(
        Finding(
          "hosts", .ok,
          """
          \(Figures.count(names.count, "host")) reached: \
          \(names.prefix(8).joined(separator: ", "))\(names.count > 8 ? " and \(names.count - 8) more" : "")
          """
        ))
    }
    if !answers.isEmpty { findings += HostJudgement(answers).findings }
    let stops = findings.contains { $0.status == .problem && ["hosts", "program", "Open MPI"].contains($0.subject) }
    return (findings, !stops)
  }

  /// Starts the ranks as a run would, and adds what they find.
  private func run(_ program: String, _ before: [Finding]) -> CheckReport {
    func failed(_ words: String, _ advice: String) -> CheckReport {
      CheckReport(findings: before + [Finding("ranks", .problem, words, advice: advice)], facts: nil)
    }
    let limit = 4 * command.timeout
    let line = options.run([program] + arguments(.run))
    let outcome: TimedCommand
    do { outcome = try TimedCommand.run(line, limit: .seconds(limit), isWanted: { !Interrupt.requested }) } catch {
      return failed("\(line[0]) cannot be started: \(error)", "it must be in a folder of PATH")
    }
    let network =
      """
      hosts must reach each other on all TCP ports; name their common network (--mca btl_tcp_if_include \
      NETWORK/BITS --mca oob_tcp_if_include NETWORK/BITS after --); see deploy/network.md
      """
    if let told = HostProbe.told(outcome.output) {
      do {
        let facts = try ClusterFacts(json: told)
        let together = HostJudgement(facts).findings
        let hosts =
          before.isEmpty
          ? together
          : before.map { finding in
            // Ranks compare more of the model than hosts asked alone can; what a host was found to lack stays said.
            guard finding.subject == "model", let closer = together.first(where: { $0.subject == "model" }),
              finding.status == .ok || closer.status == .problem
            else { return finding }
            return closer
          }
        return CheckReport(
          findings: hosts + RankJudgement(facts, threadsAreGiven: command.model.threads != nil).findings, facts: facts)
      } catch { return failed("\(error)", "run one program on all hosts") }
    }
    guard outcome.end != .tooLate else { return failed("they did not meet within \(limit) s", network) }
    let own = outcome.errors.split(whereSeparator: \.isNewline).first { $0.contains("martinet: ") }.map(String.init)
    return failed("they ended without a word: \(own ?? outcome.lastWords)", network)
  }
}
