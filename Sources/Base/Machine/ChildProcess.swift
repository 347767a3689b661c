private import CHost
internal import Glibc

/// Commands started beside this process.
package enum ChildProcess {
  package enum End: Sendable, Equatable {
    case exited(Int32)
    case signalled(Int32)
  }

  /// How a child ended, whose number stays taken until it is waited for; nil while it runs.
  package static func end(of child: Int32) -> End? {
    var info = siginfo_t()
    guard waitid(P_PID, id_t(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0, info._sifields._sigchld.si_pid == child
    else { return nil }
    let status = info._sifields._sigchld.si_status
    return info.si_code == CLD_EXITED ? .exited(status) : .signalled(status)
  }

  /// This process's variables, as a child takes them, without the one called `name`.
  package static func environment(without name: String? = nil) -> [String] {
    var values: [String] = []
    var next = environ
    while let value = next.pointee {
      values.append(String(cString: value))
      next += 1
    }
    return name.map { name in values.filter { !$0.hasPrefix(name + "=") } } ?? values
  }

  /// The reading and the writing end of a pipe that no child inherits.
  package static func makePipe() throws(MachineError) -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [-1, -1]
    let error = host_pipe(&ends)
    guard error == 0 else { throw .system("pipe2", error) }
    return (ends[0], ends[1])
  }

  /// Starts a command in a process group of its own, with these standard streams and no other descriptor open, and with
  /// all signals as a shell would leave them; returns its id, which its starter must wait for. `input`, `output` and
  /// `errors` are descriptors of this process, which stay open in it.
  package static func start(
    _ command: [String], environment: [String], input: Int32, output: Int32, errors: Int32
  ) throws(MachineError) -> Int32 {
    guard !command.isEmpty else { throw .system("posix_spawn", EINVAL) }
    let arguments = command.map { strdup($0) } + [nil]
    let variables = environment.map { strdup($0) } + [nil]
    defer { for text in arguments + variables { free(text) } }
    var process: Int32 = 0
    let error = host_spawn(
      arguments.map { UnsafePointer($0) }, variables.map { UnsafePointer($0) }, [input, output, errors], &process)
    guard error == 0 else { throw .system("posix_spawn", error) }
    return process
  }
}
