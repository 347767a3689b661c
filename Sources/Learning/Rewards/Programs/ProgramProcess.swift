import Dispatch
import Glibc
import Machine
import Synchronization

/// A program that is spoken with through its standard input and output, and all that it starts.
///
/// A thread of its own starts it and stays until it has ended: the system kills the program when that thread ends, so
/// when this process does, however that comes.
final class ProgramProcess: Sendable {
  /// Tells what it started from all other processes, also where a parent is gone.
  private static let mark = "MARTINET_REWARD"

  typealias End = ChildProcess.End

  let id: pid_t
  /// Its standard input, to be written to, and output, to be read from; neither waits.
  let input: Int32
  let output: Int32
  let errors: ProgramErrors
  private let confinement: Confinement
  private let token: String
  private let keeper: ProgramKeeper
  private let isOver = Mutex(false)

  init(_ command: String, in confinement: Confinement) throws(MachineError) {
    (self.confinement, token) = (confinement, "\(getpid())-\(UInt64.random(in: 0 ... .max))")
    let (reading, input) = try ChildProcess.makePipe()
    let (output, writing): (Int32, Int32)
    do throws(MachineError) { (output, writing) = try ChildProcess.makePipe() } catch {
      for end in [reading, input] { close(end) }
      throw error
    }
    let (heard, complaining): (Int32, Int32)
    do throws(MachineError) { (heard, complaining) = try ChildProcess.makePipe() } catch {
      for end in [reading, input, output, writing] { close(end) }
      throw error
    }
    defer { for end in [reading, writing, complaining] { close(end) } }
    for end in [input, output] { _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK) }
    // It closes its end by itself.
    do throws(MachineError) { errors = try ProgramErrors(heard) } catch {
      for end in [input, output, heard] { close(end) }
      throw error
    }
    do throws(MachineError) {
      keeper = try ProgramKeeper(
        confinement.command(command), environment: Self.environment(token), input: reading, output: writing,
        errors: complaining)
      id = try keeper.started()
    } catch {
      for end in [input, output] { close(end) }
      throw error
    }
    (self.input, self.output) = (input, output)
  }

  deinit { end(grace: .zero) }

  /// How it ended; nil while it runs.
  var ended: End? { keeper.ended }

  /// Closes its input, waits for `grace`, and ends whatever of it is left then.
  func end(grace: Duration) {
    let isFirst = isOver.withLock { isOver in
      defer { isOver = true }
      return !isOver
    }
    guard isFirst else { return }
    close(input)
    wait(atMost: grace)
    if confinement.ownsProcesses, ended == nil {
      // The namespace's first process, whose end is that of all in it; what waits for that one has no children left
      // then.
      for signal in [SIGTERM, SIGKILL] where ended == nil {
        for child in SystemFiles.children(of: id) { kill(child, signal) }
        wait(atMost: .seconds(1))
      }
    }
    // Its number stays taken until the keeper may let go of it.
    kill(-id, SIGKILL)
    let limit = ContinuousClock.now + .seconds(5)
    while ContinuousClock.now < limit {
      let left = SystemFiles.processes(with: "\(Self.mark)=\(token)").filter { $0 != id }
      for process in left { kill(process, SIGKILL) }
      if left.isEmpty, ended != nil { break }
      usleep(5_000)
    }
    // What it said last is shown before anybody tells that it failed.
    errors.wait(atMost: .seconds(1))
    close(output)
    keeper.letGo()
  }

  /// Waits for its end.
  func wait(atMost time: Duration) {
    let limit = ContinuousClock.now + time
    while ended == nil, ContinuousClock.now < limit { usleep(2_000) }
  }

  private static func environment(_ token: String) -> [String] {
    // Python then prints each line at once.
    ChildProcess.environment(without: mark) + ["\(mark)=\(token)"]
      + (getenv("PYTHONUNBUFFERED") == nil ? ["PYTHONUNBUFFERED=1"] : [])
  }
}
