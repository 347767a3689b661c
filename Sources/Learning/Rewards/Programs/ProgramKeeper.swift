import Dispatch
import Glibc
import Machine
import Synchronization
import Threads

/// The thread that starts a program and stays until it has ended.
final class ProgramKeeper: Sendable {
  private let command: [String]
  private let environment: [String]
  private let streams: (input: Int32, output: Int32, errors: Int32)
  private let start = Mutex<Result<pid_t, MachineError>?>(nil)
  private let isStarted = DispatchSemaphore(value: 0)
  private let end = Mutex<ProgramProcess.End?>(nil)
  private let mayLetGo = DispatchSemaphore(value: 0)

  /// The ends of pipes may be closed once `started` has returned.
  init(
    _ command: [String], environment: [String], input: Int32, output: Int32, errors: Int32
  ) throws(MachineError) {
    (self.command, self.environment, streams) = (command, environment, (input, output, errors))
    do throws(ThreadError) {
      _ = try BackgroundThread("reward program") { self.run() }
    } catch { throw .system(call: "pthread_create", errno: error.code, reason: error.reason) }
  }

  /// The program's number; it is the caller's to ask once.
  func started() throws(MachineError) -> pid_t {
    isStarted.wait()
    guard let result = start.withLock({ $0 }) else {
      throw .system(call: "posix_spawn", errno: EINVAL, reason: "nothing was started")
    }
    return try result.get()
  }

  var ended: ProgramProcess.End? { end.withLock { $0 } }

  /// Lets the system forget the program's number once it has ended.
  func letGo() { mayLetGo.signal() }

  private func run() {
    let result = Result { () throws(MachineError) in
      try ChildProcess.start(
        command, environment: environment, input: streams.input, output: streams.output, errors: streams.errors)
    }
    start.withLock { $0 = result }
    isStarted.signal()
    guard case .success(let id) = result else { return }
    var info = siginfo_t()
    while waitid(P_PID, id_t(id), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
    let status = info._sifields._sigchld.si_status
    end.withLock { $0 = info.si_code == CLD_EXITED ? .exited(status) : .signalled(status) }
    mayLetGo.wait()
    while waitpid(id, nil, 0) < 0, errno == EINTR {}
  }
}
