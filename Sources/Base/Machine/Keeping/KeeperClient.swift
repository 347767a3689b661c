private import CHost
internal import Glibc
private import Synchronization

/// A process's way to its host's keeper. What it has found there or handed over counts as used while this lives.
package final class KeeperClient: Sendable {
  private let socket: Mutex<Int32>

  /// Connects to the keeper that there is; throws where there is none of this user's. Answers may take `seconds`.
  package init(_ folder: KeeperFolder = KeeperFolder(), seconds: Int = 15) throws(MachineError) {
    try folder.check()
    let file = host_socket_connect(folder.socket, Int32(seconds))
    guard file >= 0 else {
      let reason = file == -EPERM ? "another user's process answers" : String(cString: strerror(-file))
      throw .keeper("\(folder.socket): \(reason)")
    }
    socket = Mutex(file)
  }

  /// As above; nil where there is no keeper.
  package static func existing(_ folder: KeeperFolder = KeeperFolder()) throws(MachineError) -> KeeperClient? {
    guard access(folder.socket, F_OK) == 0 else { return nil }
    do throws(MachineError) { return try KeeperClient(folder) } catch {
      // What one left behind that was killed.
      try folder.check()
      if let keeper = try MemoryKeeper(folder) {
        withExtendedLifetime(keeper) {}
        return nil
      }
      throw error
    }
  }

  deinit { close(socket.withLock { $0 }) }

  /// Has there be a keeper, by `command` where there is none, and waits until it answers, for some seconds at most.
  package static func start(
    _ folder: KeeperFolder = KeeperFolder(), command: [String], patience: Duration = .seconds(15)
  ) throws(MachineError) -> KeeperClient {
    try folder.make()
    let end = ContinuousClock.now + patience
    var started: ContinuousClock.Instant?
    while true {
      do throws(MachineError) { return try KeeperClient(folder) } catch {
        guard ContinuousClock.now < end else { throw error }
      }
      // One that was about to end may have been in the way.
      if started.map({ ContinuousClock.now - $0 > .seconds(2) }) ?? true {
        try spawn(command, folder)
        started = .now
      }
      usleep(10_000)
    }
  }

  /// In a group of its own, without the marks by which jobs and launchers know their processes, and without their
  /// streams.
  private static func spawn(_ command: [String], _ folder: KeeperFolder) throws(MachineError) {
    let nothing = open("/dev/null", O_RDWR | O_CLOEXEC)
    guard nothing >= 0 else { throw .system("opening /dev/null", errno) }
    defer { close(nothing) }
    var environment = ["\(KeeperFolder.variable)=\(folder.path)"]
    for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "LANG", "TMPDIR"] {
      if let value = getenv(name) { environment.append("\(name)=\(String(cString: value))") }
    }
    _ = try ChildProcess.start(command, environment: environment, input: nothing, output: nothing, errors: nothing)
  }

  /// The memory kept under `name`, in the order in which it was handed over, and its note; nil where there is none.
  package func find(_ name: String) throws(MachineError) -> (memory: [SharedMemory], note: [UInt8])? {
    let (reply, memory) = try ask(.find(name), [])
    return reply.isGood ? (memory, reply.note) : nil
  }

  /// Hands memory over, for so many seconds after its last user has gone; false where it was refused.
  package func hold(
    _ name: String, _ memory: [SharedMemory], note: [UInt8], seconds: Int
  ) throws(MachineError) -> Bool {
    guard memory.count <= KeeperLimits.segments, note.count <= KeeperLimits.noteBytes else { return false }
    return try ask(.hold(name, note: note, seconds: seconds), memory.map(\.descriptor)).reply.isGood
  }

  /// Has it let go of what is kept under `name`.
  package func drop(_ name: String) throws(MachineError) { _ = try ask(.drop(name), []) }

  /// Has it let go of what nobody uses, or of everything; returns the bytes. Who uses some keeps it as long as it
  /// likes.
  package func release(all: Bool) throws(MachineError) -> Int { try ask(.release(all: all), []).reply.byteCount }

  /// What is kept, in the order of names.
  package func list() throws(MachineError) -> [KeptEntry] { try ask(.list, []).reply.entries }

  private func ask(
    _ request: KeeperRequest, _ descriptors: [Int32]
  ) throws(MachineError) -> (reply: KeeperReply, memory: [SharedMemory]) {
    let answer = socket.withLock { socket -> Result<(KeeperReply, [SharedMemory]), MachineError> in
      let bytes = request.bytes
      let error = host_socket_send(socket, bytes, bytes.count, descriptors, descriptors.count)
      guard error == 0 else { return .failure(.system("asking the keeper of weights", error)) }
      var buffer = [UInt8](repeating: 0, count: KeeperLimits.messageBytes)
      var files = [Int32](repeating: -1, count: KeeperLimits.segments)
      var count = 0
      let length = host_socket_receive(socket, &buffer, buffer.count, &files, files.count, &count)
      let memory = files.prefix(count).map { file in try? SharedMemory(adopting: file) }
      guard length > 0, let reply = KeeperReply(Array(buffer.prefix(length))) else {
        return .failure(length < 0 ? .system("hearing the keeper of weights", Int32(-length)) : .keeper("it hung up"))
      }
      guard !memory.contains(where: { $0 == nil }) else { return .failure(.notSharedMemory) }
      return .success((reply, memory.compactMap { $0 }))
    }
    return try answer.get()
  }
}
