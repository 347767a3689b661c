import ArgumentParser
import Glibc
import Machine

/// `martinet stop`: has a server end in good order, and waits for that.
struct Stop: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Have a server on this host finish its requests and end; wait until it has.",
    discussion: """
      Sends SIGUSR1, which a server, its supervisor and mpirun take for that: mpirun passes it on to all ranks at once \
      and ends by nothing else (SIGTERM, SIGINT and SIGHUP make it kill them). For a service manager's ExecStop or a \
      container's preStop:
        martinet stop --pid-file /run/martinet.pid
        martinet stop --pid 1 --limit 28
      """)

  @Option(help: ArgumentHelp("File that `martinet serve --pid-file` wrote.", valueName: "file"))
  var pidFile: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Number of the process: a server, its supervisor, or mpirun.", valueName: "n"))
  var pid: Int32?

  @Option(parsing: .unconditional, help: ArgumentHelp("Seconds to wait for its end.", valueName: "seconds"))
  var limit = 85

  func validate() throws {
    guard (pidFile == nil) != (pid == nil) else {
      throw ValidationError("name the server by either --pid-file or --pid")
    }
    guard pid.map({ $0 > 0 }) ?? true else { throw ValidationError("--pid \(pid ?? 0) is no process") }
    try require("limit", limit, in: 0...86_400)
  }

  func run() throws {
    guard let process = try pid ?? read() else { return }
    guard kill(process, SIGUSR1) == 0 else {
      if errno == ESRCH { return say("martinet: process \(process) has ended already") }
      say("martinet: process \(process) cannot be asked to end: \(String(cString: strerror(errno)))")
      throw ExitCode(1)
    }
    let end = ContinuousClock.now + .seconds(limit)
    while !Self.hasEnded(process) {
      guard ContinuousClock.now < end else {
        say("martinet: process \(process) has not ended within \(limit) s")
        throw ExitCode(1)
      }
      usleep(50_000)
    }
  }

  /// The number in the file; nil where its server has gone. A number may belong to another program by now, which must
  /// get no signal.
  private func read() throws -> Int32? {
    let path = pidFile ?? ""
    guard let text = SystemFiles.text(path, limit: 1) else {
      say(
        """
        martinet: \(path) cannot be read (\(String(cString: strerror(errno)))): no server has written it, or it \
        has ended
        """
      )
      return nil
    }
    guard let process = Int32(text.filter { !$0.isWhitespace }), process > 0 else {
      say("martinet: \(path) does not hold the number of a process")
      throw ExitCode(1)
    }
    guard SystemFiles.text("/proc/\(process)/comm")?.hasPrefix("martinet") == true else {
      say("martinet: the server that wrote \(path), process \(process), has ended")
      return nil
    }
    return process
  }

  /// A process that nobody has waited for yet has ended, too.
  private static func hasEnded(_ process: Int32) -> Bool {
    if kill(process, 0) != 0, errno == ESRCH { return true }
    guard let state = SystemFiles.text("/proc/\(process)/stat"), let end = state.lastIndex(of: ")") else {
      return false
    }
    return state[end...].dropFirst(2).first == "Z"
  }
}
