import Glibc
import Machine
import Threads

/// The thread that starts a program and stays until it has ended.
final class ProgramKeeper: Sendable {
  private struct State {
    var start: Result<pid_t, MachineError>?
    var end: ProgramProcess.End?
    var mayLetGo = false
  }

  private let command: [String]
  private let environment: [String]
  private let streams: (input: Int32, output: Int32, errors: Int32)
  private let state = Monitor(State())

  /// The ends of pipes may be closed once `started` has returned.
  init(
    _ command: [String], environment: [String], input: Int32, output: Int32, errors: Int32
  ) throws(MachineError) {
    (self.command, self.environment, streams) = (command, environment, (input, output, errors))
    do throws(ThreadError) {
      _ = try BackgroundThread("reward program") { self.run() }
    } catch { throw .system(call: "pthread_create", errno: error.code, reason: error.reason) }
  }

  /// The program's number, once it has been started.
  func started() throws(MachineError) -> pid_t { try state.wait { $0.start }.get() }

  var ended: ProgramProcess.End? { state.read { $0.end } }

  /// Lets the system forget the program's number once it has ended.
  func letGo() { state.change { $0.mayLetGo = true } }

  private func run() {
    let result = Result { () throws(MachineError) in
      try ChildProcess.start(
        command, environment: environment, input: streams.input, output: streams.output, errors: streams.errors)
    }
    state.change { $0.start = result }
    guard case .success(let id) = result else { return }
    var info = siginfo_t()
    while waitid(P_PID, id_t(id), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
    let status = info._sifields._sigchld.si_status
    state.change { $0.end = info.si_code == CLD_EXITED ? .exited(status) : .signalled(status) }
    state.wait { $0.mayLetGo ? true : nil }
    while waitpid(id, nil, 0) < 0, errno == EINTR {}
  }
}
