import JSON
import Testing

@testable import ClusterCheck

@Suite struct LaunchingTests {
  @Test func hostFilesAreReadAsOpenMPIDoes() {
    let text = "# hosts\nnode1 slots=4 max_slots=8\n\n  user@node2:2  # second\nnode1\nfe80::1 slots=2\n[fe80::2]:4\n"
    #expect(HostList.names(inFile: text) == ["node1", "node2", "fe80::1", "fe80::2"])
    #expect(HostList.names(inList: "a,b:2,,a") == ["a", "b"])
    #expect(HostList.names(inFile: "# nobody\n").isEmpty)
  }

  @Test func unlessToldOtherwiseOneRankRunsOnEachHost() {
    let options = LauncherOptions(words: [], hostfile: "hosts", isRoot: false)
    #expect(
      options.run(["p"]) == ["mpirun", "--hostfile", "hosts", "--map-by", "ppr:1:node", "--bind-to", "none", "p"])
    #expect(options.probe("node1", ["p"]) == ["mpirun", "--host", "node1", "-n", "1", "--bind-to", "none", "p"])
    #expect(options.hostfiles == ["hosts"])
  }

  @Test func theUsersLayoutIsKeptAndHostsAreReachedInHisWay() {
    let words = [
      "--mca", "plm_rsh_agent", "agent", "-n", "8", "--map-by", "ppr:2:numa", "--host", "a:4,b:4", "-x", "KEY",
      "--bind-to", "numa",
    ]
    let options = LauncherOptions(words: words, hostfile: nil, isRoot: true)
    #expect(options.run(["p"]) == ["mpirun", "--allow-run-as-root"] + words + ["p"])
    #expect(
      options.probe("b", ["p"]) == [
        "mpirun", "--allow-run-as-root", "--mca", "plm_rsh_agent", "agent", "-x", "KEY", "--host", "b", "-n", "1",
        "--bind-to", "none", "p",
      ])
    #expect(options.hosts == ["a", "b"])
  }

  @Test func anotherLauncherIsTakenAsItIs() {
    let options = LauncherOptions(words: ["srun", "-n", "4", "--host", "a"], hostfile: nil, isRoot: true)
    #expect(
      !options.isMPIRun && options.run(["p"]) == ["srun", "-n", "4", "--host", "a", "p"] && options.hosts.isEmpty)
    #expect(LauncherOptions(words: ["/opt/openmpi/bin/mpirun", "-n", "2"], hostfile: nil, isRoot: false).isMPIRun)
    // An option cut short.
    #expect(LauncherOptions(words: ["--mca", "a"], hostfile: nil, isRoot: false).probe("h", []).contains("a"))
  }

  private func run(_ script: String, seconds: Int = 900) throws -> TimedCommand {
    try TimedCommand.run(["sh", "-c", script], limit: .seconds(seconds))
  }

  @Test func aCommandsWordsAndEndAreKept() throws {
    let outcome = try run("echo out; echo err >&2; exit 3")
    #expect(outcome.end == .exited(3) && outcome.output == "out\n" && outcome.lastWords == "err")
    let framed = TimedCommand(
      end: .exited(1), output: "", errors: "----\nno such namespace\n----\nORTE could not start\n----\n")
    #expect(framed.firstWords == "no such namespace" && framed.lastWords == "ORTE could not start")
    #expect(try run("kill -9 $$").end == .signalled(9))
    // More than a pipe holds.
    #expect(try run("head -c 1000000 /dev/zero | tr '\\0' x").output.count == 1_000_000)
  }

  /// Also one that ignores what it is asked, and whose child keeps the pipes open.
  @Test(.timeLimit(.minutes(20))) func aCommandThatHangsIsEnded() throws {
    #expect(try run("trap '' TERM; setsid sleep 3000 & sleep 3000", seconds: 1).end == .tooLate)
  }

  @Test(.timeLimit(.minutes(20))) func whatIsNotWantedAnyMoreEnds() throws {
    #expect(try TimedCommand.run(["sleep", "3000"], limit: .seconds(3000), isWanted: { false }).end == .tooLate)
  }

  struct Saying: CustomTestStringConvertible, Sendable {
    let errors: String
    let subject: String
    let word: String
    var testDescription: String { word }
  }

  static let sayings = [
    Saying(
      errors: "ssh: Could not resolve hostname h: Name or service not known", subject: "hosts",
      word: "cannot be reached"),
    Saying(
      errors: "Permission denied (publickey).\nORTE was unable to reliably start one or more daemons.",
      subject: "hosts", word: "Permission denied"),
    Saying(
      errors:
        """
        mpirun was unable to launch the specified application as it could not access\nor execute an \
        executable:\n\nExecutable: /p
        """,
      subject: "program", word: "has no program /p"),
    Saying(
      errors: "Error: Unexpected argument 'check'\nUsage: martinet <subcommand>", subject: "program",
      word: "older version"),
    Saying(
      errors: "/p: error while loading shared libraries: libnuma.so.1: cannot open", subject: "program",
      word: "libnuma.so.1"),
    Saying(errors: "martinet: something is wrong", subject: "program", word: "something is wrong"),
    Saying(errors: "", subject: "hosts", word: "told nothing"),
  ]

  @Test(arguments: sayings) func whatAHostSaysBecomesAReason(saying: Saying) throws {
    let outcome = TimedCommand(end: .exited(1), output: "", errors: saying.errors)
    guard case .failed(let finding) = HostProbe.judge(outcome, host: "h", program: "/p", limit: .seconds(3)) else {
      Issue.record("taken for an answer")
      return
    }
    #expect(
      finding.subject == saying.subject && finding.words.contains(saying.word) && finding.hosts == ["h"]
        && finding.advice != nil, "\(finding)")
  }

  @Test func anAnswerIsFoundAmongOtherLines() throws {
    let facts = try Invented.host("node1")
    let outcome = TimedCommand(
      end: .exited(0), output: "a login's greeting\n[1,0]<stdout>:\(HostProbe.mark)\(facts.json.text())\nbye\n",
      errors: "")
    guard case .facts(let told) = HostProbe.judge(outcome, host: "node1", program: "/p", limit: .seconds(3)) else {
      Issue.record("not understood")
      return
    }
    #expect(told == facts)
    let other = TimedCommand(end: .exited(0), output: "\(HostProbe.mark){\"host\":\"x\"}\n", errors: "")
    guard case .failed(let finding) = HostProbe.judge(other, host: "x", program: "/p", limit: .seconds(3)) else {
      Issue.record("taken for an answer")
      return
    }
    #expect(finding.words.contains("another version"))
  }

  @Test(.timeLimit(.minutes(20))) func hostsAreAskedTogetherAndToldInOrder() {
    let names = (0..<12).map { "h\($0)" }
    let probes = HostProbe.askAll(names, program: "/p", limit: .seconds(900), isWanted: { true }) {
      ["sh", "-c", "sleep 0.2; echo \($0) >&2"]
    }
    #expect(probes.map(\.host) == names)
  }
}
