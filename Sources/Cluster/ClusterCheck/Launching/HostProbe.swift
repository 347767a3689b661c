import JSON
import Machine

/// One host asked for its facts, through the launcher that will start ranks there.
package struct HostProbe: Sendable {
  /// Begins the line of standard output that holds what a process tells; the rest of the line is a JSON object.
  package static let mark = "@martinet-check "

  package enum Answer: Sendable {
    case facts(HostFacts)
    case failed(Finding)
  }

  package var host: String
  package var answer: Answer

  /// What a process wrote behind the mark, if it did.
  package static func told(_ output: String) -> JSONValue? {
    for line in output.split(whereSeparator: \.isNewline) {
      guard let place = line.firstRange(of: mark) else { continue }
      if let value = try? JSONValue(parsing: Array(line[place.upperBound...].utf8)) { return value }
    }
    return nil
  }

  /// Asks a host within `limit`.
  package static func ask(
    _ host: String, command: [String], program: String, limit: Duration, isWanted: () -> Bool = { true }
  ) -> HostProbe {
    let outcome: TimedCommand
    do { outcome = try TimedCommand.run(command, limit: limit, isWanted: isWanted) } catch {
      return HostProbe(
        host: host,
        answer: .failed(
          Finding(
            "hosts", .problem, hosts: [host], "\(command[0]) cannot be started: \(error)",
            advice: "it must be in a folder of PATH")))
    }
    return HostProbe(host: host, answer: judge(outcome, host: host, program: program, limit: limit))
  }

  static func judge(_ outcome: TimedCommand, host: String, program: String, limit: Duration) -> Answer {
    if let told = told(outcome.output) {
      do { return .facts(try HostFacts(json: told)) } catch {
        return .failed(
          Finding(
            "program", .problem, hosts: [host], "\(program) on \(host) is another version: \(error)",
            advice: "copy \(program) and the files beside it to \(host)"))
      }
    }
    func failed(_ subject: String, _ words: String, _ advice: String) -> Answer {
      .failed(Finding(subject, .problem, hosts: [host], words, advice: advice))
    }
    if outcome.end == .tooLate {
      return failed(
        "hosts", "\(host) did not answer within \(limit.components.seconds) s",
        "try \"ssh \(host) true\": it must come back by itself, without a question; --timeout gives it longer")
    }
    let said = outcome.errors
    if said.contains("could not access") || said.contains("unable to find the specified executable")
      || said.contains("No such file or directory: \(program)")
    {
      return failed(
        "program", "\(host) has no program \(program)",
        "copy it and the files beside it to \(host), at the same path, or use one that all hosts see")
    }
    // The program's own refusal of a command that it does not know.
    if said.contains("Usage: martinet") || said.contains("Unexpected argument") || said.contains("Unknown option") {
      return failed(
        "program", "\(program) on \(host) is an older version, which has no check",
        "copy \(program) and the files beside it to \(host)")
    }
    if said.contains("error while loading shared libraries") {
      let line =
        said.split(whereSeparator: \.isNewline).first { $0.contains("error while loading shared libraries") } ?? ""
      return failed(
        "program", "\(program) does not start on \(host): \(line)",
        "install the library on \(host) (deploy/install-packages.sh names the packages)")
    }
    if let line = said.split(whereSeparator: \.isNewline).first(where: { $0.hasPrefix("martinet: ") }) {
      return failed("program", "\(host): \(line.dropFirst(10))", "run \"\(program) check\" on \(host)")
    }
    let unreachable = [
      "ssh: ", "Host key verification", "Permission denied", "Could not resolve", "not able to start",
      "unable to reliably start", "daemon",
    ]
    if let line = said.split(whereSeparator: \.isNewline).first(where: { line in
      unreachable.prefix(4).contains { line.contains($0) }
    }) {
      return failed(
        "hosts", "\(host) cannot be reached: \(line)",
        "try \"ssh \(host) true\": it must come back by itself, without a question")
    }
    if unreachable.contains(where: { said.contains($0) }) {
      return failed(
        "hosts", "\(host) cannot be reached: \(outcome.firstWords)",
        "try \"ssh \(host) orted --version\": the name must be known, ssh must not ask, and Open MPI must be there")
    }
    return failed("hosts", "\(host) told nothing: \(outcome.lastWords)", "try \"ssh \(host) \(program) check\"")
  }

  /// Asks all, some at a time, in threads of their own; answers come in the order of `hosts`. A host that has said
  /// nothing for `limit` is given up.
  package static func askAll(
    _ hosts: [String], program: String, limit: Duration, isWanted: @escaping @Sendable () -> Bool,
    command: @escaping @Sendable (String) -> [String]
  ) -> [HostProbe] {
    ProbeCrew(
      hosts.map { host in { ask(host, command: command(host), program: program, limit: limit, isWanted: isWanted) } }
    ).run()
  }
}
